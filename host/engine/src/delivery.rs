//! The delivery: the events of a call as they cross, borrowed, and what the call must know of them.

use std::ops::Range;

use tidemill_pipeline::{Batch, Refusal, Rejection, RejectionCause};

use crate::contract::Event;

/// Some events of a batch, read in one pass.
pub(crate) struct Delivery<'a> {
    pub(crate) events: Vec<Event<'a>>,
    /// The size of their payloads.
    pub(crate) bytes: usize,
    /// The wall clock of the call: when its last dated event occurred, in microseconds since 1970; 0 without one.
    pub(crate) wall_us: u64,
}

impl<'a> Delivery<'a> {
    /// The events in a range of a batch.
    ///
    /// # Errors
    /// A rejection of the first event that the contract has no place for.
    pub(crate) fn new(batch: &'a Batch, range: &Range<usize>) -> Result<Self, Refusal> {
        let mut delivery = Self { events: Vec::with_capacity(range.len()), bytes: 0, wall_us: 0 };
        for (index, event) in batch.range(range.clone()).enumerate() {
            if let Some(fault) = event.fault() {
                return Err(undeliverable(index, fault));
            }
            let event = Event::from(event);
            delivery.bytes += event.bytes();
            if let Some(time) = event.occurred_at_us() {
                delivery.wall_us = u64::try_from(time).unwrap_or(0);
            }
            delivery.events.push(event);
        }
        Ok(delivery)
    }
}

fn undeliverable(index: usize, fault: &str) -> Refusal {
    Refusal::Rejected(Rejection {
        cause: RejectionCause::Undeliverable,
        index: Some(index),
        reason: fault.to_owned(),
        backtrace: None,
    })
}
