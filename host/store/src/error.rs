//! What goes wrong in the store, and what it means: for a host that runs in [`StoreError::classify`], for who opens the file without
//! one in [`StoreError::of_file`].

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use tidemill_pipeline::{Failure, FailureKind, PartitionKey, ProcessorId, Stage, failpoint};

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Fenced(String),
    #[error("{processor} was taken over by {owner}")]
    Superseded { processor: ProcessorId, owner: String },
    #[error("the database holds {0}, which this program does not write")]
    Unreadable(String),
    #[error("all {0} read connections of the database have been in use for {1} s")]
    ReadersBusy(usize, u64),
    #[error("`{0}` is not a database of Tidemill")]
    Foreign(PathBuf),
    #[error("`{0}` was removed or replaced while the host had it open, and the store has stopped")]
    Taken(PathBuf),
    #[error("there is no database in `{0}`")]
    Missing(PathBuf),
    #[error("the database has schema {found}, and this program knows only up to {known}")]
    SchemaNewer { found: u32, known: u32 },
    #[error("the database has schema {found}, and this program reads {known}")]
    SchemaOlder { found: u32, known: u32 },
    #[error("SQLite {0} is too old: before 3.51.3 it may corrupt a database when its write-ahead log is reset")]
    SqliteTooOld(&'static str),
    #[error("the database is damaged: {0}")]
    Damaged(String),
    #[error("the database is not as schema {version} makes it: {difference}")]
    Shape { version: u32, difference: String },
    #[error("`{path}`: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{cause}")]
    Refused { cause: String, hint: Option<String> },
    #[error("the store is closed")]
    Closed,
    #[error("{0}")]
    Known(Failure),
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

const BACKUP_HINT: &str = "stop the host, look at the disk, and put a backup back with `tidemill restore FILE --force`";

const DISK_HINT: &str = "look at the disk, then start again: the database is checked at the start";

const SHAPE_HINT: &str = "did another program change it? A restore would refuse a copy: undo that change, or put back a backup from before with `tidemill restore FILE --force`";

const OWNER_HINT: &str = "the data directory must belong to the user that runs Tidemill";

/// A restore counts anew what is kept.
const CONTRADICTION_HINT: &str = "did another program write to it? Stop the host, and let a restore put its counters right: `tidemill backup FILE`, then `tidemill restore FILE --force`";

const TAKEN_HINT: &str = "leave the files of the data directory alone while a host runs; start again, or put a backup back with `tidemill restore FILE --force`";

impl StoreError {
    /// A failure of a file operation.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    /// Something that is not done, and what to do instead.
    pub(crate) fn refused(cause: impl Into<String>, hint: &str) -> Self {
        Self::Refused { cause: cause.into(), hint: Some(hint.to_owned()) }
    }

    /// With the row that could not be read, where it is a partition's.
    pub(crate) fn of_partition(self, processor: &ProcessorId, key: &PartitionKey) -> Self {
        let Self::Unreadable(what) = self else { return self };
        Self::Unreadable(format!("for {processor}, {key}, {what}"))
    }

    /// Whether the file can no longer be trusted: after a failed fsync nobody knows what the disk has.
    pub(crate) fn stops_the_store(&self) -> bool {
        match self.code() {
            Some(ErrorCode::SystemIoFailure) if failpoint::breaks("failed-sync-stops") => false,
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
            Some(_) => false,
            None => matches!(self, Self::Damaged(_) | Self::Taken(_)),
        }
    }

    /// The failure for which the store stops, if it does over this error.
    pub(crate) fn stopping(&self, stage: Stage) -> Option<Failure> {
        if !self.stops_the_store() {
            return None;
        }
        let (cause, hint) = match (self, self.code()) {
            (Self::Taken(_), _) => (self.to_string(), TAKEN_HINT),
            (_, Some(ErrorCode::SystemIoFailure)) => {
                (format!("the disk of the database failed, and the store has stopped: {self}"), DISK_HINT)
            }
            (Self::Damaged(why), _) => (stopped_damaged(why), BACKUP_HINT),
            _ => (stopped_damaged(self), BACKUP_HINT),
        };
        Some(Failure::broken(stage, cause).hint(hint))
    }

    /// The error of SQLite, if it is one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Fenced(_)
            | Self::Superseded { .. }
            | Self::Unreadable(_)
            | Self::ReadersBusy(..)
            | Self::Foreign(_)
            | Self::Taken(_)
            | Self::Missing(_)
            | Self::SchemaNewer { .. }
            | Self::SchemaOlder { .. }
            | Self::SqliteTooOld(_)
            | Self::Damaged(_)
            | Self::Shape { .. }
            | Self::File { .. }
            | Self::Refused { .. }
            | Self::Closed
            | Self::Known(_) => None,
        }
    }

    /// What it means for who has the file open without a host, a command mostly. Nothing has stopped that had begun: what helps
    /// is to know which file it is.
    pub(crate) fn of_file(self, database: &Path, stage: Stage) -> Failure {
        let (name, damaged) =
            (database.display(), |why| format!("the database `{}` is damaged: {why}", database.display()));
        let (cause, hint) = match (&self, self.code()) {
            (Self::Damaged(why), _) => (damaged(why.clone()), BACKUP_HINT),
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => (damaged(self.to_string()), BACKUP_HINT),
            (_, Some(ErrorCode::SystemIoFailure)) => {
                (format!("the database `{name}` cannot be read or written: {self}"), DISK_HINT)
            }
            (_, Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied)) => {
                (format!("the database `{name}` cannot be opened: {self}"), OWNER_HINT)
            }
            (Self::Unreadable(what), _) => {
                (format!("the database `{name}` holds {what}, which this program does not write"), BACKUP_HINT)
            }
            (Self::Shape { version, difference }, _) => {
                (format!("the database `{name}` is not as schema {version} makes it: {difference}"), SHAPE_HINT)
            }
            _ => return self.classify(stage),
        };
        Failure::broken(stage, cause).hint(hint)
    }

    /// What it means for a worker of a host, whose store stops over some errors and says so.
    pub(crate) fn classify(self, stage: Stage) -> Failure {
        if let Some(failure) = self.stopping(stage) {
            return failure;
        }
        let cause = self.to_string();
        let unavailable = |cause: String| Failure::unavailable(stage, cause);
        let broken = |cause: String| Failure::broken(stage, cause);
        match self {
            Self::Sqlite(error) => classify_sqlite(&error, stage),
            Self::Fenced(_) => Failure::new(FailureKind::Fenced, stage, cause),
            Self::Superseded { .. } => Failure::new(FailureKind::Superseded, stage, cause)
                .hint("let one host run it: stop the other one, or take the processor out of this configuration"),
            Self::ReadersBusy(..) => unavailable(cause),
            // Of the last two `stopping` has spoken.
            Self::Unreadable(_) | Self::Damaged(_) | Self::Taken(_) => broken(cause).hint(BACKUP_HINT),
            Self::Shape { .. } => broken(cause).hint(SHAPE_HINT),
            Self::Foreign(_) => broken(cause).hint("give another directory as `data` in the configuration"),
            Self::Missing(_) => broken(cause).hint("`tidemill run` makes it; check `data` in the configuration"),
            Self::SchemaNewer { .. } => broken(cause).hint("a newer Tidemill wrote it: use that one"),
            Self::SchemaOlder { .. } => broken(cause)
                .hint("copy it first with `tidemill backup FILE`; then `tidemill run` brings it up to date, for good"),
            Self::SqliteTooOld(_) => broken(cause).hint("build Tidemill with its bundled SQLite"),
            Self::File { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                unavailable(cause).hint("free some space on the disk")
            }
            Self::File { ref source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                broken(cause).hint(OWNER_HINT)
            }
            Self::Refused { hint, .. } => Failure { hint, ..broken(cause) },
            Self::File { .. } => broken(cause).hint("check that the path is right, and the disk that it lies on"),
            Self::Closed => broken(cause),
            Self::Known(failure) => Failure { stage, ..failure },
        }
    }
}

