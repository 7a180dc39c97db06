//! What every store promises: one suite of checks, run against each store that there is.
//!
//! `conformance_tests!(MyStore)` makes a test of each check. A check gets a fresh store, does what a worker would do,
//! and looks at what the port shows.

pub mod commits;
pub mod partitions;
pub mod quotas;
pub mod snapshots;

use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Cursor, Digest, Durability, FailureKind, FeedName, NewPartition, ParkedEvent, ParkedId,
    PartitionId, PartitionKey, ProcessorId, ProcessorName, Quota, ReadFrom, StateGuard, StateSpace, Status, Step,
    Store, Stored, Value, WriteSet,
};

use crate::simulation::Memory;

/// A store with what the checks need beside the port.
pub trait StoreUnderTest: Send + Sized {
    /// The store.
    type Store: Store + 'static;

    /// A store that was never used.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The store, open.
    fn store(&self) -> &Self::Store;

    /// Closes the store and opens it again, as a new host does.
    fn reopen(&mut self) -> impl Future<Output = ()> + Send;

    /// Claims a processor; claims before it end.
    fn claim(&self, processor: &ProcessorId) -> impl Future<Output = Claim> + Send;

    /// Sets how much a processor may keep, and says how much that is.
    fn set_quota(&self, claim: &Claim, quota: Quota) -> impl Future<Output = Stored> + Send;

    /// Every event that is parked for a processor.
    fn parked(&self, processor: &ProcessorId) -> impl Future<Output = Vec<ParkedEvent>> + Send;
}

impl StoreUnderTest for Memory {
    type Store = Self;

    async fn fresh() -> Self {
        Self::new()
    }

    fn store(&self) -> &Self {
        self
    }

    async fn reopen(&mut self) {}

    async fn claim(&self, processor: &ProcessorId) -> Claim {
        Self::claim(self, processor)
    }

    async fn set_quota(&self, claim: &Claim, quota: Quota) -> Stored {
        Self::set_quota(self, claim, quota).unwrap()
    }

    async fn parked(&self, processor: &ProcessorId) -> Vec<ParkedEvent> {
        Self::parked(self, processor)
    }
}

/// Makes a test of each check for a store.
#[macro_export]
macro_rules! conformance_tests {
    ($store:ty) => {
        $crate::conformance_tests!($store: commits:
            a_commit_changes_state_and_cursor_together,
            a_commit_survives_a_restart,
            a_stale_state_generation_is_fenced_and_writes_nothing,
            a_stale_checkpoint_generation_is_fenced_and_writes_nothing,
            a_claim_ends_the_claims_before_it,
            a_claim_is_of_one_processor_and_version,
            two_commits_from_one_generation_have_one_winner,
            a_refused_commit_leaves_every_part_undone,
            a_commit_without_a_cursor_leaves_the_cursor,
            a_commit_whose_waiter_is_gone_is_whole_or_not_at_all,
            an_error_is_kept_until_the_next_step,
            a_commit_of_many_writes_is_whole,
        );
        $crate::conformance_tests!($store: partitions:
            a_partition_that_was_never_opened_has_no_checkpoint,
            opening_again_changes_nothing,
            a_partition_starts_where_it_was_opened,
            finishing_a_parent_and_opening_its_children_is_one_commit,
            a_step_of_a_partition_that_is_not_open_is_fenced,
            partitions_with_state_of_their_own_are_independent,
            writing_a_partitions_own_state_without_a_step_fences_who_is_at_work_on_it,
            parking_adds_copies,
            settling_removes_and_needs_what_it_removes,
            a_queue_is_settled_from_its_first,
            keys_are_held_over_one_state,
            settling_fences_who_knew_the_queues_before,
            a_parked_event_is_as_it_was_put,
            parking_and_settling_are_undone_with_their_commit,
        );
        $crate::conformance_tests!($store: quotas:
            what_is_kept_is_counted_in_bytes_of_keys_and_values,
            a_parked_event_is_a_row_of_what_it_takes,
            a_commit_that_grows_past_the_quota_is_refused_whole,
            a_commit_that_does_not_grow_is_made_above_the_quota,
            the_partitions_of_a_processor_share_its_quota,
            a_quota_is_of_one_processor,
            what_is_kept_and_the_quota_survive_a_restart,
            a_retry_makes_room_by_what_it_settles,
        );
        $crate::conformance_tests!($store: snapshots:
            a_snapshot_does_not_move,
            a_snapshot_is_of_its_first_read,
            text_and_bytes_are_different_values,
            values_come_back_byte_for_byte,
            a_scan_is_in_the_order_of_bytes,
            a_scan_takes_prefixes_literally,
            a_scan_goes_on_behind_a_key,
            a_scan_ends_at_its_limit,
            processors_do_not_see_each_other,
            versions_do_not_see_each_other,
            the_last_write_to_a_key_wins_and_a_delete_deletes,
        );
    };
    ($store:ty: $module:ident: $($check:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $check() {
            let subject = <$store as $crate::conformance::StoreUnderTest>::fresh().await;
            $crate::conformance::$module::$check(subject).await;
        })*
    };
}

