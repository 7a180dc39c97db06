//! The rehearsal: what batches would come to, over a state in memory. The rules are the worker's own, the search for the
//! culprit included; nothing is committed, nothing is waited for, and a base that is given is only read.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Batch, BatchBounds, Cost, Failure, Fields, Held, Overlay, Parking, PartitionKey, Processor, Refusal, RejectPolicy,
    Rejected, Snapshot, Span, Value, WriteBounds,
    apply::{Applied, Policy, Unapplied, apply},
};

/// Entries that are read at once.
const ENTRIES_AT_ONCE: usize = 1_000;

/// How a rehearsal is held.
#[derive(Clone, Debug, Default)]
pub struct RehearsalSettings {
    /// What the component is given of payloads; all of them if none.
    pub fields: Option<Fields>,
    /// How large a batch may be.
    pub batch: BatchBounds,
    /// What a batch may write.
    pub writes: WriteBounds,
    /// What happens to an event that is rejected.
    pub on_reject: RejectPolicy,
    /// What happens to the events behind one that was put aside.
    pub parking: Parking,
}

/// What one batch would come to.
#[derive(Debug)]
pub struct Rehearsed {
    /// Its events.
    pub batch: Arc<Batch>,
    /// What it would write, in the order of the bytes of the keys. Nothing if it was not applied.
    pub changes: Vec<Change>,
    /// The events that were rejected, in their order. With [`RejectPolicy::Halt`] at most one, and it ended the batch.
    pub rejected: Vec<Rejected>,
    /// What the calls that went well cost together.
    pub cost: Cost,
    /// Why it was not applied, if it was not: what comes after it is not rehearsed.
    pub end: Option<RehearsalEnd>,
}

/// A key that a batch would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value before the batch.
    pub before: Option<Value>,
    /// Its value after it; none if it is deleted.
    pub after: Option<Value>,
}

/// Why a rehearsal went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RehearsalEnd {
    /// The last of [`Rehearsed::rejected`] stops the partition.
    Rejected,
    /// The component asked to be called again or for a person, or the host could not do its part.
    Refused(Refusal),
}

/// A processor that is tried on batches, each over the state that those before it left.
#[derive(Debug)]
pub struct Rehearsal<P> {
    processor: P,
    state: RehearsedState,
    settings: RehearsalSettings,
    /// The keys that have events put aside: none at the beginning.
    held: Arc<Held>,
}

impl<P: Processor> Rehearsal<P> {
    /// A rehearsal over a state.
    #[must_use]
    pub fn new(processor: P, state: RehearsedState, settings: RehearsalSettings) -> Self {
        Self { processor, state, settings, held: Arc::default() }
    }

    /// The state as the batches so far left it.
    #[must_use]
    pub fn state(&self) -> &RehearsedState {
        &self.state
    }

    /// Takes the processor back, and the state.
    #[must_use]
    pub fn into_parts(self) -> (P, RehearsedState) {
        (self.processor, self.state)
    }

    /// What happens to an event that is rejected from now on.
    pub fn on_reject(&mut self, policy: RejectPolicy) {
        self.settings.on_reject = policy;
    }

