//! Set aside: the events of a batch that were rejected, and what the policy made of them.

use std::collections::HashMap;

use crate::{Digest, ParkedEvent, RejectPolicy};

/// Events of a span that are named when they are left out; the others are only counted.
const SKIPS_NAMED: u64 = 100;

/// The events that the policy put aside or left out.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    pub(crate) parked: Vec<ParkedEvent>,
    /// Where each payload of the span stands in `parked`.
    places: HashMap<Digest, usize>,
    pub(crate) skipped: u64,
    /// Each by its place, where somebody wants to see them all.
    pub(crate) named: Option<Vec<Rejected>>,
}

/// An event that was rejected alone, on a fresh instance, or that the host could not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The event, and why it was rejected.
    pub event: ParkedEvent,
    /// What the policy says about it.
    pub policy: RejectPolicy,
}

impl Aside {
    /// Nothing yet. `named` keeps each event that is set aside: only for batches of a known size.
    pub(crate) fn new(named: bool) -> Self {
        Self { named: named.then(Vec::new), ..Self::default() }
    }

    /// Does with an event what the policy says; [`RejectPolicy::Halt`] is not for here.
    pub(crate) fn take(&mut self, rejected: Rejected) {
        if let Some(named) = &mut self.named {
            named.push(rejected.clone());
        }
        match rejected.policy {
            RejectPolicy::Park => self.park(rejected.event),
            RejectPolicy::Skip | RejectPolicy::Halt => self.skip(&rejected.event),
        }
    }

    fn park(&mut self, event: ParkedEvent) {
        // Between two of the same payload may stand another one of their key.
        if event.key.is_some() {
            self.parked.push(event);
            return;
        }
        let place = *self.places.entry(event.id.payload).or_insert(self.parked.len());
        match self.parked.get_mut(place) {
            Some(known) => known.copies += 1,
            None => self.parked.push(event),
        }
    }

    fn skip(&mut self, event: &ParkedEvent) {
        self.skipped += 1;
        if self.named.is_none() && self.skipped <= SKIPS_NAMED {
            tracing::warn!(payload = %event.id.payload.short(), reason = %event.reason, "an event was left out");
        }
    }

    pub(crate) fn report(&self) {
        if self.named.is_none() && self.skipped > SKIPS_NAMED {
            tracing::warn!(
                events = self.skipped,
                named = SKIPS_NAMED,
                "more events of one span were left out than are named"
            );
        }
    }
}
