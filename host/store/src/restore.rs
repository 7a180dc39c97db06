//! Putting a backup back in the place of a database, which is kept.
//!
//! A backup is the state of one moment. What happened after it is forgotten when it is put back, but there may still be
//! a process that remembers it: a host that was stopped, not ended, with a claim and generations of its own. If counting
//! went on from the backup's numbers, they would be given out a second time, and such a process could pass the
//! compare-and-set with what it remembers. So all epochs and generations jump ahead by [`RESTORE_GAP`].

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use tidemill_pipeline::{Failure, ProcessorId, ProcessorName, Stage};

use crate::{
    connection::{DATABASE_FILE, database_path, open_writer, sync_directory},
    error::{Result, StoreError},
    integrity,
    lock::{DataLock, Held},
    parked,
    request::{self, Outcome},
    rows::{NOW, json},
    schema, shape, sqlite, stored,
};

/// More commits than are made between a backup and its restore: three years at ten thousand a second. It is a power of
/// ten, so that people still recognise the numbers.
pub const RESTORE_GAP: u64 = 1_000_000_000_000;

/// What a database consists of: itself, its log, and the shared memory of its connections.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// Parked events that are looked at together.
const PARKED_AT_ONCE: usize = 100;

/// What a restore did beside putting the backup in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the database that was there is kept; none if there was none. It is a backup like any other: putting it back
    /// undoes the restore.
    pub kept: Option<PathBuf>,
    /// The processors whose counters of what they keep were wrong in the backup, and were put right.
    pub recounted: Vec<ProcessorId>,
}

/// Puts a backup into a data directory, or a database that a restore before replaced. The database that was there, if
/// `replace` allows that there was one, is kept beside it under a name that was free. Blocks.
///
/// Every earlier claim ends, and no epoch or generation that was given out after the backup is given out again. Requests
/// that waited when the backup was made are answered as not done. A backup of an older schema is brought up to date, and what
/// each processor keeps is counted anew; the backup itself stays as it is.
///
/// # Errors
/// When a host runs on the directory, a database is there and `replace` is not set, or the backup is damaged, of a newer
/// schema, or not as its schema makes it. Then the database is as it was.
pub fn restore(from: &Path, directory: &Path, replace: bool) -> std::result::Result<Restored, Failure> {
    put_back(from, directory, replace).map_err(|error| error.of_file(&database_path(directory), Stage::Load))
}

fn put_back(from: &Path, directory: &Path, replace: bool) -> Result<Restored> {
    let mut source = Source::open(from)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(StoreError::file(directory))?;
    let _lock = DataLock::acquire(directory).map_err(|held| match held {
        Held::By { .. } => StoreError::refused(held.to_string(), "stop it first"),
        Held::Failed(error) => StoreError::file(directory)(error),
    })?;
    let database = database_path(directory);
    if database.exists() && !replace {
        return Err(StoreError::refused(
            format!("there is a database in `{}` already", directory.display()),
            "take another data directory, or say that it is to be replaced",
        ));
    }
    let prepared = directory.join(format!("{DATABASE_FILE}.restoring"));
    remove_all(&prepared)?;
    let result = source
        .copy(&prepared)
        .and_then(|()| renew(&prepared).map_err(|error| of_backup(from, error)))
        .and_then(|recounted| Ok(Restored { kept: exchange(&prepared, &database)?, recounted }));
    if result.is_err() {
        // The error is the one to report, and the next restore begins by removing what is left.
        drop(remove_all(&prepared));
    }
    result
}

/// The files that are put back.
struct Source {
    database: File,
    /// A database that was replaced after its host was killed has a log with its last commits.
    log: Option<File>,
}

/// What every file of SQLite begins with (its file format, section 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where it says by which way it is written (the same section), and the word for a write-ahead log.
const WRITTEN_AT: usize = 18;
const BY_LOG: u8 = 2;

impl Source {
    /// Opens them, and finds out at once if it is no database, before anything is made.
    fn open(from: &Path) -> Result<Self> {
        let unreadable = |error: io::Error| {
            let cause = format!("the backup `{}` cannot be read: {error}", from.display());
            StoreError::refused(cause, "give a file that `tidemill backup` wrote, and that you may read")
        };
        let mut database = File::open(from).map_err(unreadable)?;
        let mut begin = Vec::new();
        (&database).take(WRITTEN_AT as u64 + 1).read_to_end(&mut begin).map_err(unreadable)?;
        database.rewind().map_err(unreadable)?;
        if !begin.starts_with(MAGIC) {
            return Err(no_backup(from));
        }
        // A log beside a file that was not written by way of one is a stranger's.
        let log = match begin.get(WRITTEN_AT) {
            Some(&BY_LOG) => match File::open(ending(from, "-wal")) {
                Ok(log) => Some(log),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(unreadable(error)),
            },
            Some(_) | None => None,
        };
        Ok(Self { database, log })
    }

    fn copy(&mut self, prepared: &Path) -> Result<()> {
        for (file, part) in [(Some(&mut self.database), ""), (self.log.as_mut(), "-wal")] {
            let Some(file) = file else { continue };
            let to = ending(prepared, part);
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to);
            let copied = made.and_then(|mut copy| io::copy(file, &mut copy).and_then(|_| copy.sync_all()));
            copied.map_err(StoreError::file(to))?;
        }
        Ok(())
    }
}