fn processor(name: &str, version: u32) -> ProcessorId {
    ProcessorId { name: ProcessorName::new(name), version }
}

fn totals() -> ProcessorId {
    processor("totals", 1)
}

fn key(partition: &str) -> PartitionKey {
    PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new(partition) }
}

fn cursor(text: &str) -> Cursor {
    Cursor::new(text).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn writes<'a>(writes: impl IntoIterator<Item = (&'a str, &'a str)>) -> WriteSet {
    writes.into_iter().map(|(key, value)| (key.to_owned(), Some(text(value)))).collect()
}

fn opening(key: PartitionKey, start: ReadFrom) -> NewPartition {
    NewPartition { key, start, feed_identity: "http://feed.example/orders".into() }
}

fn parked_event(id: ParkedId, copies: u32) -> ParkedEvent {
    ParkedEvent {
        id,
        copies,
        key: None,
        payload: text("{\"user\":\"ada\"}"),
        metadata: None,
        cause: "rejected".into(),
        reason: "no amount".into(),
        backtrace: None,
        component: None,
    }
}

fn parked_id(partition: &str, span_from: ReadFrom) -> ParkedId {
    ParkedId { key: key(partition), span_from, payload: Digest::of(b"payload") }
}

/// A worker's view of one processor: it knows the generations, as a worker does after loading.
struct Desk<'a, S: StoreUnderTest> {
    subject: &'a S,
    claim: Claim,
}

impl<'a, S: StoreUnderTest> Desk<'a, S> {
    /// Claims a processor.
    async fn new(subject: &'a S, processor: ProcessorId) -> Self {
        let claim = subject.claim(&processor).await;
        Self { subject, claim }
    }

    /// Claims the processor `totals` and opens partitions `0` and `1` from the first event.
    async fn open(subject: &'a S) -> Self {
        let desk = Self::new(subject, totals()).await;
        let opened = ["0", "1"].map(|partition| opening(key(partition), ReadFrom::First));
        desk.commit(Commit { opened: opened.into(), ..desk.nothing().await }).await;
        desk
    }

    fn store(&self) -> &'a S::Store {
        self.subject.store()
    }

    async fn generation(&self) -> u64 {
        self.store().state_generation(&self.claim).await.unwrap()
    }

    async fn checkpoint(&self, partition: &str) -> Checkpoint {
        self.store().load(&self.claim, &key(partition)).await.unwrap().unwrap()
    }

    /// A commit that does nothing but compare, on the shared state as it is now.
    async fn nothing(&self) -> Commit {
        self.guarded(StateGuard::Shared { generation: self.generation().await })
    }

    fn guarded(&self, guard: StateGuard) -> Commit {
        Commit {
            claim: self.claim.clone(),
            guard,
            step: None,
            writes: WriteSet::default(),
            parked: Vec::new(),
            settled: Vec::new(),
            opened: Vec::new(),
            code: None,
            durability: Durability::Normal,
        }
    }

    /// A step of a partition from where it is now.
    async fn step(&self, partition: &str, to: &str, events: u64) -> Step {
        let from_generation = self.checkpoint(partition).await.generation;
        let to = Some(cursor(to));
        Step { key: key(partition), from_generation, to, events, status: Status::Running, error: None }
    }

    async fn commit(&self, commit: Commit) {
        self.store().commit(commit).await.unwrap();
    }

    async fn refused(&self, commit: Commit, kind: FailureKind) {
        assert_eq!(self.store().commit(commit).await.unwrap_err().kind, kind);
    }

    fn get(&self, key: &str) -> Option<Value> {
        self.get_in(&StateSpace::Shared, key)
    }

    fn get_in(&self, space: &StateSpace, key: &str) -> Option<Value> {
        self.store().snapshot(&self.claim, space).get(key).unwrap()
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let mut snapshot = self.store().snapshot(&self.claim, &StateSpace::Shared);
        snapshot.scan(prefix, after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
    }
}
