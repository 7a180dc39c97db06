//! The watcher: sees when component files change, in place or by rename.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{RecommendedWatcher, RecursiveMode},
};
use tokio::sync::broadcast;

/// How long a file must be left alone before it is read: compilers write in pieces.
const QUIET: Duration = Duration::from_millis(30);
/// Changes that may wait for a runner. One that falls behind looks at its file anyway.
const CHANGES_MAX: usize = 64;

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

    /// The paths that change from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<[PathBuf]>> {
        self.changes.subscribe()
    }
}
