//! The delivery: the events of a call in the form in which they cross, and what the call must know of them.

use std::ops::Range;

use tidemill_pipeline::{Batch, Refusal, Rejection, RejectionCause};

use crate::{columns::Columns, contract::Event};

/// Some events of a batch.
pub(crate) struct Delivery<'a> {
    pub(crate) events: Events<'a>,
    /// The size of their payloads.
    pub(crate) bytes: usize,
    /// The wall clock of the call: when its last dated event occurred, in microseconds since 1970; 0 without one.
    pub(crate) wall_us: u64,
}

/// How they cross.
pub(crate) enum Events<'a> {
    /// A record each, for `handler`.
    Records(Vec<Event<'a>>),
    /// A few pieces, for `bulk-handler`.
    Columns(Columns),
}

impl Events<'_> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Records(events) => events.len(),
            Self::Columns(columns) => columns.len(),
        }
    }
}

impl<'a> Delivery<'a> {
    /// The events in a range of a batch: by columns if `bulk` and they fit, else as records.
    ///
    /// # Errors
    /// A rejection of the first event that the contract has no place for.
    pub(crate) fn new(batch: &'a Batch, range: &Range<usize>, bulk: bool) -> Result<Self, Refusal> {
        let columns = bulk.then(|| Columns::of(batch, range)).flatten();
        columns.map_or_else(|| Self::records(batch, range), |columns| Ok(Self::columns(columns)))
    }

    fn columns(columns: Columns) -> Self {
        let wall_us = columns.last_occurred_at_us().map_or(0, wall);
        Self { bytes: columns.bytes(), wall_us, events: Events::Columns(columns) }
    }

    fn records(batch: &'a Batch, range: &Range<usize>) -> Result<Self, Refusal> {
        let mut events = Vec::with_capacity(range.len());
        let (mut bytes, mut wall_us) = (0, 0);
        for (index, event) in batch.range(range.clone()).enumerate() {
            if let Some(fault) = event.fault() {
                return Err(undeliverable(index, fault));
            }
            let event = Event::from(event);
            bytes += event.bytes();
            wall_us = event.occurred_at_us().map_or(wall_us, wall);
            events.push(event);
        }
        Ok(Self { events: Events::Records(events), bytes, wall_us })
    }
}

/// The wall clock at a time of the feed's.
fn wall(occurred_at_us: i64) -> u64 {
    u64::try_from(occurred_at_us).unwrap_or(0)
}

fn undeliverable(index: usize, fault: &str) -> Refusal {
    Refusal::Rejected(Rejection {
        cause: RejectionCause::Undeliverable,
        index: Some(index),
        reason: fault.to_owned(),
        backtrace: None,
    })
}
