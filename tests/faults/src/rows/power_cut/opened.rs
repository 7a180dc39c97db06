//! An image that was opened: what the store makes of it, and what is in it.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use rusqlite::Connection;
use tidemill_store::{DATABASE_FILE, Options, Sqlite};

use super::{held, recording::PARTITIONS};
use crate::{database::Database, fold, trial::holds};

/// What is in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) partitions: [Partition; PARTITIONS],
}

/// A partition: its checkpoint, and what `ledger` wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) position: u64,
    pub(super) generation: u64,
    pub(super) cursor: Option<String>,
    pub(super) count: u64,
    pub(super) chain: String,
}

impl Opened {
    /// Opens the database in a directory as a host does, and looks at all of it.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let store = held(
            Sqlite::open(directory, &Options::default())
                .map_err(|failure| anyhow::anyhow!("it does not open: {failure}")),
        )?;
        held(store.close().map_err(|failure| anyhow::anyhow!("it does not close: {failure}")))?;
        held(read(&directory.join(DATABASE_FILE)))
    }
}

fn read(file: &Path) -> Result<Opened> {
    let database = Database(Connection::open(file)?);
    fold::check_counts(&database)?;
    let connection = &database.0;
    let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    holds!(said == "ok", "integrity_check says {said}");
    let mut opened = Opened::default();
    let mut statement = connection.prepare("SELECT partition, position, generation, cursor FROM checkpoint")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let partition: usize = row.get::<_, String>(0)?.parse()?;
        let known = &mut opened.partitions[partition];
        (known.position, known.generation) =
            (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
        known.cursor = row.get(3)?;
    }
    let mut statement = connection.prepare("SELECT key, value FROM state WHERE processor = 'ledger'")?;
    let state = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let state: BTreeMap<String, String> = state.collect::<rusqlite::Result<_>>()?;
    for (number, partition) in (0..).zip(&mut opened.partitions) {
        let read = |name: &str| state.get(&format!("ledger/witness/{number}/{name}")).cloned();
        partition.count = read("count").map_or(Ok(0), |count| count.parse())?;
        partition.chain = read("chain").unwrap_or_default();
    }
    Ok(opened)
}
