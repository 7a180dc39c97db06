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

impl Delivery {
    pub(super) fn of(batch: Batch) -> Self {
        match columns(&batch) {
            Some(columns) => Self::Columns(columns),
            None => Self::Records(batch),
        }
    }
}

fn columns(batch: &Batch) -> Option<BulkBatch> {
    let events = batch.events.as_slice();
    let fits = !events.is_empty() && events.iter().all(|event| event.headers.is_empty());
    fits.then_some(())?;
    Some(BulkBatch {
        feed: batch.feed.clone(),
        partition: batch.partition.clone(),
        data: column(events, text)??,
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

/// The column of what all events have, or of what none has.
fn column(events: &[Event], text: impl Fn(&Event) -> Option<&str>) -> Option<Option<Column>> {
    let Some(texts) = all_or_none(events.iter().map(text).collect())? else { return Some(None) };
    let mut column = Column { lines: String::new(), ends: Vec::new() };
    for text in texts {
        if text.contains('\n') {
            return None;
        }
        column.lines.push_str(text);
        column.ends.push(u32::try_from(column.lines.len()).ok()?);
        column.lines.push('\n');
    }
    Some(Some(column))
}

/// What all events have, if all or none have it.
fn all_or_none<T>(each: Vec<Option<T>>) -> Option<Option<Vec<T>>> {
    let (all, none) = (each.iter().all(Option::is_some), each.iter().all(Option::is_none));
    (all || none).then(|| each.into_iter().collect())
}
