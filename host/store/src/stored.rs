//! What a processor keeps, counted in the transactions that change it, and the most that it may.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, config::DbConfig, params};
use tidemill_pipeline::{Claim, ProcessorId, ProcessorName, Quota, Stored};

use crate::{
    apply,
    error::Result,
    rows::{signed, unsigned},
};

/// What a processor keeps, entries and parked events together, and its quota.
pub(crate) fn load(connection: &Connection, processor: &ProcessorId) -> Result<(Stored, Quota)> {
    let text =
        "SELECT stored_rows, stored_bytes, rows_max, bytes_max FROM processor WHERE processor = ?1 AND version = ?2";
    let mut statement = connection.prepare_cached(text)?;
    statement.query_row((processor.name.as_str(), processor.version), |row| Ok(read(row, 0)))?
}

/// The same of a row, from this column on.
pub(crate) fn read(row: &Row<'_>, at: usize) -> Result<(Stored, Quota)> {
    let max = |column| row.get::<_, Option<i64>>(column)?.map(unsigned).transpose();
    let stored = Stored { rows: unsigned(row.get(at)?)?, bytes: unsigned(row.get(at + 1)?)? };
    Ok((stored, Quota { rows_max: max(at + 2)?, bytes_max: max(at + 3)? }))
}

/// Sets a processor's quota, and says what it keeps. The claim must stand.
pub(crate) fn limit(connection: &Connection, claim: &Claim, quota: Quota) -> Result<Stored> {
    apply::require_claim(connection, claim)?;
    let Quota { rows_max, bytes_max } = quota;
    let (rows_max, bytes_max) = (rows_max.map(signed).transpose()?, bytes_max.map(signed).transpose()?);
    let processor = &claim.processor;
    connection.execute(
        "UPDATE processor SET rows_max = ?3, bytes_max = ?4 WHERE processor = ?1 AND version = ?2",
        params![processor.name.as_str(), processor.version, rows_max, bytes_max],
    )?;
    load(connection, processor).map(|(stored, _)| stored)
}

/// Puts the counters of the key spaces right, and says whose were wrong.
const COUNT_SPACES: &str = "
    UPDATE space SET stored_rows = counted.kept_rows, stored_bytes = counted.kept_bytes
    FROM (SELECT s.id AS counted_id, count(e.key) AS kept_rows,
              coalesce(sum(octet_length(e.key) + octet_length(e.value)), 0) AS kept_bytes
          FROM space AS s LEFT JOIN entry AS e ON e.space = s.id GROUP BY s.id) AS counted
    WHERE id = counted_id AND (stored_rows, stored_bytes) <> (kept_rows, kept_bytes)
    RETURNING processor, version";

/// The same for the processors, from the counters of their spaces.
const COUNT_PROCESSORS: &str = "
    UPDATE processor SET stored_rows = counted.kept_rows, stored_bytes = counted.kept_bytes
    FROM (SELECT p.processor AS counted_name, p.version AS counted_version,
              coalesce(sum(kept.one_rows), 0) AS kept_rows, coalesce(sum(kept.one_bytes), 0) AS kept_bytes
          FROM processor AS p LEFT JOIN (
              SELECT processor, version, stored_rows AS one_rows, stored_bytes AS one_bytes FROM space
              UNION ALL SELECT processor, version, 1, bytes FROM parked_event) AS kept
          ON (kept.processor, kept.version) = (p.processor, p.version)
          GROUP BY p.processor, p.version) AS counted
    WHERE (processor, version) = (counted_name, counted_version)
        AND (stored_rows, stored_bytes) <> (kept_rows, kept_bytes)
    RETURNING processor, version";

/// Counts anew what is kept, which reads the whole state, and says of which processors the counters were wrong. For a database
/// that nobody else has open.
pub(crate) fn recount(connection: &mut Connection) -> Result<Vec<ProcessorId>> {
    // The triggers would add differences to sums that may be anything.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    let transaction = connection.transaction()?;
    let mut wrong = BTreeSet::new();
    for text in [COUNT_SPACES, COUNT_PROCESSORS] {
        let mut statement = transaction.prepare(text)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            wrong.insert((row.get::<_, String>(0)?, row.get(1)?));
        }
    }
    transaction.commit()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
    let processor = |(name, version)| ProcessorId { name: ProcessorName::new(name), version };
    Ok(wrong.into_iter().map(processor).collect())
}
