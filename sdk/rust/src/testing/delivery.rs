//! A delivery: a test's batch in the form in which the host would give it.

use crate::contract::{
    BulkBatch, Column,
    types::{Batch, Event, Value},
};

/// The batch by columns if it fits, as records if not.
pub(super) enum Delivery {
    Records(Batch),
    Columns(BulkBatch),
}

/// The batch has something for which there is no column.
struct Unfit;

impl Delivery {
    pub(super) fn of(batch: Batch) -> Self {
        match columns(&batch) {
            Ok(columns) => Self::Columns(columns),
            Err(Unfit) => Self::Records(batch),
        }
    }
}

fn columns(batch: &Batch) -> Result<BulkBatch, Unfit> {
    let events = batch.events.as_slice();
    if events.iter().any(|event| !event.headers.is_empty()) {
        return Err(Unfit);
    }
    Ok(BulkBatch {
        feed: batch.feed.clone(),
        partition: batch.partition.clone(),
        data: column(events, text)?.ok_or(Unfit)?,
        id: column(events, |event| event.id.as_deref())?,
        kind: column(events, |event| event.kind.as_deref())?,
        key: column(events, |event| event.key.as_deref())?,
        occurred_at: all_or_none(events.iter().map(|event| event.occurred_at).collect())?,
    })
}

fn text(event: &Event) -> Option<&str> {
    match &event.data {
        Value::Text(text) => Some(text),
        Value::Bytes(_) => None,
    }
}

/// The column of what all events have, or none of what none has.
fn column(events: &[Event], text: impl Fn(&Event) -> Option<&str>) -> Result<Option<Column>, Unfit> {
    let Some(texts) = all_or_none(events.iter().map(text).collect())? else { return Ok(None) };
    let mut column = Column { lines: String::new(), ends: Vec::new() };
    for text in texts {
        if text.contains('\n') {
            return Err(Unfit);
        }
        column.lines.push_str(text);
        column.ends.push(u32::try_from(column.lines.len()).map_err(|_| Unfit)?);
        column.lines.push('\n');
    }
    Ok(Some(column))
}

/// What the events have, if all of them or none have it. Of no events, none.
fn all_or_none<T>(each: Vec<Option<T>>) -> Result<Option<Vec<T>>, Unfit> {
    if each.iter().all(Option::is_none) {
        return Ok(None);
    }
    each.into_iter().map(|one| one.ok_or(Unfit)).collect::<Result<_, _>>().map(Some)
}
