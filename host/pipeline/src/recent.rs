//! The recent: what the last commit of a lane writes, remembered for the next batch.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Commit, StateGuard, WriteSet};

/// What one lane may remember, in bytes of memory.
const LANE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What all lanes of the process may remember: thousands of partitions may have lanes of their own.
const ALL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a write takes beside its key and value.
const ROW_BYTES: usize = 128;

/// What all lanes remember now.
static ALL_BYTES: AtomicUsize = AtomicUsize::new(0);

/// What a commit writes, and the generation that it makes of the state.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) generation: u64,
    pub(crate) writes: WriteSet,
    bytes: usize,
}

impl Recent {
    /// What there is to remember of a commit, unless it is too much.
    pub(crate) fn of(commit: &Commit) -> Option<Self> {
        let Commit { step, guard, writes, .. } = commit;
        let bytes = writes.bytes() + writes.len() * ROW_BYTES;
        let step = step.as_ref().filter(|_| bytes <= LANE_BYTES_MAX)?;
        let room = |all: usize| Some(all + bytes).filter(|all| *all <= ALL_BYTES_MAX);
        ALL_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Self { generation: generation(guard, step.from_generation) + 1, writes: writes.made(), bytes })
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        ALL_BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The generation that guards a lane's state: its own where it is shared, else that of the partition's checkpoint.
pub(crate) fn generation(guard: &StateGuard, checkpoint: u64) -> u64 {
    match guard {
        StateGuard::Shared { generation } => *generation,
        StateGuard::Partition(_) => checkpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, FeedName, PartitionId, PartitionKey, ProcessorId, ProcessorName, Status, Step};

    fn commit(bytes: usize) -> Commit {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        let claim = Claim { processor: ProcessorId { name: ProcessorName::new("totals"), version: 1 }, epoch: 1 };
        let step = Step::staying(key, 7, Status::Running, None);
        let writes = [("key".to_owned(), Some("v".repeat(bytes).as_str().into()))].into_iter().collect();
        Commit { writes, ..Commit::of_step(claim, StateGuard::Shared { generation: 41 }, step) }
    }

    #[test]
    fn what_is_remembered_has_a_bound_for_a_lane_and_for_all() {
        let half = LANE_BYTES_MAX / 2;
        assert_eq!(Recent::of(&commit(half)).map(|recent| recent.generation), Some(42));
        assert!(Recent::of(&commit(LANE_BYTES_MAX)).is_none());
        let mut lanes: Vec<_> = std::iter::from_fn(|| Recent::of(&commit(half))).take(100).collect();
        let most = ALL_BYTES_MAX / half;
        assert!((most - 2..most).contains(&lanes.len()), "{} lanes remember {half} bytes each", lanes.len());
        lanes.pop();
        assert!(Recent::of(&commit(half)).is_some(), "what one forgets another may remember");
    }
}
