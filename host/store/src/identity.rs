//! The identity of the database's files: whether their names still lead to the files that are open.
//!
//! A file that is removed or replaced lives on for whoever has it open. A host that did not look would go on for days,
//! and all of it would be gone at its end.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tidemill_pipeline::failpoint;

use crate::error::{Result, StoreError};

/// The files of a database that is open: itself, its log, and the shared memory of its connections.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    files: [(PathBuf, Option<Inode>); 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inode {
    device: u64,
    number: u64,
}

impl Identity {
    /// That of a database which a connection has open and has written to. As long as one has, its files stay the same ones.
    pub(crate) fn of(database: &Path) -> Result<Self> {
        let of = |ending: &str| -> Result<_> {
            let path = named(database, ending);
            let inode = inode(&path)?;
            Ok((path, inode))
        };
        Ok(Self { files: [of("")?, of("-wal")?, of("-shm")?] })
    }

    /// Checks that nobody took a file away.
    pub(crate) fn check(&self) -> Result<()> {
        for (path, known) in &self.files {
            if inode(path)? != *known && !failpoint::breaks("files-still-there") {
                return Err(StoreError::Taken(path.clone()));
            }
        }
        Ok(())
    }
}

/// Refuses a log whose database is gone: SQLite would take the log for a leftover and remove it, with the last commits in it.
pub(crate) fn refuse_log_alone(database: &Path) -> Result<()> {
    let length = |path: &Path| match fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StoreError::file(path)(error)),
    };
    let log = named(database, "-wal");
    if length(database)? > 0 || length(&log)? == 0 {
        return Ok(());
    }
    let cause = format!("`{}` is gone or empty, and its log `{}` is there", database.display(), log.display());
    let hint =
        "put the database back beside its log, or a backup with `tidemill restore FILE`; to begin anew, remove the log";
    Err(StoreError::Refused { cause, hint: Some(hint.to_owned()) })
}

fn inode(path: &Path) -> Result<Option<Inode>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(Inode { device: file.dev(), number: file.ino() })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file(path)(error)),
    }
}

fn named(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
