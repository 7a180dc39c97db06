//! The partitions of a feed, as its publisher lists them.

use crate::PartitionId;

/// A partition as a discovery lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its identifier.
    pub id: PartitionId,
    /// No event will be added to it any more.
    pub closed: bool,
    /// The parent that must be finished before this one begins (FeedAPI `startsAfterPartition`).
    pub starts_after: Option<PartitionId>,
    /// Partitions whose cursors are valid here, nearest first (FeedAPI `cursorFromPartitions`).
    pub cursor_from: Vec<PartitionId>,
}

impl Listed {
    /// An open partition without ancestors.
    #[must_use]
    pub fn open(id: PartitionId) -> Self {
        Self { id, closed: false, starts_after: None, cursor_from: Vec::new() }
    }
}
