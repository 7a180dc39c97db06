//! The database of a project, read without the program's help.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, types::ValueRef};
use tidemill_store::DATABASE_FILE;

/// A connection to the database of a data directory.
#[derive(Debug)]
pub(crate) struct Database(pub(crate) Connection);

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stands {
    pub(crate) partition: String,
    pub(crate) cursor: Option<String>,
    pub(crate) generation: u64,
    pub(crate) position: u64,
    pub(crate) status: String,
}

impl Database {
    /// The database in a data directory, which must be there. It waits while a host writes.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let file = data.join(DATABASE_FILE);
        let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .with_context(|| format!("{} cannot be opened", file.display()))?;
        connection.busy_timeout(Duration::from_secs(20))?;
        Ok(Self(connection))
    }

    /// A processor's state, of all its key spaces together. What is bytes is shown as text.
    pub(crate) fn state(&self, processor: &str) -> Result<BTreeMap<String, String>> {
        let mut statement = self.0.prepare_cached("SELECT key, value FROM state WHERE processor = ?1")?;
        let entry = |row: &Row<'_>| Ok((row.get(0)?, text(row.get_ref(1)?)));
        Ok(statement.query_map([processor], entry)?.collect::<rusqlite::Result<_>>()?)
    }

    /// Where the partitions of a processor stand.
    pub(crate) fn partitions(&self, processor: &str) -> Result<Vec<Stands>> {
        let mut statement = self.0.prepare_cached(
            "SELECT partition, cursor, generation, position, status FROM checkpoint WHERE processor = ?1 ORDER BY partition",
        )?;
        let stands = |row: &Row<'_>| {
            Ok(Stands {
                partition: row.get(0)?,
                cursor: row.get(1)?,
                generation: number(row, 2)?,
                position: number(row, 3)?,
                status: row.get(4)?,
            })
        };
        Ok(statement.query_map([processor], stands)?.collect::<rusqlite::Result<_>>()?)
    }

    /// Where one partition of a processor stands, if it was ever opened.
    pub(crate) fn partition(&self, processor: &str, partition: &str) -> Result<Option<Stands>> {
        Ok(self.partitions(processor)?.into_iter().find(|stands| stands.partition == partition))
    }

    /// The component that a processor accepted last, in hex.
    pub(crate) fn component(&self, processor: &str) -> Result<Option<String>> {
        let read = |row: &Row<'_>| row.get::<_, Option<String>>(0);
        let found =
            self.0.query_row("SELECT lower(hex(component)) FROM processor WHERE processor = ?1", [processor], read);
        Ok(found.optional()?.flatten())
    }

    /// The parked events of a processor: number, partition, payload, copies.
    pub(crate) fn parked(&self, processor: &str) -> Result<Vec<(i64, String, String, u64)>> {
        let mut statement = self.0.prepare_cached(
            "SELECT id, partition, payload, copies FROM parked_event WHERE processor = ?1 ORDER BY id",
        )?;
        let event = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, text(row.get_ref(2)?), number(row, 3)?));
        Ok(statement.query_map([processor], event)?.collect::<rusqlite::Result<_>>()?)
    }

    /// A number that a question has as its answer.
    pub(crate) fn number(&self, question: &str) -> Result<u64> {
        Ok(self.0.query_row(question, [], |row| number(row, 0))?)
    }
}

/// A number that is never below 0.
pub(crate) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
    }
}
