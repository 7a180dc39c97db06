//! The observer: somebody who looks on while batches are applied. Production has none; `tidemill dev` is one.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Batch, Change, Cost, Digest, Failure, ParkedEvent, ProcessorName, Rejected};

/// Looks on. It is told in the worker's own task, so it must neither block nor take long.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A batch was committed.
    fn committed(&self, committed: Committed);

    /// A batch was not applied, or not as it is: nothing of it was committed.
    fn failed(&self, failed: Failed);
}

/// A batch that was committed.
#[derive(Debug)]
pub struct Committed {
    /// Whose batch it was.
    pub processor: ProcessorName,
    /// What it was.
    pub batch: Arc<Batch>,
    /// What it changed, in the order of the bytes of the keys.
    pub changes: Vec<Change>,
    /// The events that were put aside.
    pub parked: Vec<ParkedEvent>,
    /// How many events were left out.
    pub skipped: u64,
    /// What the component's calls cost.
    pub cost: Cost,
    /// The component that computed it; none if no component was asked.
    pub component: Option<Digest>,
    /// Wall time of applying it, the search for rejected events included.
    pub applying: Duration,
    /// Wall time of the commit.
    pub committing: Duration,
}

/// A batch that was not applied.
#[derive(Debug)]
pub struct Failed {
    /// Whose batch it was.
    pub processor: ProcessorName,
    /// What it was.
    pub batch: Arc<Batch>,
    /// Why not.
    pub failure: Failure,
    /// The event to blame, if one is.
    pub culprit: Option<Box<Rejected>>,
    /// The component that was asked.
    pub component: Option<Digest>,
}
