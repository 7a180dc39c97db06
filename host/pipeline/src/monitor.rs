//! The monitor: what a worker lets others see of itself. Never needed to go on: the store has the truth.

use tokio::sync::watch;

use crate::{Checkpoint, Cost, Failure, Status};

/// What a worker does now, and did in this run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The checkpoint, as last loaded or committed; none before the first load.
    pub checkpoint: Option<Checkpoint>,
    /// Events committed in this run.
    pub events: u64,
    /// Batches committed in this run.
    pub batches: u64,
    /// Keys written in this run.
    pub writes: u64,
    /// Events put aside in this run. Those that were left out are not counted: that is what was asked for.
    pub parked: u64,
    /// What the calls of this run cost: fuel summed, memory at its highest.
    pub cost: Cost,
    /// The feed answered a page without an event, and everything before it is committed.
    pub idle: bool,
    /// Why it waits before it asks the feed again, if it does.
    pub feed_trouble: Option<Failure>,
    /// Why it waits before it processes or commits again, if it does.
    pub trouble: Option<Failure>,
    /// It stopped, and the store cannot keep that: no checkpoint says it.
    pub stopped_unkept: bool,
}

impl Seen {
    /// One more batch was committed, and brought the partition here.
    pub(crate) fn add(&mut self, checkpoint: Checkpoint, events: u64, writes: u64, parked: u64, cost: Cost) {
        self.checkpoint = Some(checkpoint);
        self.events += events;
        self.batches += 1;
        self.writes += writes;
        self.parked += parked;
        self.cost.add(cost);
        self.idle = false;
        self.trouble = None;
    }

    /// Whether nothing will happen by itself: the feed has no more, or the partition does not run.
    /// Not when it is finished: then its children begin.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        let stopped = |checkpoint: &Checkpoint| {
            matches!(checkpoint.status, Status::Paused | Status::Halted | Status::Stalled | Status::Stopped)
        };
        self.idle || self.stopped_unkept || self.checkpoint.as_ref().is_some_and(stopped)
    }
}

/// Where a worker writes what it does.
pub type Monitor = watch::Sender<Seen>;
