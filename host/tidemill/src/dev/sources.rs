//! The sources: which files a component is built of.
//!
//! In a directory these things are passed over: names that begin with a dot or end with `~`; `target`, `build`, `dist`,
//! `node_modules`, `venv`, `__pycache__`; files that end with `.wasm` or `.ndjson`; and what the configuration names as
//! data, components and feeds.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tidemill_pipeline::Digest;

/// Directories that hold what is built or fetched.
const PASSED_OVER: [&str; 6] = ["target", "build", "dist", "node_modules", "venv", "__pycache__"];
/// Files that are data and not sources.
const DATA: [&str; 2] = ["wasm", "ndjson"];
/// Larger files are compared by size and time alone.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// The most directories that are watched. More are surely none of somebody's sources.
const DIRECTORIES_MAX: usize = 10_000;

/// Files and directories, without what is passed over.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    roots: Vec<PathBuf>,
    left_out: BTreeSet<PathBuf>,
}

/// What tells a file's content from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Read(Digest),
    Large(u64, Option<SystemTime>),
}

impl Sources {
    /// Sources under these paths, without those others. Both are made absolute.
    pub(crate) fn new(roots: &[PathBuf], left_out: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            roots: roots.iter().map(|root| absolute(root)).collect(),
            left_out: left_out.into_iter().map(|path| absolute(&path)).collect(),
        }
    }

    /// Whether a path lies among them.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let under = |root: &PathBuf| {
            let rest = path.strip_prefix(root);
            rest.is_ok_and(|rest| !rest.iter().any(is_passed_over))
        };
        self.roots.iter().any(under) && !self.left_out.iter().any(|out| path.starts_with(out))
    }

    /// The directories to watch: a file's own is watched for it.
    pub(crate) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for root in &self.roots {
            if root.is_dir() {
                self.walk(root, &mut found, &mut BTreeSet::new());
            } else {
                found.extend(root.parent().map(Path::to_owned));
            }
        }
        found
    }

    /// The files that are there, under one path.
    pub(crate) fn files_under(&self, path: &Path) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        if path.is_dir() {
            self.walk(path, &mut BTreeSet::new(), &mut files);
        } else if path.is_file() && self.has(path) {
            files.insert(path.to_owned());
        }
        files
    }

    /// Every file that is there.
    fn files(&self) -> BTreeSet<PathBuf> {
        self.roots.iter().flat_map(|root| self.files_under(root)).collect()
    }

    fn walk(&self, directory: &Path, directories: &mut BTreeSet<PathBuf>, files: &mut BTreeSet<PathBuf>) {
        if directories.len() >= DIRECTORIES_MAX || !directories.insert(directory.to_owned()) {
            return;
        }
        // A directory that cannot be read has no sources that a build could read.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if !self.has(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.walk(&path, directories, files),
                Ok(_) if path.is_file() => drop(files.insert(path)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// What the files had in them when they were looked at last: a file that was only touched has not changed.
#[derive(Debug, Default)]
pub(crate) struct Contents(BTreeMap<PathBuf, Stamp>);

impl Contents {
    /// Looks at every file.
    pub(crate) fn of(sources: &[Sources]) -> Self {
        let files = sources.iter().flat_map(Sources::files);
        Self(files.filter_map(|file| Some((stamp(&file)?, file))).map(|(stamp, file)| (file, stamp)).collect())
    }

    /// Looks at a file again, and says whether it is another one.
    pub(crate) fn has_changed(&mut self, file: &Path) -> bool {
        match stamp(file) {
            Some(stamp) => self.0.insert(file.to_owned(), stamp.clone()) != Some(stamp),
            None => self.0.remove(file).is_some(),
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok().filter(|file| file.is_file() && !is_our_output(file))?;
    if metadata.len() > READ_BYTES_MAX {
        return Some(Stamp::Large(metadata.len(), metadata.modified().ok()));
    }
    Some(Stamp::Read(Digest::of(&fs::read(file).ok()?)))
}

/// Whether it is where this program writes to: `tidemill dev > seen.txt` would otherwise be an edit with every line.
fn is_our_output(file: &fs::Metadata) -> bool {
    let ours = |status: rustix::io::Result<rustix::fs::Stat>| {
        status.is_ok_and(|status| status.st_dev == file.dev() && status.st_ino == file.ino())
    };
    ours(rustix::fs::fstat(io::stdout())) || ours(rustix::fs::fstat(io::stderr()))
}

fn is_passed_over(name: &OsStr) -> bool {
    let extension = Path::new(name).extension();
    let name = name.to_string_lossy();
    name.starts_with('.')
        || name.ends_with('~')
        || PASSED_OVER.contains(&&*name)
        || DATA.iter().any(|data| extension == Some(OsStr::new(data)))
}

/// A path as the watcher reports it. What is not there yet may come.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => absolute(parent).join(name),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_hidden_or_data_is_no_source() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for file in
            ["src/lib.rs", "target/debug/x.rs", ".git/HEAD", "a.wasm", "events.ndjson", "data/x", "main.py", "main.py~"]
        {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), file).unwrap();
        }
        let sources = Sources::new(std::slice::from_ref(&root), [root.join("data")]);
        let names = |paths: BTreeSet<PathBuf>| {
            paths.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(sources.files()), ["main.py", "src/lib.rs"]);
        assert_eq!(names(sources.directories()), ["", "src"]);
        // What is named is watched, wherever it is.
        let chosen = Sources::new(&[root.join("target/debug"), root.join("a.wasm")], []);
        assert_eq!(names(chosen.files()), ["a.wasm", "target/debug/x.rs"]);
    }

    #[test]
    fn a_file_that_was_only_touched_has_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().canonicalize().unwrap().join("main.c");
        fs::write(&file, "1").unwrap();
        let mut contents = Contents::of(&[Sources::new(&[directory.path().to_owned()], [])]);
        fs::write(&file, "1").unwrap();
        assert!(!contents.has_changed(&file));
        fs::write(&file, "2").unwrap();
        assert!(contents.has_changed(&file) && !contents.has_changed(&file));
        fs::remove_file(&file).unwrap();
        assert!(contents.has_changed(&file) && !contents.has_changed(&file));
    }
}
