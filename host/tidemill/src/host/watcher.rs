//! The watcher: sees when component files change, in place or by rename.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{RecommendedWatcher, RecursiveMode},
};
use tokio::{
    sync::broadcast,
    time::{Interval, MissedTickBehavior, interval},
};

/// How long a file must be left alone before it is read: compilers write in pieces.
const QUIET: Duration = Duration::from_millis(30);
/// Changes that may wait for a runner. One that falls behind looks at its file anyway.
const CHANGES_MAX: usize = 64;
/// How often a component's path is looked at, beside what the system reports: that ends when the directory is replaced.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Watches the directories of component files; a rename into one is seen too. Its thread ends when it is dropped.
pub(crate) struct Watcher {
    changes: broadcast::Sender<Arc<[PathBuf]>>,
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
}

impl Watcher {
    /// Begins to watch. A directory that is not there is passed over with a warning.
    pub(crate) fn start<'a>(components: impl Iterator<Item = &'a Path>) -> anyhow::Result<Self> {
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        let sender = changes.clone();
        let seen = move |result: DebounceEventResult| match result {
            Ok(events) => {
                let touched = events.iter().filter(|event| !event.kind.is_access());
                let paths: Arc<[PathBuf]> = touched.flat_map(|event| event.paths.iter().cloned()).collect();
                // Nobody may listen yet, or any more.
                if !paths.is_empty() && sender.send(paths).is_err() {
                    tracing::debug!("a file changed while no processor runs");
                }
            }
            Err(errors) => {
                tracing::warn!(?errors, "the component files cannot be watched; restart to load changed ones");
            }
        };
        let mut debouncer = new_debouncer(QUIET, None, seen)?;
        let directories: BTreeSet<&Path> = components.filter_map(Path::parent).collect();
        for directory in directories {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            if let Err(error) = debouncer.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(directory = %directory.display(), %error, "the directory cannot be watched; restart to load changed components");
            }
        }
        Ok(Self { changes, _debouncer: debouncer })
    }

    /// The changes of a file from now on. In a runtime.
    pub(crate) fn changes(&self, file: &Path) -> FileChanges {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let known = std::fs::metadata(file).ok().as_ref().map(Stamp::of);
        FileChanges { file: file.to_owned(), reported: self.changes.subscribe(), looks, known, seen: known }
    }
}

/// What tells a file from another one, or from itself before it was written, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

impl Stamp {
    fn of(file: &std::fs::Metadata) -> Self {
        let modified = (file.mtime(), file.mtime_nsec());
        Self { device: file.dev(), inode: file.ino(), modified, bytes: file.len() }
    }
}

/// The changes of one file.
#[derive(Debug)]
pub(crate) struct FileChanges {
    file: PathBuf,
    reported: broadcast::Receiver<Arc<[PathBuf]>>,
    looks: Interval,
    /// The file of the last change that was told.
    known: Option<Stamp>,
    /// The file of the last look.
    seen: Option<Stamp>,
}

impl FileChanges {
    /// Waits until something happens to the file. May be dropped at any moment.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                biased;
                reported = self.reported.recv() => match reported {
                    Ok(paths) if !paths.iter().any(|path| path.file_name() == self.file.file_name()) => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.known = self.look().await;
                        return;
                    }
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
                _ = self.looks.tick() => {
                    let (now, before) = (self.look().await, self.seen);
                    self.seen = now;
                    // Twice the same: nobody writes it any more, and no report is about to come.
                    if now != self.known && now == before {
                        self.known = now;
                        return;
                    }
                }
            }
        }
    }

    async fn look(&self) -> Option<Stamp> {
        tokio::fs::metadata(&self.file).await.ok().as_ref().map(Stamp::of)
    }
}