fn stopped_damaged(why: impl fmt::Display) -> String {
    format!("the database is damaged, and the store has stopped: {why}")
}

fn classify_sqlite(error: &rusqlite::Error, stage: Stage) -> Failure {
    let unavailable = |cause: String| Failure::unavailable(stage, cause);
    let broken = |cause: String| Failure::broken(stage, cause);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            unavailable(format!("the database is locked by another program: {error}"))
                .hint("look for a program that holds a transaction open on `tidemill.db`")
        }
        Some(ErrorCode::DiskFull) => {
            unavailable(format!("the disk of the database is full: {error}")).hint("free some space on the disk")
        }
        Some(ErrorCode::OutOfMemory) => {
            unavailable(format!("the database ran out of memory: {error}")).hint("give the host more memory")
        }
        Some(ErrorCode::OperationInterrupted | ErrorCode::OperationAborted) => {
            unavailable(format!("the database was interrupted: {error}"))
        }
        // Only where the rule `failed-sync-stops` is broken on purpose: else `stopping` has spoken, as of damage.
        Some(ErrorCode::SystemIoFailure) => broken(format!("the disk of the database failed: {error}")).hint(DISK_HINT),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            broken(format!("the database cannot be opened for writing: {error}")).hint(OWNER_HINT)
        }
        Some(ErrorCode::TooBig) => broken(format!("a value is larger than SQLite stores: {error}"))
            .hint("let the component write smaller values"),
        Some(ErrorCode::ConstraintViolation) => {
            broken(format!("what the database holds contradicts itself: {error}")).hint(CONTRADICTION_HINT)
        }
        // What remains are statements that are wrong: bugs of ours.
        Some(_) | None => broken(format!("the database refused a statement: {error}"))
            .hint("this is a bug of Tidemill: please report it with the log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> StoreError {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn each_error_has_one_meaning() {
        use FailureKind::{Broken, Fenced, Superseded, Unavailable};
        use rusqlite::ffi;
        let processor = ProcessorId { name: tidemill_pipeline::ProcessorName::new("totals"), version: 1 };
        for (error, kind, stops, hint) in [
            (sqlite(ffi::SQLITE_BUSY), Unavailable, false, true),
            (sqlite(ffi::SQLITE_BUSY_SNAPSHOT), Unavailable, false, true),
            (sqlite(ffi::SQLITE_LOCKED), Unavailable, false, true),
            (sqlite(ffi::SQLITE_FULL), Unavailable, false, true),
            (sqlite(ffi::SQLITE_NOMEM), Unavailable, false, true),
            (sqlite(ffi::SQLITE_INTERRUPT), Unavailable, false, false),
            (sqlite(ffi::SQLITE_IOERR), Broken, true, true),
            (sqlite(ffi::SQLITE_IOERR_FSYNC), Broken, true, true),
            (sqlite(ffi::SQLITE_IOERR_WRITE), Broken, true, true),
            (sqlite(ffi::SQLITE_CORRUPT), Broken, true, true),
            (sqlite(ffi::SQLITE_NOTADB), Broken, true, true),
            (sqlite(ffi::SQLITE_READONLY), Broken, false, true),
            (sqlite(ffi::SQLITE_CANTOPEN), Broken, false, true),
            (sqlite(ffi::SQLITE_TOOBIG), Broken, false, true),
            (sqlite(ffi::SQLITE_CONSTRAINT), Broken, false, true),
            (sqlite(ffi::SQLITE_ERROR), Broken, false, true),
            (StoreError::Fenced("moved".into()), Fenced, false, false),
            (StoreError::Superseded { processor, owner: "pid 1".into() }, Superseded, false, true),
            (StoreError::Unreadable("an empty cursor".into()), Broken, false, true),
            (StoreError::Damaged("a page".into()), Broken, true, true),
            (StoreError::Shape { version: 3, difference: "a trigger".into() }, Broken, false, true),
            (StoreError::Taken("tidemill.db".into()), Broken, true, true),
            (StoreError::ReadersBusy(4, 30), Unavailable, false, false),
            (StoreError::Missing("data".into()), Broken, false, true),
            (StoreError::SchemaNewer { found: 9, known: 1 }, Broken, false, true),
            (StoreError::SchemaOlder { found: 1, known: 2 }, Broken, false, true),
            (StoreError::file("copy.db")(std::io::ErrorKind::NotADirectory.into()), Broken, false, true),
            (StoreError::refused("no", "yes"), Broken, false, true),
            (StoreError::Closed, Broken, false, false),
        ] {
            let shown = format!("{error:?}");
            assert_eq!(error.stops_the_store(), stops, "{shown}");
            let failure = error.classify(Stage::Commit);
            assert_eq!((failure.kind, failure.hint.is_some()), (kind, hint), "{shown}: {failure:?}");
            assert!(!failure.cause.ends_with('.'), "{shown}");
        }
    }
}
