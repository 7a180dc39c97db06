//! A backup of a database in use: a copy of one moment, in one file.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{Connection, ErrorCode};
use tidemill_pipeline::{Failure, Stage, failpoint};

use crate::{
    connection::{database_path, open_read_only, sync_directory},
    error::{Result, StoreError},
    schema, shape,
};

/// Writes the database of a data directory to a new file, as it is at one moment, whether a host runs or not. A database of an
/// older schema keeps that schema, so that there is a copy before anything brings it up to date. The file is readable by its
/// owner alone. Blocks.
///
/// # Errors
/// When the file exists, the database cannot be read, is of a newer schema or not as its schema makes it, or the file not
/// written. Then there is no file.
pub fn backup(directory: &Path, to: &Path) -> std::result::Result<(), Failure> {
    write_backup(directory, to).map_err(|error| error.of_file(&database_path(directory), Stage::Load))
}

fn write_backup(directory: &Path, to: &Path) -> Result<()> {
    let connection = open_read_only(&database_path(directory))?;
    schema::require_known(&connection)?;
    // Better now, while the database is there, than when the copy is needed.
    shape::require(&connection)?;
    // SQLite writes into an empty file. Making it here settles who owns the name and who may read it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = made.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            let cause = format!("`{}` exists already", to.display());
            StoreError::refused(cause, "give a backup a new name, or remove the old one")
        } else {
            let cause = format!("the backup `{}` cannot be made: {error}", to.display());
            StoreError::refused(cause, "give a name in a directory that is there and that you may write to")
        }
    })?;
    let written = to
        .to_str()
        .ok_or_else(|| StoreError::refused(format!("`{}` is not a name in UTF-8", to.display()), "give another name"))
        .and_then(|name| connection.execute("VACUUM INTO ?1", [name]).map_err(|error| unwritten(to, error)))
        .and_then(|_| break_moment(&connection, to))
        .and_then(|()| file.sync_all().map_err(StoreError::file(to)))
        .and_then(|()| sync_directory(to));
    if written.is_err() {
        // The error is the one to report; a leftover shows itself when the name is used again.
        drop(fs::remove_file(to));
    }
    written
}

/// Why the copy could not be written. Two files are at work, and SQLite does not say which one it was.
fn unwritten(to: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
        Some(ErrorCode::DiskFull) => StoreError::refused(
            format!("there is no room for the backup `{}`: {error}", to.display()),
            "free some space, or write it to another disk",
        ),
        Some(ErrorCode::SystemIoFailure) => StoreError::refused(
            format!("the backup `{}` could not be written: {error}", to.display()),
            "look at the disk of the database and at that of the backup",
        ),
        Some(_) | None => error.into(),
    }
}

/// Only in a build that is told to break the rule: as if the checkpoints had been copied after the rest.
fn break_moment(connection: &Connection, to: &Path) -> Result<()> {
    if failpoint::breaks("backup-of-one-moment") {
        let made = Connection::open(to)?;
        made.execute("ATTACH ?1 AS now", [connection.path()])?;
        made.execute_batch("REPLACE INTO checkpoint SELECT * FROM now.checkpoint")?;
    }
    Ok(())
}
