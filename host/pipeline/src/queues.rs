//! Queues: which events of a batch wait behind one of their key that is parked, before the batch or within it.

use std::{collections::HashSet, ops::Range, sync::Arc};

use crate::{Batch, EventKey, Failure, FailureKind, FeedName, Held, KeyOrder, Parking, Stage};

/// The queues of one batch. Where order is not kept by key, nothing ever waits and nothing is computed.
#[derive(Debug)]
pub(crate) struct Queues<'a> {
    order: Option<&'a KeyOrder>,
    batch: &'a Batch,
    /// What was held when the batch began.
    before: Arc<Held>,
    /// What the batch holds beside that, and how many events it parked.
    added: HashSet<EventKey>,
    events: u64,
    /// The key of each event, once somebody asked for one.
    keys: Vec<Option<EventKey>>,
}

impl<'a> Queues<'a> {
    pub(crate) fn new(parking: &'a Parking, before: Arc<Held>, batch: &'a Batch) -> Self {
        let order = match parking {
            Parking::Event => None,
            Parking::Key(order) => Some(order),
        };
        Self { order, batch, before, added: HashSet::new(), events: 0, keys: Vec::new() }
    }

    fn feed(&self) -> &'a FeedName {
        &self.batch.key().feed
    }

    /// Whether anything may wait. If not, no payload is looked at.
    fn any(&self) -> bool {
        self.order.is_some() && (!self.added.is_empty() || self.before.has_any(self.feed()))
    }

    fn read_keys(&mut self) {
        if let (Some(order), true) = (self.order, self.keys.is_empty()) {
            self.keys = self.batch.events().map(|event| order.key(&event)).collect();
        }
    }

    /// The key of an event, if order is kept by it.
    pub(crate) fn key(&mut self, index: usize) -> Option<EventKey> {
        self.read_keys();
        self.keys.get(index).cloned().flatten()
    }

    /// The key that an event has to wait for, if it has to.
    pub(crate) fn waits(&mut self, index: usize) -> Option<EventKey> {
        self.next(index..index + 1).and_then(|index| self.key(index))
    }

    /// The first event of some that has to wait.
    pub(crate) fn next(&mut self, mut events: Range<usize>) -> Option<usize> {
        if !self.any() {
            return None;
        }
        self.read_keys();
        let held = |key: &EventKey| self.added.contains(key) || self.before.has(self.feed(), key);
        events.find(|index| self.keys.get(*index).and_then(Option::as_ref).is_some_and(held))
    }

    /// An event is parked: those of its key wait from now on.
    ///
    /// # Errors
    /// When as many are parked as may be.
    pub(crate) fn hold(&mut self, key: EventKey) -> Result<(), Failure> {
        let Some(order) = self.order else { return Ok(()) };
        let new = !self.before.has(self.feed(), &key) && !self.added.contains(&key);
        if new && self.before.keys() + self.added.len() >= order.keys_max {
            return Err(full(format!("{} keys have parked events, and no more may", order.keys_max)));
        }
        if self.before.events() + self.events >= order.events_max {
            return Err(full(format!("{} events are parked with their keys, and no more may be", order.events_max)));
        }
        if new {
            self.added.insert(key);
        }
        self.events += 1;
        Ok(())
    }
}

fn full(cause: String) -> Failure {
    Failure::new(FailureKind::Halted, Stage::Process, cause)
        .hint("give the processor a component that can apply them, `tidemill parked retry` or `drop` them, then `tidemill resume`")
}
