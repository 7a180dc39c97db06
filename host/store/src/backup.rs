//! Backup of a database in use, and putting one back.
//!
//! A backup is the state of one moment. What happened after it is forgotten when it is put back, but there may still be
//! a process that remembers it: a host that was stopped, not ended, with a claim and generations of its own. If counting
//! went on from the backup's numbers, they would be given out a second time, and such a process could pass the
//! compare-and-set with what it remembers. So all epochs and generations jump ahead by [`RESTORE_GAP`].

use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use tidemill_pipeline::{Failure, Stage, failpoint};

use crate::{
    connection::{DATABASE_FILE, database_path, open_read_only, open_writer, sync_directory},
    error::{Result, StoreError},
    integrity,
    lock::{DataLock, Held},
    request::Outcome,
    rows::{NOW, json},
    schema,
};

/// More commits than are made between a backup and its restore: three years at ten thousand a second. It is a power of
/// ten, so that people still recognise the numbers.
pub const RESTORE_GAP: u64 = 1_000_000_000_000;

/// Writes the database of a data directory to a new file, as it is at one moment, whether a host runs or not. The file is
/// readable by its owner alone. Blocks.
///
/// # Errors
/// When the file exists, or the database cannot be read or the file not written. Then there is no file.
pub fn backup(directory: &Path, to: &Path) -> std::result::Result<(), Failure> {
    write_backup(directory, to).map_err(|error| error.classify(Stage::Load))
}

fn write_backup(directory: &Path, to: &Path) -> Result<()> {
    let connection = open_read_only(&database_path(directory))?;
    schema::require_current(&connection)?;
    // SQLite writes into an empty file. Making it here settles who owns the name and who may read it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = made.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            refused(format!("`{}` exists already", to.display()), "give a backup a new name, or remove the old one")
        } else {
            StoreError::file(to)(error)
        }
    })?;
    let written = to
        .to_str()
        .ok_or_else(|| refused(format!("`{}` is not a name in UTF-8", to.display()), "give another name"))
        .and_then(|name| Ok(connection.execute("VACUUM INTO ?1", [name])?))
        .and_then(|_| break_moment(&connection, to))
        .and_then(|()| file.sync_all().map_err(StoreError::file(to)))
        .and_then(|()| sync_directory(to));
    if written.is_err() {
        // The error is the one to report; a leftover shows itself when the name is used again.
        drop(fs::remove_file(to));
    }
    written
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

/// Puts a backup into a data directory. The database that was there, if `replace` allows that there was one, is kept
/// beside it with the ending `.replaced`. Blocks.
///
/// Every earlier claim ends, and no epoch or generation that was given out after the backup is given out again. Requests
/// that waited when the backup was made are answered as not done.
///
/// # Errors
/// When a host runs on the directory, a database is there and `replace` is not set, or the backup is damaged or
/// of a newer schema. Then the directory is as it was.
pub fn restore(from: &Path, directory: &Path, replace: bool) -> std::result::Result<(), Failure> {
    put_back(from, directory, replace).map_err(|error| error.classify(Stage::Load))
}

fn refused(cause: String, hint: &str) -> StoreError {
    StoreError::Refused { cause, hint: Some(hint.to_owned()) }
}

fn put_back(from: &Path, directory: &Path, replace: bool) -> Result<()> {
    fs::create_dir_all(directory).map_err(StoreError::file(directory))?;
    let _lock = DataLock::acquire(directory).map_err(|held| match held {
        Held::By { .. } => refused(held.to_string(), "stop it first"),
        Held::Failed(error) => StoreError::file(directory)(error),
    })?;
    let database = database_path(directory);
    if database.exists() && !replace {
        return Err(refused(
            format!("there is a database in `{}` already", directory.display()),
            "take another data directory, or say that it is to be replaced",
        ));
    }
    let prepared = directory.join(format!("{DATABASE_FILE}.restoring"));
    remove_all(&prepared)?;
    let result = prepare(from, &prepared).and_then(|()| exchange(&prepared, &database));
    if result.is_err() {
        // The error is the one to report, and the next restore begins by removing what is left.
        drop(remove_all(&prepared));
    }
    result
}

/// Makes a checked copy whose numbers are all new.
fn prepare(from: &Path, prepared: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(StoreError::file(from))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(prepared);
    let mut copy = made.map_err(StoreError::file(prepared))?;
    std::io::copy(&mut source, &mut copy).map_err(StoreError::file(prepared))?;
    copy.sync_all().map_err(StoreError::file(prepared))?;

    let mut connection = open_writer(prepared)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Err(StoreError::Foreign(from.into()));
    }
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(StoreError::Damaged(said));
    }
    schema::migrate(&mut connection)?;
    jump_ahead(&mut connection)?;
    integrity::note_closed(&connection)?;
    // Closing the last connection empties the log and removes it.
    connection.close().map_err(|(_, error)| error.into())
}

fn jump_ahead(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction()?;
    let outcome = Outcome::Refused {
        cause: "the database was restored from a backup before it was done".into(),
        hint: Some("ask again".into()),
    };
    transaction.execute_batch(&format!(
        "UPDATE processor SET epoch = epoch + {RESTORE_GAP}, state_generation = state_generation + {RESTORE_GAP},
             owner = 'a restore', claimed_at = {NOW};
         UPDATE checkpoint SET generation = generation + {RESTORE_GAP};"
    ))?;
    transaction.execute(
        &format!("UPDATE request SET outcome = ?1, done_at = {NOW} WHERE outcome IS NULL"),
        [json(&outcome)?],
    )?;
    Ok(transaction.commit()?)
}

/// Puts the prepared file in the database's place. A log that belonged to another file must never lie beside it.
fn exchange(prepared: &Path, database: &Path) -> Result<()> {
    let replaced = ending(database, ".replaced");
    remove_all(&replaced)?;
    for part in ["-wal", "-shm", ""] {
        let (old, kept) = (ending(database, part), ending(&replaced, part));
        match fs::rename(&old, kept) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::file(old)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(prepared, database).map_err(StoreError::file(prepared))?;
    integrity::clear_suspect(database);
    sync_directory(database)
}

/// Removes a database file with its log.
fn remove_all(database: &Path) -> Result<()> {
    for part in ["-wal", "-shm", ""] {
        let path = ending(database, part);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::file(path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
