//! Component files: read, loaded, and kept, so that a host whose file went bad runs the last good one.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tidemill_pipeline::{Claim, Digest, Failure, FailureKind, Stage, failpoint};
use tokio::{sync::Mutex as AsyncMutex, task::spawn_blocking};

use super::{
    stamp::Stamp,
    wiring::{Component, Wiring},
};
use crate::{
    config::{Limits, ProcessorConfig},
    exit::hint,
};

/// Where accepted components are kept in a data directory.
pub(super) const KEPT: &str = "components";

/// Loads the component files of processors.
#[derive(Debug)]
pub(crate) struct Components {
    /// Where accepted files are kept, each under its digest.
    directory: PathBuf,
    wiring: Arc<Wiring>,
    files: Mutex<HashMap<PathBuf, Slot>>,
}

/// What is known of a file. Whoever holds its lock reads the file for all who have it.
type Slot = Arc<AsyncMutex<Option<Known>>>;

/// A file that was loaded and kept. As long as its stamp is the same it need not be read again.
#[derive(Debug)]
struct Known {
    /// When it began to be read.
    began: Instant,
    /// None if it was so young that it may have been written since without its stamp showing it.
    stamp: Option<Stamp>,
    limits: Limits,
    component: Component,
}

/// A component whose file changed.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) component: Component,
    /// How long it took to compile it, or to find its code.
    pub(crate) compiling: Duration,
}

/// A component and how it came to be the one that runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) component: Component,
    /// Why the configured file was not taken, if the last accepted one runs in its place.
    pub(crate) instead: Option<anyhow::Error>,
}

impl Components {
    pub(crate) fn new(data: &Path, wiring: Arc<Wiring>) -> io::Result<Self> {
        let directory = data.join(KEPT);
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, wiring, files: Mutex::default() })
    }

    /// The component of a processor at its start: its file, or else the last one that was accepted.
    pub(crate) async fn at_start(&self, claim: &Claim, config: &ProcessorConfig) -> anyhow::Result<Loaded> {
        let accepted = self.wiring.store.accepted_component(&claim.processor).await?;
        match self.of_file(config, None).await {
            Ok(component) => {
                self.wiring.accept(claim, &component).await?;
                Ok(Loaded { component, instead: None })
            }
            Err(error) if passing(&error).is_some() => Err(error),
            Err(error) => {
                let Some(digest) = accepted else { return Err(error) };
                let Ok((bytes, _)) = self.read(self.path(digest), config).await else { return Err(error) };
                let Ok((component, _)) = self.load(bytes, config).await else { return Err(error) };
                Ok(Loaded { component, instead: Some(error) })
            }
        }
    }

    /// The component of a processor now, if its file is another one than `running`. It is kept, but not accepted yet.
    pub(crate) async fn if_changed(
        &self,
        claim: &Claim,
        config: &ProcessorConfig,
        running: &Component,
    ) -> anyhow::Result<Option<Changed>> {
        let began = Instant::now();
        let component = self.of_file(config, Some((claim, running))).await?;
        let changed = component.digest() != running.digest();
        Ok(changed.then(|| Changed { component, compiling: began.elapsed() }))
    }

    /// The component of a processor's file, loaded and kept. However many processors ask for a file, it is read for all of them.
    /// If it is another one than the component that runs, that is told before it is loaded.
    async fn of_file(
        &self,
        config: &ProcessorConfig,
        running: Option<(&Claim, &Component)>,
    ) -> anyhow::Result<Component> {
        let asked = Instant::now();
        let slot = self.slot(&config.component);
        let mut known = slot.lock().await;
        let stamp = stamp(&config.component).await;
        if let Some(known) = known.as_ref().filter(|known| known.serves(asked, stamp, &config.limits)) {
            tell_change(running, known.component.digest());
            return Ok(known.component.clone());
        }
        let (began, stamp) = (Instant::now(), stamp.filter(Stamp::is_settled));
        let (bytes, digest) = self.read(config.component.clone(), config).await?;
        tell_change(running, digest);
        let component = match running {
            Some((_, running)) if running.digest() == digest => running.clone(),
            Some(_) | None => {
                let (component, bytes) = self.load(bytes, config).await?;
                self.keep(digest, bytes).await?;
                component
            }
        };
        *known = Some(Known { began, stamp, limits: config.limits, component: component.clone() });
        Ok(component)
    }

    fn slot(&self, file: &Path) -> Slot {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(file.to_owned()).or_default())
    }

    /// A file, as it is now.
    async fn read(&self, path: PathBuf, config: &ProcessorConfig) -> anyhow::Result<(Vec<u8>, Digest)> {
        let bytes_max = config.limits.component_bytes_max;
        let read = move || {
            let bytes = read(&path, bytes_max)?;
            tracing::debug!(file = %path.display(), "a component's file was read");
            let digest = Digest::of(&bytes);
            Ok((bytes, digest))
        };
        spawn_blocking(read).await?
    }

    async fn load(&self, bytes: Vec<u8>, config: &ProcessorConfig) -> anyhow::Result<(Component, Vec<u8>)> {
        let (wiring, config) = (Arc::clone(&self.wiring), config.clone());
        spawn_blocking(move || Ok((wiring.load(&bytes, &config)?, bytes))).await?
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }

    /// Keeps a file before it is accepted, so that what the store names is always there.
    async fn keep(&self, digest: Digest, bytes: Vec<u8>) -> anyhow::Result<()> {
        let (directory, path) = (self.directory.clone(), self.path(digest));
        let keep = move || -> io::Result<()> {
            if !path.exists() {
                let mut temporary = tempfile::NamedTempFile::new_in(&directory)?;
                temporary.write_all(&bytes)?;
                temporary.as_file().sync_all()?;
                temporary.persist(&path)?;
                // Else a power cut may take away the name that the store knows.
                fs::File::open(&directory)?.sync_all()?;
            }
            Ok(())
        };
        let kept = spawn_blocking(keep).await?;
        let unkept = |error: io::Error| {
            let cause = format!("the component cannot be kept in {}: {error}", self.directory.display());
            Failure::unavailable(Stage::Load, cause).hint("look at the space on the disk and at the directory's owner")
        };
        kept.map_err(unkept)?;
        failpoint::reach("component-kept");
        Ok(())
    }
}

