//! The database of a competitor, seen from outside: how far it is, and what it came to.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::{
    child::Child,
    feed::{Totals, user},
};

/// How often it is looked for the last commit. A look takes some microseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Where a competitor keeps its cursors and its totals.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tables {
    /// `cursors` and `totals`, as somebody would lay them out by hand.
    ByHand,
    /// Those of the program. There is one processor, `totals`, with one feed.
    Tidemill,
}

/// A database, opened for reading.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    tables: Tables,
}

impl Database {
    /// Opens a file that is there.
    pub(crate) fn open(file: &Path, tables: Tables) -> Result<Self> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("{} cannot be opened", file.display()))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self { connection, tables })
    }

    /// Waits until every partition is at this cursor. Gives when that was seen.
    pub(crate) fn wait_for(
        &self,
        cursor: &str,
        partitions: usize,
        writer: &Child,
        until: Instant,
    ) -> Result<SystemTime> {
        while !self.is_at(cursor, partitions)? {
            if Instant::now() > until {
                bail!("the last commit did not come; the cursors are {:?}", self.cursors()?);
            }
            std::thread::sleep(LOOK_INTERVAL);
            // Whoever ends at the end of the feed may have done so just now, with everything committed.
            if writer.still_runs().is_err() {
                ensure!(
                    self.is_at(cursor, partitions)?,
                    "it ended before the feed; the cursors are {:?}",
                    self.cursors()?
                );
            }
        }
        Ok(SystemTime::now())
    }

    /// Whether every partition is at this cursor.
    pub(crate) fn is_at(&self, cursor: &str, partitions: usize) -> Result<bool> {
        let cursors = self.cursors()?;
        Ok(cursors.len() == partitions && cursors.values().all(|found| found.as_deref() == Some(cursor)))
    }

    /// The cursor of each partition.
    fn cursors(&self) -> Result<BTreeMap<String, Option<String>>> {
        let query = match self.tables {
            Tables::ByHand => "SELECT CAST(partition AS TEXT), cursor FROM cursors",
            Tables::Tidemill => "SELECT partition, cursor FROM checkpoint WHERE processor = 'totals'",
        };
        let mut statement = self.connection.prepare_cached(query)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sums of all users, of so many at most.
    pub(crate) fn totals(&self, users: u64) -> Result<Totals> {
        let query = match self.tables {
            Tables::ByHand => "SELECT user, total FROM totals",
            Tables::Tidemill => "SELECT substr(key, 7), CAST(value AS INTEGER) FROM state WHERE processor = 'totals'",
        };
        let mut totals = Totals::new(users);
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let user =
                user(&name).filter(|user| *user < users).with_context(|| format!("there is no user `{name}`"))?;
            ensure!(totals.set(user, row.get(1)?), "there are two totals of `{name}`");
        }
        Ok(totals)
    }
}
