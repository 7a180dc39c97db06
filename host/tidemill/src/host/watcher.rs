//! The watcher: sees when component files change, in place or by rename.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{RecommendedWatcher, RecursiveMode},
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use super::stamp::Stamp;

/// How long a file must be left alone before it is read: compilers write in pieces.
const QUIET: Duration = Duration::from_millis(30);
/// How often the components' paths are looked at, beside what the system reports: that ends when the directory is replaced,
/// and does not begin where there is none yet, or where too much is watched already.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Watches the directories of component files; a rename into one is seen too. However many processors have a file, it is
/// looked at once. Its thread and its task end when it is dropped.
pub(crate) struct Watcher {
    files: Arc<Files>,
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    _looks: JoinSet<()>,
}

impl Watcher {
    /// Begins to watch. What the system does not report, of a directory that is not there yet too, is found by the looks. In a
    /// runtime.
    pub(crate) fn start<'a>(components: impl Iterator<Item = &'a Path>) -> anyhow::Result<Self> {
        let components: BTreeSet<&Path> = components.collect();
        let files = Arc::new(Files(Mutex::new(components.iter().map(|file| Watched::new(file)).collect())));
        let reported = Arc::clone(&files);
        let seen = move |result: DebounceEventResult| match result {
            Ok(events) => {
                let touched = events.iter().filter(|event| !event.kind.is_access());
                reported.touched(&touched.flat_map(|event| &event.paths).collect::<Vec<_>>());
            }
            Err(errors) => {
                tracing::debug!(
                    ?errors,
                    "the system reports no change of some component files; they are looked at all the same"
                );
            }
        };
        let mut debouncer = new_debouncer(QUIET, None, seen)?;
        let directories: BTreeSet<&Path> = components.iter().filter_map(|file| file.parent()).collect();
        for directory in directories {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            if let Err(error) = debouncer.watch(directory, RecursiveMode::NonRecursive) {
                tracing::debug!(directory = %directory.display(), %error, "the system does not report changes in the directory; its components are looked at all the same");
            }
        }
        let mut looks = JoinSet::new();
        looks.spawn(look(Arc::clone(&files)));
        Ok(Self { files, _debouncer: debouncer, _looks: looks })
    }

    /// The changes of a file from now on; none of a file that is not watched.
    pub(crate) fn changes(&self, file: &Path) -> FileChanges {
        let files = self.files.lock();
        let watched = files.iter().find(|watched| watched.file == file);
        FileChanges(watched.map(|watched| watched.changes.subscribe()))
    }
}

/// Looks at every file for as long as it is polled.
async fn look(files: Arc<Files>) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !files.lock().is_empty() {
        looks.tick().await;
        let files = Arc::clone(&files);
        if let Err(error) = spawn_blocking(move || files.look()).await {
            tracing::debug!(%error, "the component files were not looked at");
        }
    }
}

/// The files that are watched.
struct Files(Mutex<Vec<Watched>>);

struct Watched {
    file: PathBuf,
    /// Raised by every change.
    changes: watch::Sender<u64>,
    /// The file of the last change that was told.
    known: Option<Stamp>,
    /// The file of the last look.
    seen: Option<Stamp>,
}

impl Watched {
    fn new(file: &Path) -> Self {
        let known = Stamp::read(file);
        Self { file: file.to_owned(), changes: watch::Sender::new(0), known, seen: known }
    }

    fn tell(&mut self, now: Option<Stamp>) {
        self.known = now;
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The system says that something happened to these paths.
    fn touched(&self, paths: &[&PathBuf]) {
        for watched in self.lock().iter_mut() {
            if paths.iter().any(|path| path.file_name() == watched.file.file_name()) {
                let now = Stamp::read(&watched.file);
                watched.tell(now);
            }
        }
    }

    fn look(&self) {
        for watched in self.lock().iter_mut() {
            let now = Stamp::read(&watched.file);
            // Twice the same: nobody writes it any more, and no report is about to come.
            if now != watched.known && now == watched.seen {
                watched.tell(now);
            }
            watched.seen = now;
        }
    }
}

/// The changes of one file.
#[derive(Debug)]
pub(crate) struct FileChanges(Option<watch::Receiver<u64>>);

impl FileChanges {
    /// Waits until something happens to the file. May be dropped at any moment.
    pub(crate) async fn next(&mut self) {
        let Some(changes) = &mut self.0 else { return std::future::pending().await };
        if changes.changed().await.is_err() {
            // The watcher is gone: the host is about to end.
            std::future::pending::<()>().await;
        }
    }
}
