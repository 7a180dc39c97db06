//! Parked events, by the numbers that people give.

use rusqlite::{Connection, Row};
use tidemill_pipeline::{ParkedEvent, ProcessorId, ProcessorName};

use crate::{
    error::Result,
    rows::{PARKED, parked_event},
};

/// A parked event with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its number, for commands. Never used twice.
    pub number: i64,
    /// The processor that it was parked for.
    pub processor: ProcessorId,
    /// When it was parked, or parked again, in UTC as RFC 3339 writes it.
    pub parked_at: String,
    /// The event.
    pub event: ParkedEvent,
}

/// A parked event by its number.
pub(crate) fn find(connection: &Connection, number: i64) -> Result<Option<Parked>> {
    let text = format!("SELECT id, processor, version, parked_at, {PARKED} FROM parked_event WHERE id = ?1");
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query([number])?;
    rows.next()?.map(parked).transpose()
}

/// Parked events with numbers greater than `after`, of one processor or of all.
pub(crate) fn list(
    connection: &Connection,
    processor: Option<&ProcessorId>,
    after: i64,
    limit: usize,
) -> Result<Vec<Parked>> {
    let text = format!(
        "SELECT id, processor, version, parked_at, {PARKED} FROM parked_event
         WHERE id > ?1 AND (?2 IS NULL OR processor = ?2 AND version = ?3) ORDER BY id LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let (name, version) = processor.map(|processor| (processor.name.as_str(), processor.version)).unzip();
    let mut rows = statement.query((after, name, version, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(parked(row)?);
    }
    Ok(events)
}

fn parked(row: &Row<'_>) -> Result<Parked> {
    let name: String = row.get(1)?;
    Ok(Parked {
        number: row.get(0)?,
        processor: ProcessorId { name: ProcessorName::new(name), version: row.get(2)? },
        parked_at: row.get(3)?,
        event: parked_event(row, 4)?,
    })
}
