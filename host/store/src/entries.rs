//! Entries: the state of a key space, read and written.

use rusqlite::{CachedStatement, Connection, OptionalExtension};
use tidemill_pipeline::{KnownLength, ProcessorId, StateSpace, Value, WriteSet};

use crate::{
    error::Result,
    rows::{signed, sql, unsigned, value},
};

const GET: &str = "SELECT value FROM entry WHERE space = ?1 AND key = ?2";
/// Read from the row's header: a long value is not.
const LENGTH: &str = "SELECT octet_length(value) FROM entry WHERE space = ?1 AND key = ?2";
const SCAN_FROM: &str = "SELECT key, value FROM entry WHERE space = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const SCAN_AFTER: &str = "SELECT key, value FROM entry WHERE space = ?1 AND key > ?2 ORDER BY key LIMIT ?3";

/// Entries that are deleted in one transaction after a reset.
const PURGED_ROWS: u32 = 2_000;

/// The feed and partition that a space is stored under; both empty for the shared one.
fn names(space: &StateSpace) -> (&str, &str) {
    match space {
        StateSpace::Shared => ("", ""),
        StateSpace::Partition(key) => (key.feed.as_str(), key.partition.as_str()),
    }
}

/// The number of a key space; none if nothing was ever written to it.
pub(crate) fn space(connection: &Connection, processor: &ProcessorId, space: &StateSpace) -> Result<Option<i64>> {
    let (feed, partition) = names(space);
    Ok(connection
        .prepare_cached("SELECT id FROM space WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4")?
        .query_row((processor.name.as_str(), processor.version, feed, partition), |row| row.get(0))
        .optional()?)
}

/// The value of a key.
pub(crate) fn get(connection: &Connection, space: i64, key: &str) -> Result<Option<Value>> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query((space, key))?;
    rows.next()?.map(|row| value(row.get_ref(0)?)).transpose()
}

/// Entries in the order of the bytes of their keys: SQLite compares TEXT in UTF-8 with `memcmp`.
pub(crate) fn scan(
    connection: &Connection,
    space: i64,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Value)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (text, from) = match after {
        Some(after) if after >= prefix => (SCAN_AFTER, after),
        Some(_) | None => (SCAN_FROM, prefix),
    };
    let mut statement: CachedStatement<'_> = connection.prepare_cached(text)?;
    let mut rows = statement.query((space, from, limit))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        // Keys with the prefix stand together, so the first one without it ends them. No upper bound is computed:
        // the next text after a prefix need not be text.
        if !key.starts_with(prefix) {
            break;
        }
        entries.push((key.to_owned(), value(row.get_ref(1)?)?));
    }
    Ok(entries)
}

/// Applies the writes of a commit. Each statement is looked up once, not once a row.
pub(crate) fn write(
    connection: &Connection,
    processor: &ProcessorId,
    into: &StateSpace,
    writes: &WriteSet,
) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let space = match space(connection, processor, into)? {
        Some(space) => space,
        None => make_space(connection, processor, into)?,
    };
    let mut length = connection.prepare_cached(LENGTH)?;
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO entry (space, key, value) VALUES (?1, ?2, ?3)")?;
    let mut delete = connection.prepare_cached("DELETE FROM entry WHERE space = ?1 AND key = ?2")?;
    let mut grown = Growth::default();
    for (key, value) in writes.iter() {
        let before = match writes.length_before(key) {
            KnownLength::Absent => None,
            KnownLength::Bytes(known) => Some(known as u64),
            KnownLength::Unread => {
                length.query_row((space, key), |row| row.get(0)).optional()?.map(unsigned).transpose()?
            }
        };
        match value {
            Some(value) => put.execute((space, key, sql(value)))?,
            None => delete.execute((space, key))?,
        };
        grown.of_entry(key, before, value)?;
    }
    grown.count(connection, space)
}

/// By how much the writes of a commit change what their space keeps.
#[derive(Default)]
struct Growth {
    rows: i64,
    bytes: i64,
}

impl Growth {
    fn of_entry(&mut self, key: &str, before: Option<u64>, after: Option<&Value>) -> Result<()> {
        let key = signed(key.len() as u64)?;
        if let Some(value) = before {
            self.rows -= 1;
            self.bytes -= key + signed(value)?;
        }
        if let Some(value) = after {
            self.rows += 1;
            self.bytes += key + signed(value.len() as u64)?;
        }
        Ok(())
    }

    /// Counts it, once for all writes: a trigger adds it to what the processor keeps.
    fn count(&self, connection: &Connection, space: i64) -> Result<()> {
        if (self.rows, self.bytes) == (0, 0) {
            return Ok(());
        }
        let text = "UPDATE space SET stored_rows = stored_rows + ?2, stored_bytes = stored_bytes + ?3 WHERE id = ?1";
        let changed = connection.prepare_cached(text)?.execute((space, self.rows, self.bytes))?;
        assert_eq!(changed, 1, "what was written has a space");
        Ok(())
    }
}

fn make_space(connection: &Connection, processor: &ProcessorId, space: &StateSpace) -> Result<i64> {
    let (feed, partition) = names(space);
    connection.execute(
        "INSERT INTO space (processor, version, feed, partition) VALUES (?1, ?2, ?3, ?4)",
        (processor.name.as_str(), processor.version, feed, partition),
    )?;
    Ok(connection.last_insert_rowid())
}

/// Deletes some entries of a key space that a reset took away. False when there is nothing left to do.
pub(crate) fn purge(connection: &Connection) -> Result<bool> {
    let dropped = connection
        .prepare_cached("SELECT id FROM dropped_space LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(space) = dropped else { return Ok(false) };
    let deleted = connection
        .prepare_cached(
            "DELETE FROM entry WHERE space = ?1 AND key <= coalesce(
                 (SELECT key FROM entry WHERE space = ?1 ORDER BY key LIMIT 1 OFFSET ?2),
                 (SELECT max(key) FROM entry WHERE space = ?1))",
        )?
        .execute((space, PURGED_ROWS))?;
    if deleted == 0 {
        connection.execute("DELETE FROM dropped_space WHERE id = ?1", [space])?;
    }
    Ok(true)
}
