//! The workbench: an engine on which components are tried, with a cache of compiled code and without a database.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tempfile::TempDir;
use tidemill_engine::{CodeHashes, Compiler, Component, ComponentProcessor, Engine, EngineSettings, ProcessorSettings};
use tidemill_pipeline::{Digest, ProcessorName, Rehearsal, RehearsedState};
use tokio::runtime::Runtime;

use super::{Case, CaseDefaults, CaseOutcome, outcome::Heard};
use crate::{
    config::Limits,
    host::{compiling, engine_settings, granted, is_long_work, log_level, unloadable, unreadable},
    output::complain,
};

/// How finely the wall time of calls is measured.
const TICK: Duration = Duration::from_millis(10);

/// An engine, and a thread that waits for it.
#[derive(Debug)]
pub struct Workbench {
    engine: Engine,
    runtime: Runtime,
    /// Removed with it, where a user has no place for what can be made again.
    _scratch: Option<TempDir>,
}

impl Workbench {
    /// The workbench of the user who runs this program: what was compiled once is found again. A user without a home
    /// gets a directory that nobody else can have made, and compiles each time.
    ///
    /// # Errors
    /// When there is no place for compiled code, or no engine on this machine.
    pub fn of_the_user() -> anyhow::Result<Self> {
        let scratch =
            || tempfile::Builder::new().prefix("tidemill-").tempdir().context("there is no room for compiled code");
        let (directory, scratch) = match cache_directory() {
            Some(directory) => (directory, None),
            None => scratch().map(|scratch| (scratch.path().to_owned(), Some(scratch)))?,
        };
        let hashes = Arc::new(Hashes(directory.join("hashes")));
        Self::new(engine_settings(&directory.join("code"), 1, hashes)?, scratch)
    }

    /// A workbench with its compiled code in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be had, or there is no engine on this machine.
    pub fn open(directory: &Path, compiler: Compiler) -> anyhow::Result<Self> {
        let hashes = Arc::new(Hashes(directory.join("hashes")));
        let cache_dir = directory.join("code");
        Self::new(EngineSettings { cache_dir, threads: 1, compiler, hashes, tick: TICK }, None)
    }

    fn new(settings: EngineSettings, scratch: Option<TempDir>) -> anyhow::Result<Self> {
        let engine = Engine::new(settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().context("the runtime does not start")?;
        Ok(Self { engine, runtime, _scratch: scratch })
    }

    /// Loads a component from the bytes of its file.
    ///
    /// # Errors
    /// When it does not load: all that is missing or not granted, by name.
    pub fn load(&self, file: &[u8], limits: &Limits) -> anyhow::Result<Component> {
        Ok(self.engine.load(file, &granted(limits))?)
    }

    /// Loads a component from its file.
    ///
    /// # Errors
    /// When the file cannot be read or does not load.
    pub(crate) fn load_file(&self, path: &Path, limits: &Limits) -> anyhow::Result<Component> {
        let file = fs::read(path).map_err(|error| unreadable(path, &error))?;
        Ok(self.load_read(path, &file, limits).map_err(|error| unloadable(path, &error))?)
    }

    /// Loads a component that was read from a file. Says so if people will wait for it.
    ///
    /// # Errors
    /// As [`Workbench::load`].
    pub(crate) fn load_read(&self, path: &Path, file: &[u8], limits: &Limits) -> anyhow::Result<Component> {
        if is_long_work(&self.engine, file) {
            complain(&compiling(path, file));
        }
        self.load(file, limits)
    }

    /// Runs a case. Not from within an asynchronous task: it blocks.
    ///
    /// # Errors
    /// Only when the host cannot do its part: what goes wrong in the component belongs to the outcome.
    pub fn run(&self, case: &Case, component: &Component, defaults: &CaseDefaults) -> anyhow::Result<CaseOutcome> {
        let settings = case.settings(defaults);
        let (processor, heard) = self.processor(component, &ProcessorName::new("test"), &settings);
        let state = RehearsedState::of(case.file.before.clone());
        let mut rehearsal = Rehearsal::new(processor, state, settings.rehearsal());
        let mut outcome = CaseOutcome::default();
        for run in case.spans.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((key, _)) = run.first() else { continue };
            let spans = run.iter().map(|(_, span)| span.clone()).collect();
            self.wait_for(rehearsal.run(key, spans, |batch| outcome.add(batch)))?;
            if outcome.batches.last().is_some_and(|batch| batch.end.is_some()) {
                break;
            }
        }
        outcome.lines = heard.take();
        outcome.after = rehearsal.state().entries()?;
        Ok(outcome)
    }

    /// A processor as a host would have it, and what it will say.
    pub(crate) fn processor(
        &self,
        component: &Component,
        name: &ProcessorName,
        settings: &CaseDefaults,
    ) -> (ComponentProcessor, Heard) {
        let heard = Heard::default();
        let settings = ProcessorSettings {
            name: name.clone(),
            config: settings.config.clone().into_iter().collect(),
            // It belongs to the lineage, and nothing is committed.
            config_digest: Digest::of(b""),
            limits: granted(&settings.limits),
            instances: settings.instances,
            log_level: log_level(settings.log_level),
        };
        (self.engine.processor(component, settings).heard_by(Arc::new(heard.clone())), heard)
    }

    /// Waits for a rehearsal.
    pub(crate) fn wait_for<T>(&self, rehearsal: impl Future<Output = T>) -> T {
        self.runtime.block_on(rehearsal)
    }
}

/// Where a user's programs keep what they can make again (XDG).
fn cache_directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).map(|cache| cache.join("tidemill"))
}

/// The hashes of compiled code, a file each in a directory of their own.
struct Hashes(PathBuf);

impl CodeHashes for Hashes {
    fn get(&self, name: &str) -> Option<Digest> {
        fs::read_to_string(self.0.join(name)).ok()?.trim().parse().ok()
    }

    fn set(&self, name: &str, hash: Digest) {
        let kept = fs::create_dir_all(&self.0).and_then(|()| {
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            std::io::Write::write_all(&mut file, hash.to_string().as_bytes())?;
            file.persist(self.0.join(name)).map_err(|error| error.error)
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "the hash of compiled code cannot be kept; it will be compiled again");
        }
    }
}