    /// Rehearses spans that follow each other, in batches as large as the bounds allow, until the first that ends the
    /// partition. `heard` is given each batch as it comes.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn run(
        &mut self,
        key: &PartitionKey,
        spans: Vec<Span>,
        mut heard: impl FnMut(Rehearsed),
    ) -> Result<(), Failure> {
        let fields = self.settings.fields.as_ref();
        let mut waiting: VecDeque<_> = spans.into_iter().map(|span| span.picked(fields)).collect();
        let mut spans_max = usize::MAX;
        while let Some(first) = waiting.pop_front() {
            let mut batch = Batch::new(key.clone(), first);
            while batch.spans().len() < spans_max
                && let Some(next) = waiting.pop_front()
            {
                if let Err(next) = batch.push(next, self.settings.batch) {
                    waiting.push_front(next);
                    break;
                }
            }
            let batch = Arc::new(batch);
            match self.one(&batch).await? {
                Tried::Done(rehearsed) => {
                    let ended = rehearsed.end.is_some();
                    heard(rehearsed);
                    if ended {
                        return Ok(());
                    }
                    spans_max = spans_max.saturating_mul(2);
                }
                Tried::Smaller { spans } => {
                    spans_max = spans;
                    for span in Arc::unwrap_or_clone(batch).into_spans().into_iter().rev() {
                        waiting.push_front(span);
                    }
                }
            }
        }
        Ok(())
    }

    async fn one(&mut self, batch: &Arc<Batch>) -> Result<Tried, Failure> {
        let RehearsalSettings { fields: _, batch: bounds, writes, on_reject, parking } = self.settings.clone();
        let overlay = Overlay::new(self.state.snapshot(), writes);
        let policy = Policy { on_reject, parking: &parking, resolutions: &[], named: true };
        let held = Arc::clone(&self.held);
        let mut rehearsed = Rehearsed {
            batch: Arc::clone(batch),
            changes: Vec::new(),
            rejected: Vec::new(),
            cost: Cost::default(),
            end: None,
        };
        match apply(&mut self.processor, batch, overlay, bounds, policy, held, false).await {
            Ok(Applied { overlay, aside, cost, .. }) => {
                rehearsed.changes = self.state.commit(overlay)?;
                for event in aside.parked {
                    if let Some(key) = event.key {
                        Arc::make_mut(&mut self.held).add(&event.id.key.feed, key);
                    }
                }
                rehearsed.rejected = aside.named.unwrap_or_default();
                rehearsed.cost = cost;
                self.processor.committed();
            }
            Err(Unapplied::Smaller { spans }) => return Ok(Tried::Smaller { spans }),
            Err(Unapplied::Rejected(rejected)) => {
                rehearsed.rejected.push(*rejected);
                rehearsed.end = Some(RehearsalEnd::Rejected);
            }
            Err(Unapplied::Refused(refusal)) => rehearsed.end = Some(RehearsalEnd::Refused(refusal)),
        }
        Ok(Tried::Done(rehearsed))
    }
}

enum Tried {
    Done(Rehearsed),
    Smaller { spans: usize },
}

/// A state in memory, or writes in memory over one that is only read. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct RehearsedState(Arc<Mutex<Overlay>>);

impl RehearsedState {
    /// Nothing yet over a base.
    #[must_use]
    pub fn over(base: Box<dyn Snapshot>) -> Self {
        let unbounded = WriteBounds { rows_max: usize::MAX, bytes_max: usize::MAX, key_bytes_max: usize::MAX };
        Self(Arc::new(Mutex::new(Overlay::new(base, unbounded))))
    }

    /// A state of these entries.
    #[must_use]
    pub fn of(entries: BTreeMap<String, Value>) -> Self {
        Self::over(Box::new(Entries(entries)))
    }

    /// All entries.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn entries(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let mut entries = BTreeMap::new();
        loop {
            let after = entries.last_key_value().map(|(key, _): (&String, &Value)| key.clone());
            let (page, more) = self.with(|overlay| overlay.scan("", after.as_deref(), ENTRIES_AT_ONCE))?;
            entries.extend(page);
            if !more {
                return Ok(entries);
            }
        }
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(self.clone())
    }

    /// Takes the writes of a batch over, and says what they change.
    fn commit(&self, overlay: Overlay) -> Result<Vec<Change>, Failure> {
        let writes = overlay.into_writes();
        self.with(|state| {
            let mut changes = Vec::with_capacity(writes.len());
            for (key, after) in writes.iter() {
                let (key, after) = (key.to_owned(), after.cloned());
                changes.push(Change { before: state.get(&key)?, key, after });
            }
            for Change { key, after, .. } in &changes {
                state.write(key.clone(), after.clone()).expect("there are no bounds, and the key passed the batch's");
            }
            state.settle();
            Ok(changes)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Overlay) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Snapshot for RehearsedState {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        self.with(|overlay| overlay.get(key))
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        self.with(|overlay| overlay.scan(prefix, after, limit)).map(|(entries, _)| entries)
    }
}

/// Entries in memory.
struct Entries(BTreeMap<String, Value>);

impl Snapshot for Entries {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let range = self.0.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        let hits = range.take_while(|(key, _)| key.starts_with(prefix));
        let hits = hits.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        Ok(hits.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
