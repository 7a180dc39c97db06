//! Parked events: put aside, settled, and shown by the numbers that people give; and their queues, where order is kept by key.

use rusqlite::{Connection, Row, params};
use tidemill_pipeline::{
    EventKey, FeedName, Held, ParkedEvent, ProcessorId, ProcessorName, Settled, StateSpace, failpoint,
};

use crate::{
    error::{Result, StoreError},
    rows::{NOW, PARKED, metadata_json, parked_event, place, sql},
};

/// The columns before [`PARKED`], as [`parked`] reads them. An event waits for the first of its queue, unless it is that.
const ABOUT: &str = "id, processor, version, parked_at, (
    SELECT min(id) FROM parked_event AS ahead
    WHERE ahead.processor = event.processor AND ahead.version = event.version AND ahead.feed = event.feed
        AND ahead.lane = event.lane AND ahead.key = event.key AND ahead.id < event.id)";

/// A parked event with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its number, for commands. Never used twice.
    pub number: i64,
    /// The processor that it was parked for.
    pub processor: ProcessorId,
    /// When it was parked, or parked again, in UTC as RFC 3339 writes it.
    pub parked_at: String,
    /// The number of the event that it waits for: the first of its key. None if it is that, or stands for itself.
    pub waits_for: Option<i64>,
    /// The event.
    pub event: ParkedEvent,
}

/// A parked event by its number.
pub(crate) fn find(connection: &Connection, number: i64) -> Result<Option<Parked>> {
    let text = format!("SELECT {ABOUT}, {PARKED} FROM parked_event AS event WHERE id = ?1");
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
        "SELECT {ABOUT}, {PARKED} FROM parked_event AS event
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

/// A parked event and those behind it in its queue, in their order: so many, and so many bytes, at most; at least the first.
pub(crate) fn queue(connection: &Connection, first: i64, rows_max: usize, bytes_max: usize) -> Result<Vec<Parked>> {
    match find(connection, first)? {
        Some(alone) if alone.event.key.is_none() => return Ok(vec![alone]),
        Some(_) => {}
        None => return Ok(Vec::new()),
    }
    let text = format!(
        "SELECT {ABOUT}, {PARKED} FROM parked_event AS event
         WHERE (processor, version, feed, lane, key) = (
             SELECT processor, version, feed, lane, key FROM parked_event WHERE id = ?1) AND id >= ?1
         ORDER BY id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query((first, i64::try_from(rows_max).unwrap_or(i64::MAX)))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let event = parked(row)?;
        bytes += event.event.payload.len();
        if bytes > bytes_max && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

fn parked(row: &Row<'_>) -> Result<Parked> {
    let name: String = row.get(1)?;
    Ok(Parked {
        number: row.get(0)?,
        processor: ProcessorId { name: ProcessorName::new(name), version: row.get(2)? },
        parked_at: row.get(3)?,
        waits_for: row.get(4)?,
        event: parked_event(row, 5)?,
    })
}

/// The lane that the queues of a state belong to: empty for shared state, else its partition.
pub(crate) fn lane(space: &StateSpace) -> &str {
    match space {
        StateSpace::Shared => "",
        StateSpace::Partition(key) => key.partition.as_str(),
    }
}

/// The keys that have parked events over a state.
pub(crate) fn held(connection: &Connection, processor: &ProcessorId, space: &StateSpace) -> Result<Held> {
    let feed = match space {
        StateSpace::Shared => None,
        StateSpace::Partition(key) => Some(key.feed.as_str()),
    };
    let mut statement = connection.prepare_cached(
        "SELECT feed, key FROM parked_event
         WHERE processor = ?1 AND version = ?2 AND (?3 IS NULL OR feed = ?3) AND lane = ?4 AND key IS NOT NULL",
    )?;
    let mut rows = statement.query((processor.name.as_str(), processor.version, feed, lane(space)))?;
    let (mut held, mut name) = (Held::default(), None::<FeedName>);
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column).and_then(|text| text.as_str().map_err(Into::into));
        let feed = text(0)?;
        let feed = name.take().filter(|known| known.as_str() == feed).unwrap_or_else(|| FeedName::new(feed));
        if let Some(key) = EventKey::new(text(1)?) {
            held.add(&feed, key);
        }
        name = Some(feed);
    }
    Ok(held)
}

/// The first parked event of a key.
pub(crate) fn first(
    connection: &Connection,
    processor: &ProcessorId,
    feed: &FeedName,
    space: &StateSpace,
    key: &EventKey,
) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT min(id) FROM parked_event
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND lane = ?4 AND key = ?5",
    )?;
    let names = (processor.name.as_str(), processor.version, feed.as_str(), lane(space), key.as_str());
    Ok(statement.query_row(names, |row| row.get(0))?)
}

/// Puts an event aside: one with a key at the end of its queue.
pub(crate) fn park(connection: &Connection, processor: &ProcessorId, lane: &str, event: &ParkedEvent) -> Result<()> {
    let metadata = event.metadata.as_ref().map(metadata_json).transpose()?;
    let text = format!(
        "INSERT INTO parked_event (processor, version, feed, partition, span_from, digest, copies, payload, metadata,
             cause, reason, backtrace, component, key, lane, parked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, {NOW})
         ON CONFLICT (processor, version, feed, partition, span_from, digest) WHERE key IS NULL DO UPDATE SET
             copies = copies + excluded.copies, cause = excluded.cause, reason = excluded.reason,
             backtrace = excluded.backtrace, component = excluded.component, parked_at = excluded.parked_at"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let values = params![
        processor.name.as_str(),
        processor.version,
        event.id.key.feed.as_str(),
        event.id.key.partition.as_str(),
        place(&event.id.span_from),
        event.id.payload.as_bytes(),
        event.copies,
        sql(&event.payload),
        metadata,
        event.cause,
        event.reason,
        event.backtrace,
        event.component.as_ref().map(tidemill_pipeline::Digest::as_bytes),
        event.key.as_ref().map(EventKey::as_str),
        lane,
    ];
    if !failpoint::breaks("parked-with-cursor") {
        statement.execute(values)?;
    }
    failpoint::reach("parked");
    Ok(())
}

/// Deletes a parked event that is over. One with a key must be the first of its queue.
pub(crate) fn settle(connection: &Connection, processor: &ProcessorId, lane: &str, settled: &Settled) -> Result<()> {
    let Settled { id, key } = settled;
    let mut statement = connection.prepare_cached(
        "DELETE FROM parked_event
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4 AND span_from = ?5 AND digest = ?6
             AND key IS ?7 AND (?7 IS NULL OR id = (
                 SELECT min(id) FROM parked_event
                 WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND lane = ?8 AND key = ?7))",
    )?;
    let values = params![
        processor.name.as_str(),
        processor.version,
        id.key.feed.as_str(),
        id.key.partition.as_str(),
        place(&id.span_from),
        id.payload.as_bytes(),
        key.as_ref().map(EventKey::as_str),
        lane,
    ];
    let deleted = if failpoint::breaks("settled-with-writes") { 1 } else { statement.execute(values)? };
    failpoint::reach("settled");
    if deleted == 1 {
        return Ok(());
    }
    let what = if key.is_some() { "is not the first of its key any more" } else { "was settled already" };
    Err(StoreError::Fenced(format!("the parked event {} of {} {what}", id.payload.short(), id.key)))
}
