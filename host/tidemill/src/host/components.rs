//! Component files: read, loaded, and kept, so that a host whose file went bad runs the last good one.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tidemill_pipeline::{Claim, Digest, Failure, FailureKind, Stage};
use tokio::{sync::Mutex as AsyncMutex, task::spawn_blocking};

use super::{
    stamp::Stamp,
    wiring::{Component, Wiring},
};
use crate::config::{Limits, ProcessorConfig};

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
    stamp: Stamp,
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
        let directory = data.join("components");
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, wiring, files: Mutex::default() })
    }

    /// The component of a processor at its start: its file, or else the last one that was accepted.
    pub(crate) async fn at_start(&self, claim: &Claim, config: &ProcessorConfig) -> anyhow::Result<Loaded> {
        let accepted = self.wiring.store.accepted_component(&claim.processor).await?;
        match self.of_file(config).await {
            Ok(component) => {
                self.wiring.accept(claim, &component).await?;
                Ok(Loaded { component, instead: None })
            }
            Err(error) if passing(&error).is_some() => Err(error),
            Err(error) => {
                let Some(digest) = accepted else { return Err(error) };
                let Ok((component, _)) = self.load(self.path(digest), config).await else { return Err(error) };
                Ok(Loaded { component, instead: Some(error) })
            }
        }
    }

    /// The component of a processor now, if its file is another one than `running`. It is kept, but not accepted yet.
    pub(crate) async fn if_changed(
        &self,
        claim: &Claim,
        config: &ProcessorConfig,
        running: Digest,
    ) -> anyhow::Result<Option<Changed>> {
        let found = self.digest(config).await?;
        if found == running {
            return Ok(None);
        }
        tracing::info!(
            processor = %claim.processor.name, was = running.short(), found = found.short(),
            "the component's file changed; it is loaded beside the running component"
        );
        let began = Instant::now();
        let component = self.of_file(config).await?;
        Ok(Some(Changed { component, compiling: began.elapsed() }))
    }

    /// The component of a processor's file, loaded and kept. However many processors have the file, it is read once.
    async fn of_file(&self, config: &ProcessorConfig) -> anyhow::Result<Component> {
        let slot = self.slot(&config.component);
        let mut known = slot.lock().await;
        let stamp = stamp(&config.component).await;
        if let Some(component) = known.as_ref().and_then(|known| known.if_still(stamp, &config.limits)) {
            return Ok(component);
        }
        let settled = stamp.filter(Stamp::is_settled);
        let (component, bytes) = self.load(config.component.clone(), config).await?;
        self.keep(component.digest(), bytes).await?;
        *known = settled.map(|stamp| Known { stamp, limits: config.limits, component: component.clone() });
        Ok(component)
    }

    /// The digest of a processor's file now.
    async fn digest(&self, config: &ProcessorConfig) -> anyhow::Result<Digest> {
        let (path, bytes_max) = (config.component.clone(), config.limits.component_bytes_max);
        let slot = self.slot(&path);
        let stamp = stamp(&path).await;
        if let Some(component) = slot.lock().await.as_ref().and_then(|known| known.if_still(stamp, &config.limits)) {
            return Ok(component.digest());
        }
        let bytes = spawn_blocking(move || read(&path, bytes_max)).await??;
        Ok(Digest::of(&bytes))
    }

    fn slot(&self, file: &Path) -> Slot {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(file.to_owned()).or_default())
    }

    async fn load(&self, path: PathBuf, config: &ProcessorConfig) -> anyhow::Result<(Component, Vec<u8>)> {
        let (wiring, config) = (Arc::clone(&self.wiring), config.clone());
        let load = move || {
            let bytes = read(&path, config.limits.component_bytes_max)?;
            let component = wiring.load(&bytes, &config)?;
            Ok((component, bytes))
        };
        spawn_blocking(load).await?
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
            }
            Ok(())
        };
        let kept = spawn_blocking(keep).await?;
        let unkept = |error: io::Error| {
            let cause = format!("the component cannot be kept in {}: {error}", self.directory.display());
            Failure::unavailable(Stage::Load, cause).hint("look at the space on the disk and at the directory's owner")
        };
        Ok(kept.map_err(unkept)?)
    }
}

impl Known {
    /// The component, if the file is still the same and may use the same.
    fn if_still(&self, stamp: Option<Stamp>, limits: &Limits) -> Option<Component> {
        (Some(self.stamp) == stamp && self.limits == *limits).then(|| self.component.clone())
    }
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

/// Why a component's file cannot be read: the rest of a sentence that begins with it. Mostly it was not built yet.
pub(crate) fn unreadable(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "is not there\n  hint: build it, as the project's README.md says; `tidemill dev` runs the processor's `build` command"
            .to_owned()
    } else {
        format!("cannot be read: {error}")
    }
}

/// A component's file; no more of it than it may have, and one byte.
fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let result = fs::File::open(path).and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    result.map_err(|error| anyhow::anyhow!("the component {} {}", path.display(), unreadable(&error)))?;
    Ok(bytes)
}
