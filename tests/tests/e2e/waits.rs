//! What ends the wait of a worker before its time.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use e2e::simulation::{Dice, FeedLog, Memory, Reader, Trouble};
use futures_util::FutureExt as _;
use tidemill_pipeline::{
    BatchBounds, Call, Code, Commit, Committed, Cost, Digest, Durability, Failed, FeedName, FetchSettings, Fetcher,
    Instances, Lane, Monitor, NewPartition, Observer, Order, Parking, PartitionId, PartitionKey, Processed, Processor,
    ProcessorId, ProcessorName, ReadFrom, Refusal, RejectPolicy, RetryPolicy, Seen, StateGuard, StateSpace, Store as _,
    Worker, WorkerSettings, WriteBounds,
};
use tokio::{sync::watch, time::Instant};

/// A component that is not ready for an hour, or one that is.
#[derive(Debug)]
struct Component {
    ready: bool,
}

impl Processor for Component {
    async fn process(&mut self, mut call: Call) -> Processed {
        let result = if self.ready {
            call.overlay.settle();
            Ok(Cost::default())
        } else {
            call.overlay.discard();
            Err(Refusal::Retry { after: Duration::from_hours(1), reason: "the world is not ready".into() })
        };
        Processed { overlay: Some(call.overlay), result, took: Duration::ZERO }
    }

    fn committed(&mut self) {}

    fn code(&self) -> Code {
        let component = Digest::of(&[u8::from(self.ready)]);
        Code { component, config: Digest::of(b""), instances: Instances::Fresh }
    }
}

/// Replaces the component as soon as a batch has failed: before the worker has said that it waits.
struct Replaces(Arc<Lane<Component>>);

impl fmt::Debug for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaces").finish_non_exhaustive()
    }
}

impl Observer for Replaces {
    fn committed(&self, _: Committed) {}

    fn failed(&self, _: Failed) {
        let mut seat = self.0.enter().now_or_never().expect("whose batch failed has left the lane");
        seat.processor = Component { ready: true };
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_came_before_the_wait_was_in_sight_ends_the_wait() {
    let (store, dice) = (Memory::new(), Dice::new(1));
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
    let claim = store.claim(&ProcessorId { name: ProcessorName::new("totals"), version: 1 });
    let opened = NewPartition { key: key.clone(), start: ReadFrom::First, feed_identity: "here".into() };
    let guard = StateGuard::Shared { generation: 0 };
    store.commit(Commit { opened: vec![opened], ..Commit::nothing(claim.clone(), guard) }).await.unwrap();
    let lane = Arc::new(Lane::new(Component { ready: false }, claim, StateSpace::Shared));
    let settings = WorkerSettings {
        key,
        feed_identity: "here".into(),
        batch: BatchBounds { events_max: 10, bytes_max: 1_000 },
        batch_time: Duration::from_millis(100),
        writes: WriteBounds::default(),
        on_reject: RejectPolicy::Halt,
        parking: Parking::Event,
        durability: Durability::Normal,
        fetch_ahead_bytes: 1_000,
        retry: RetryPolicy::default(),
        fields: None,
        observer: Some(Arc::new(Replaces(Arc::clone(&lane)))),
    };
    let trouble = Trouble::new(dice.clone());
    trouble.end();
    let monitor = Arc::new(Monitor::new(Seen::default()));
    let fetch = FetchSettings {
        page_size: NonZeroU32::MIN,
        poll_interval: Duration::from_secs(1),
        retry: RetryPolicy::default(),
    };
    let reader = Reader { log: FeedLog::new(vec!["an event".into()]), dice, trouble };
    let fetcher = Fetcher::new(reader, fetch, watch::Sender::new(false).subscribe(), Arc::clone(&monitor));
    // Nobody tells the worker anything.
    let orders = watch::Sender::new(Order::default());
    let worker = Worker::new(settings, fetcher, lane, store, orders.subscribe(), Arc::clone(&monitor));
    let (began, mut seen) = (Instant::now(), monitor.subscribe());
    let worker = tokio::spawn(worker.run());
    seen.wait_for(|seen| seen.events == 1).await.unwrap();
    assert!(began.elapsed() < Duration::from_mins(1), "it waited {:?} for a component that is there", began.elapsed());
    worker.abort();
}
