//! The ports: what the worker needs of a source, a processor and a store.

use std::{future::Future, num::NonZeroU32, ops::Range, sync::Arc, time::Duration};

use crate::{
    Batch, Checkpoint, Claim, Code, Commit, Failure, Held, Overlay, PartitionKey, ReadFrom, Refusal, Snapshot,
    SpanSink, StateSpace, Usage,
};

/// One partition of a feed, read by cursor.
pub trait Source: Send {
    /// Asks for one page and hands on its spans as their checkpoints arrive. What follows the last checkpoint is
    /// thrown away. May be dropped at any moment.
    ///
    /// # Errors
    /// When the page could not be had or ended badly. Spans handed on before that are good.
    fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> impl Future<Output = Result<PageEnd, Failure>> + Send;

    /// Waits before a place behind which nothing was is asked again: for an interval. A source that hears from others
    /// how it stands there may wait for longer, for as long as it would only be told the same. May be dropped at any moment.
    fn rest(&mut self, _from: &ReadFrom, interval: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(interval)
    }
}

/// What is asked of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where to read from.
    pub from: ReadFrom,
    /// A hint for how many events to send.
    pub page_size: NonZeroU32,
}

/// How a page ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageEnd {
    /// Events behind the last checkpoint, thrown away: they will come again.
    pub tail_events: u64,
    /// Why the page ended before its end, where it did: an unreadable line, a bound. It counts as a failure only
    /// if the page made no progress.
    pub cut: Option<Failure>,
}

/// A component, ready to be called.
pub trait Processor: Send {
    /// Calls the component with some events of a batch. The writes go to the overlay: settled if the call went
    /// well, discarded if not. Runs to its end on a thread of its own even if the future is dropped.
    fn process(&mut self, call: Call) -> impl Future<Output = Processed> + Send;

    /// The writes of the last call were committed: its instance may live on. Without this it is thrown away.
    fn committed(&mut self);

    /// What this is, for the lineage.
    fn code(&self) -> Code;
}

/// One call of a component.
#[derive(Debug)]
pub struct Call {
    /// The batch that the events belong to.
    pub batch: Arc<Batch>,
    /// Which of its events; at least one.
    pub events: Range<usize>,
    /// The state to read and to write over.
    pub overlay: Overlay,
    /// Whether a reused instance will not do.
    pub fresh: bool,
}

/// How a call went.
#[derive(Debug)]
pub struct Processed {
    /// The overlay given. None if the host lost it, in which case the result is a [`Refusal::Host`].
    pub overlay: Option<Overlay>,
    /// Whether the events were applied.
    pub result: Result<Cost, Refusal>,
    /// How long the call ran. That it waited for a thread before is not counted.
    pub took: Duration,
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Fuel: instructions of the component and charges of the host calls.
    pub fuel: u64,
    /// The most linear memory that the instance had, in bytes.
    pub memory_bytes: u64,
}

impl Cost {
    /// One more call, over the same state.
    pub fn add(&mut self, other: Self) {
        self.fuel += other.fuel;
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }
}

/// Where state and cursors live, and change together.
pub trait Store: Clone + Send + Sync {
    /// The generation of a processor's shared state now.
    ///
    /// # Errors
    /// [`Superseded`](crate::FailureKind::Superseded) when the claim no longer stands; else when the store cannot be read.
    fn state_generation(&self, claim: &Claim) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// A partition's checkpoint; none if it was never opened.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load(
        &self,
        claim: &Claim,
        key: &PartitionKey,
    ) -> impl Future<Output = Result<Option<Checkpoint>, Failure>> + Send;

    /// The keys that have parked events over some state, now.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn held(&self, claim: &Claim, space: &StateSpace) -> impl Future<Output = Result<Held, Failure>> + Send;

    /// A view of the state as it is at the first read. Cheap if nothing is read.
    fn snapshot(&self, claim: &Claim, space: &StateSpace) -> Box<dyn Snapshot>;

    /// Applies a commit if the claim, the state's generation and the checkpoint's generation are still what it says, and
    /// what the processor keeps then [fits its quota](Usage::check). Runs to its end even if the future is dropped.
    ///
    /// # Errors
    /// [`Fenced`](crate::FailureKind::Fenced) or [`Superseded`](crate::FailureKind::Superseded) when the world has
    /// moved, [`Full`](crate::FailureKind::Full) when it does not fit: nothing was written. Any other failure leaves open
    /// whether it was written: start over from the store.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Usage, Failure>> + Send;
}
