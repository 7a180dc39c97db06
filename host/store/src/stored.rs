//! What a processor keeps, counted in the transactions that change it, and the most that it may.

use rusqlite::{Connection, Row, params};
use tidemill_pipeline::{Claim, ProcessorId, Quota, Stored};

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
