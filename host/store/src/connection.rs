//! Connections to the database file, and how they are set up.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::error::{Result, StoreError};

/// The database within a data directory.
pub const DATABASE_FILE: &str = "tidemill.db";

/// How long the writer waits for a program that holds the database, such as a command that asks for something.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How long a command that only reads waits, at most: recovery of the log after a crash takes a moment.
pub(crate) const READ_ONLY_BUSY_WAIT: Duration = Duration::from_millis(250);

/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS_MAX: usize = 64;

/// The first SQLite without the bug that corrupts a database when its log is reset.
const SQLITE_MIN: i32 = 3_051_003;

/// The database in a data directory.
pub(crate) fn database_path(directory: &Path) -> PathBuf {
    directory.join(DATABASE_FILE)
}

/// Makes the file if it is not there, readable by its owner alone.
pub(crate) fn create_file(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_directory(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::file(path)(error)),
    }
}

/// Makes a new name in a file's directory survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|file| file.sync_all()).map_err(StoreError::file(directory))
}

/// The connection that writes.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_WAIT)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let cause = format!("`{}` lies on a file system without shared memory", path.display());
        let hint = Some("put the data directory on a local disk".to_owned());
        return Err(StoreError::Refused { cause, hint });
    }
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(connection)
}

/// Says whether the end of this connection, if it is the last one, writes the log into the database, syncs both, and
/// removes the log. After an error it must not: it might be a second sync after one that failed.
pub(crate) fn tidy_up_at_the_end(connection: &Connection, tidies_up: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !tidies_up)?;
    Ok(())
}

/// A connection of the host that reads.
pub(crate) fn open_host_reader(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    tidy_up_at_the_end(&connection, false)?;
    connection.pragma_update(None, "cache_size", -8 * 1024)?;
    Ok(connection)
}

/// A connection of a command that asks something of the host that runs.
pub(crate) fn open_requests(path: &Path) -> Result<Connection> {
    require(path)?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// A connection of a command that only reads, beside a host or without one.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection> {
    require(path)?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(READ_ONLY_BUSY_WAIT)?;
    Ok(connection)
}

fn require(path: &Path) -> Result<()> {
    if path.exists() { Ok(()) } else { Err(StoreError::Missing(path.parent().unwrap_or(path).into())) }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(StoreError::SqliteTooOld(rusqlite::version()));
    }
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}