impl Known {
    /// Whether it is what somebody finds who asked at this moment, with these limits, for a file that has this stamp now.
    fn serves(&self, asked: Instant, stamp: Option<Stamp>, limits: &Limits) -> bool {
        let still = self.began >= asked || (self.stamp.is_some() && self.stamp == stamp);
        still && self.limits == *limits
    }
}

/// Tells that a processor's file is another one than the component that runs.
fn tell_change(running: Option<(&Claim, &Component)>, found: Digest) {
    let Some((claim, running)) = running.filter(|(_, running)| running.digest() != found) else { return };
    tracing::info!(
        processor = %claim.processor.name, was = running.digest().short(), found = found.short(),
        "the component's file changed; it is loaded beside the running component"
    );
}

async fn stamp(file: &Path) -> Option<Stamp> {
    let file = file.to_owned();
    spawn_blocking(move || Stamp::read(&file)).await.ok().flatten()
}

/// The failure behind an error that says nothing about the component: the same may go well in a while.
pub(crate) fn passing(error: &anyhow::Error) -> Option<&Failure> {
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>())?;
    (failure.kind == FailureKind::Unavailable).then_some(failure)
}

/// An error over a component as `status` tells it; and what runs meanwhile, if something does.
pub(crate) fn trouble(error: &anyhow::Error, another_runs: bool) -> Failure {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()).map(|failure| failure.kind);
    let meanwhile = if another_runs { "; the last accepted one runs in its place" } else { "" };
    let failure = Failure::new(kind.unwrap_or(FailureKind::Broken), Stage::Load, format!("{error:#}{meanwhile}"));
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Why a component's file cannot be read. Mostly it was not built yet.
pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let file = file.display();
    if error.kind() == io::ErrorKind::NotFound {
        Failure::broken(Stage::Load, format!("the component {file} is not there"))
            .hint("build it, as the project's README.md says; `tidemill dev` runs the processor's `build` command")
    } else {
        let cause = format!("the component {file} cannot be read: {error}");
        Failure::broken(Stage::Load, cause).hint("look at the file and at whose it is")
    }
}

/// Why a component does not load. `tidemill inspect` says more.
pub(crate) fn unloadable(file: &Path, error: &anyhow::Error) -> Failure {
    let file = file.display();
    Failure::broken(Stage::Load, format!("the component {file} does not load: {error:#}"))
        .hint(format!("look at it with `tidemill inspect {file}`"))
}

/// A component's file; no more of it than it may have, and one byte.
fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let result = fs::File::open(path).and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    result.map_err(|error| unreadable(path, &error))?;
    Ok(bytes)
}
