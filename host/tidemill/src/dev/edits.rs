//! Edits: a thread that watches sources and tells which of them have other content now.

use std::{
    path::PathBuf,
    sync::mpsc as threads,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{RecommendedWatcher, RecursiveMode},
};
use tokio::sync::mpsc;

use super::sources::{Contents, Sources};

/// How long sources must be left alone: editors write in pieces, and several files at once.
const QUIET: Duration = Duration::from_millis(30);
/// Edits that may wait. While more come, they are only later.
const EDITS_MAX: usize = 64;
/// A file that says it was written longer before it was noticed was written with another time.
const LATE: Duration = Duration::from_secs(5);

/// Files that were changed together.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Which files, in order; at least one.
    pub(crate) files: Vec<PathBuf>,
    /// When the last of them was written.
    pub(crate) at: Instant,
}

/// What the thread is told.
enum Told {
    Seen(DebounceEventResult),
    Stop,
}

/// Watches until it is dropped.
pub(crate) struct Edits {
    seen: mpsc::Receiver<Edit>,
    tell: threads::Sender<Told>,
    thread: Option<JoinHandle<()>>,
}

type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

impl Edits {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system has no watcher left.
    pub(crate) fn watch(sources: Vec<Sources>) -> anyhow::Result<Self> {
        let (tell, told) = threads::channel();
        let (sender, seen) = mpsc::channel(EDITS_MAX);
        let report = {
            let tell = tell.clone();
            // When the thread is gone nobody wants to know.
            move |result| drop(tell.send(Told::Seen(result)))
        };
        let mut watcher = new_debouncer(QUIET, Some(QUIET / 3), report)?;
        for directory in sources.iter().flat_map(Sources::directories) {
            add(&mut watcher, &directory);
        }
        // After the watching began: what changes in between is seen.
        let contents = Contents::of(&sources);
        let lookout = Lookout { watcher, sources, contents, edits: sender };
        let thread = std::thread::Builder::new().name("sources".to_owned()).spawn(move || lookout.run(&told))?;
        Ok(Self { seen, tell, thread: Some(thread) })
    }

    /// The next edit. May be dropped at any moment.
    pub(crate) async fn next(&mut self) -> Edit {
        match self.seen.recv().await {
            Some(edit) => edit,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        self.seen.close();
        if self.tell.send(Told::Stop).is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the sources panicked: this is a bug of Tidemill");
        }
    }
}

/// What the thread owns.
struct Lookout {
    watcher: Watcher,
    sources: Vec<Sources>,
    contents: Contents,
    edits: mpsc::Sender<Edit>,
}

impl Lookout {
    fn run(mut self, told: &threads::Receiver<Told>) {
        while let Ok(Told::Seen(result)) = told.recv() {
            match result {
                Ok(events) => {
                    let touched = events.iter().filter(|event| !event.kind.is_access());
                    let paths: Vec<PathBuf> = touched.flat_map(|event| event.paths.iter().cloned()).collect();
                    if let Some(edit) = self.edit(paths)
                        && self.edits.blocking_send(edit).is_err()
                    {
                        return;
                    }
                }
                Err(errors) => tracing::warn!(?errors, "the sources cannot be watched; start again to see changes"),
            }
        }
    }

    fn edit(&mut self, mut paths: Vec<PathBuf>) -> Option<Edit> {
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            if !self.sources.iter().any(|sources| sources.has(&path)) {
                continue;
            }
            if path.is_dir() {
                if path.is_symlink() {
                    // As at the beginning: it may lead into itself, or to what is left out.
                    continue;
                }
                // It is new, or was moved here, with what is in it.
                let under = Sources::new(std::slice::from_ref(&path), []);
                under.directories().iter().for_each(|directory| add(&mut self.watcher, directory));
                let found = self.sources.iter().flat_map(|sources| sources.files_under(&path));
                files.extend(found);
            } else {
                files.push(path);
            }
        }
        files.sort();
        files.dedup();
        files.retain(|file| self.contents.has_changed(file));
        (!files.is_empty()).then(|| Edit { at: written(&files), files })
    }
}

fn add(watcher: &mut Watcher, directory: &std::path::Path) {
    if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
        tracing::warn!(directory = %directory.display(), %error, "the directory cannot be watched; start again to see changes");
    }
}

/// When the last of some files was written, as far as they say; else now.
fn written(files: &[PathBuf]) -> Instant {
    let now = Instant::now();
    let times = files.iter().filter_map(|file| std::fs::metadata(file).ok()?.modified().ok());
    let age = times.max().and_then(|last| SystemTime::now().duration_since(last).ok());
    age.filter(|age| *age < LATE).and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_edit_names_the_files_with_other_content_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::write(root.join("same.c"), "1").unwrap();
        let mut edits = Edits::watch(vec![Sources::new(std::slice::from_ref(&root), [])]).unwrap();
        std::fs::write(root.join("same.c"), "1").unwrap();
        std::fs::create_dir(root.join("src")).unwrap();
        std::fs::write(root.join("src/new.c"), "2").unwrap();
        assert_eq!(edits.next().await.files, [root.join("src/new.c")]);
        // The new directory is watched too.
        std::fs::write(root.join("src/new.c"), "3").unwrap();
        assert_eq!(edits.next().await.files, [root.join("src/new.c")]);
        // A link to a directory is no way into it.
        std::os::unix::fs::symlink("..", root.join("src/loop")).unwrap();
        std::fs::write(root.join("same.c"), "4").unwrap();
        assert_eq!(edits.next().await.files, [root.join("same.c")]);
    }
}
