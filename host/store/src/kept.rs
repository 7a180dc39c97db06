//! Where state is kept: in the key space that all partitions share, or in key spaces of partitions.

use rusqlite::Connection;
use tidemill_pipeline::{ProcessorId, ProcessorName};

use crate::error::Result;

/// A processor that keeps something, and in which kind of key space. Whoever reads the other kind does not see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The processor.
    pub processor: ProcessorId,
    /// In the one that all partitions share; if not, in those of partitions.
    pub shared: bool,
}

/// All that is kept: entries, and the queues of parked events, which stand beside them. A space without an entry keeps nothing.
pub(crate) fn load(connection: &Connection) -> Result<Vec<Kept>> {
    let mut statement = connection.prepare_cached(
        "SELECT processor, version, feed = '' FROM space WHERE stored_rows > 0
         UNION SELECT processor, version, lane = '' FROM parked_event WHERE key IS NOT NULL
         ORDER BY 1, 2, 3",
    )?;
    let rows = statement.query_map([], |row| {
        let processor = ProcessorId { name: ProcessorName::new(row.get::<_, String>(0)?), version: row.get(1)? };
        Ok(Kept { processor, shared: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