/// Checks a copy, brings it up to date, and makes all its numbers new. Says of which processors the counters were wrong.
fn renew(prepared: &Path) -> Result<Vec<ProcessorId>> {
    let mut connection = open_writer(prepared)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Err(StoreError::Foreign(prepared.into()));
    }
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(StoreError::Damaged(integrity::finding(&said)));
    }
    shape::require(&connection)?;
    schema::migrate(&mut connection)?;
    require_owners(&connection)?;
    require_readable(&connection)?;
    let recounted = stored::recount(&mut connection)?;
    jump_ahead(&mut connection)?;
    integrity::note_closed(&connection)?;
    // The end of the last connection empties the log too, but tells nobody if that fails.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(recounted)
}

/// Checks that every row belongs to one that is there. State that belongs to nobody would be read by nobody, beside cursors that say
/// that it is there.
fn require_owners(connection: &Connection) -> Result<()> {
    let lost = "SELECT \"table\" FROM pragma_foreign_key_check
         UNION ALL SELECT 'entry' FROM entry WHERE space NOT IN (SELECT id FROM space UNION ALL SELECT id FROM dropped_space)
         LIMIT 1";
    match connection.query_row(lost, [], |row| row.get::<_, String>(0)).optional()? {
        None => Ok(()),
        Some(table) => Err(StoreError::Unreadable(format!("a row of the table `{table}` that belongs to nobody"))),
    }
}

/// Checks that every row can be read which the schema alone does not vouch for: those with JSON in them. A host would meet them one by
/// one, and could not go on.
fn require_readable(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare("SELECT processor, version FROM processor")?;
    let names = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    for name in names {
        let (name, version) = name?;
        sqlite::partitions(connection, &ProcessorId { name: ProcessorName::new(name), version })?;
    }
    let mut last = 0;
    while let Some(parked) = parked::list(connection, None, last, PARKED_AT_ONCE)?.last() {
        last = parked.number;
    }
    request::require_readable(connection)
}

fn jump_ahead(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction()?;
    let outcome = Outcome::Refused {
        cause: "the database was restored from a backup before it was done".into(),
        hint: Some("ask again".into()),
    };
    transaction.execute_batch(&format!(
        "UPDATE processor SET epoch = epoch + {RESTORE_GAP}, state_generation = state_generation + {RESTORE_GAP},
             owner = iif(owner = '', '', 'a restore'), claimed_at = {NOW};
         UPDATE checkpoint SET generation = generation + {RESTORE_GAP};"
    ))?;
    transaction.execute(
        &format!("UPDATE request SET outcome = ?1, done_at = {NOW} WHERE outcome IS NULL"),
        [json(&outcome)?],
    )?;
    Ok(transaction.commit()?)
}

fn no_backup(from: &Path) -> StoreError {
    let cause = format!("`{}` is no backup of Tidemill", from.display());
    StoreError::refused(cause, "give a file that `tidemill backup` wrote")
}

/// What is wrong with the copy is wrong with the backup, not with the database that is there.
fn of_backup(from: &Path, error: StoreError) -> StoreError {
    let backup = format!("the backup `{}`", from.display());
    if let StoreError::Foreign(_) = error {
        return no_backup(from);
    }
    if let StoreError::SchemaNewer { found, known } = error {
        let cause = format!("{backup} has schema {found}, and this program knows only up to {known}");
        return StoreError::refused(cause, "a newer Tidemill wrote it: use that one");
    }
    if let StoreError::Shape { version, difference } = error {
        let cause = format!("{backup} is not as schema {version} makes it, and nothing was changed: {difference}");
        return StoreError::refused(cause, "put another backup back");
    }
    let what = match (&error, error.code()) {
        (StoreError::Damaged(_), _) | (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => "is damaged",
        // A table that is missing, or a row that no commit of ours wrote.
        (_, Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch))
        | (StoreError::Sqlite(_) | StoreError::Unreadable(_), None) => "holds what Tidemill does not write",
        _ => return error,
    };
    let why = if let StoreError::Damaged(why) = error { why } else { error.to_string() };
    StoreError::refused(format!("{backup} {what}, and nothing was changed: {why}"), "put another backup back")
}

/// Puts the prepared file in the database's place, and says where the database is that was there. A log that belonged to another
/// file must never lie beside it. The database goes before its log: if that is cut off, a start refuses the log that is alone,
/// and does not go on without the last commits.
fn exchange(prepared: &Path, database: &Path) -> Result<Option<PathBuf>> {
    let name = free_name(database);
    let mut kept = None;
    for part in PARTS {
        let (old, new) = (ending(database, part), ending(&name, part));
        match fs::rename(&old, &new) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::file(old)(error)),
            Ok(()) => {
                kept.get_or_insert(new);
            }
        }
    }
    fs::rename(prepared, database).map_err(StoreError::file(prepared))?;
    integrity::clear_suspect(database);
    sync_directory(database)?;
    Ok(kept)
}

/// A name for the database that is replaced: nothing that was replaced before is touched. Whoever asks holds the lock.
fn free_name(database: &Path) -> PathBuf {
    let mut name = ending(database, ".replaced");
    let mut number = 1_u64;
    while PARTS.iter().any(|part| fs::symlink_metadata(ending(&name, part)).is_ok()) {
        number += 1;
        name = ending(database, &format!(".replaced-{number}"));
    }
    name
}

/// Removes a database file with its log.
fn remove_all(database: &Path) -> Result<()> {
    for part in PARTS {
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
