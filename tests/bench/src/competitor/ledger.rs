//! The database of the consumers that are written by hand.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension as _};

use super::Durability;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS totals (user TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cursors (partition INTEGER PRIMARY KEY, cursor TEXT NOT NULL);
";

/// Opens it, with the settings that everybody has.
pub(super) fn open(file: &Path, durability: Durability) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", durability.word())?;
    // As large as the program's.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Where a partition is; `_first` if it has not begun.
pub(super) fn cursor(connection: &Connection, partition: u32) -> Result<String> {
    let query = "SELECT cursor FROM cursors WHERE partition = ?1";
    let cursor = connection.query_row(query, [partition], |row| row.get(0)).optional()?;
    Ok(cursor.unwrap_or_else(|| "_first".to_owned()))
}

/// Says where a partition is.
pub(super) fn set_cursor(connection: &Connection, partition: u32, cursor: &str) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO cursors (partition, cursor) VALUES (?1, ?2)")?;
    statement.execute((partition, cursor))?;
    Ok(())
}
