//! A follow: the real reader and the real worker along partitions of a feed, in this process. The store is one in memory, and
//! the component keeps every event under its number, so that the state is the log of what was applied.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use e2e::simulation::Memory;
use tidemill_feeds::{Address, Bounds, Feed, FeedSettings, Protocol};
use tidemill_pipeline::{
    Batch, BatchBounds, Call, Checkpoint, Claim, Code, Commit, Cost, Digest, Durability, Exit, FeedName, FetchSettings,
    Fetcher, Instances, Lane, Monitor, NewPartition, Order, PartitionId, PartitionKey, Processed, Processor,
    ProcessorId, ProcessorName, ReadFrom, RejectPolicy, RetryPolicy, Seen, Source, StateSpace, Status, Store as _,
    Value, Worker, WorkerSettings, WriteBounds,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::trial::holds;

/// What a row thinks of a batch: nothing, or what is wrong with it.
pub(crate) type Check = Arc<dyn Fn(&Batch) -> Option<String> + Send + Sync>;

/// Waits that pass quickly: rows try many failures.
pub(crate) const RETRY: RetryPolicy = RetryPolicy {
    delay_min: Duration::from_millis(1),
    delay_max: Duration::from_millis(4),
    asked_max: Duration::from_millis(20),
    jitter_seed: None,
};

/// A feed at an address. For ZeroEventHub with so many partitions; else it has to be discovered.
pub(crate) fn open_feed(url: &str, protocol: Protocol, partitions: u32, bounds: Bounds) -> Result<Feed> {
    let mut settings = FeedSettings::new(FeedName::new("feed"), Address::Http(url.parse()?));
    (settings.protocol, settings.bounds) = (protocol, bounds);
    settings.partitions = NonZeroU32::new(partitions);
    Ok(Feed::open(settings)?)
}

/// A processor along a feed.
#[derive(Clone)]
pub(crate) struct Follow {
    feed: Feed,
    store: Memory,
    lane: Arc<Lane<Log>>,
    claim: Claim,
    poll_interval: Duration,
    wrong: Arc<Mutex<Option<String>>>,
}

impl Follow {
    /// A processor with an empty state, whose every batch is checked.
    pub(crate) fn new(feed: Feed, check: Check) -> Self {
        let store = Memory::new();
        let claim = store.claim(&ProcessorId { name: ProcessorName::new("log"), version: 1 });
        let wrong = Arc::default();
        let log = Log { check, wrong: Arc::clone(&wrong) };
        let lane = Arc::new(Lane::new(log, claim.clone(), StateSpace::Shared));
        Self { feed, store, lane, claim, poll_interval: Duration::from_millis(2), wrong }
    }

    fn key(partition: &str) -> PartitionKey {
        PartitionKey { feed: FeedName::new("feed"), partition: PartitionId::new(partition) }
    }

    /// Opens a partition, if it is not open yet, and begins to follow it.
    pub(crate) async fn partition(&self, partition: &str) -> Result<Partition> {
        self.along(partition, self.feed.source(PartitionId::new(partition)), RETRY).await
    }

    /// The same, from another source and with other waits.
    pub(crate) async fn along<S: Source + Sync + 'static>(
        &self,
        partition: &str,
        source: S,
        retry: RetryPolicy,
    ) -> Result<Partition> {
        let key = Self::key(partition);
        let identity = self.feed.identity();
        if self.checkpoint(partition).await?.is_none() {
            let opened =
                vec![NewPartition { key: key.clone(), start: ReadFrom::First, feed_identity: identity.clone() }];
            // Within the lane: partitions that are open already commit, too.
            let mut seat = self.lane.enter().await;
            let guard = seat.guard(&self.store).await?;
            let open = Commit { opened, ..Commit::nothing(self.claim.clone(), guard) };
            seat.commit(&self.store, open).await?;
        }
        let settings = WorkerSettings {
            key: key.clone(),
            feed_identity: identity,
            batch: BatchBounds { events_max: 1_000, bytes_max: 1024 * 1024 },
            batch_time: Duration::from_millis(100),
            writes: WriteBounds::default(),
            on_reject: RejectPolicy::Park,
            parking: tidemill_pipeline::Parking::Event,
            durability: Durability::Normal,
            fetch_ahead_bytes: 1024 * 1024,
            retry,
            fields: None,
            observer: None,
        };
        let page_size = NonZeroU32::new(100).context("not zero")?;
        let fetch = FetchSettings { page_size, poll_interval: self.poll_interval, retry };
        let monitor = Arc::new(Monitor::new(Seen::default()));
        let (orders, ordered) = watch::channel(Order::default());
        let closed = watch::Sender::new(false).subscribe();
        let fetcher = Fetcher::new(source, fetch, closed, Arc::clone(&monitor));
        let lane = Arc::clone(&self.lane);
        let worker = Worker::new(settings, fetcher, lane, self.store.clone(), ordered, Arc::clone(&monitor));
        let worker = tokio::spawn(worker.run());
        Ok(Partition { name: partition.to_owned(), follow: self.clone(), monitor, _orders: orders, worker })
    }

    /// What the store knows of a partition.
    pub(crate) async fn checkpoint(&self, partition: &str) -> Result<Option<Checkpoint>> {
        Ok(self.store.load(&self.claim, &Self::key(partition)).await?)
    }

    /// The events of a partition that were applied, in their order.
    pub(crate) fn applied(&self, partition: &str) -> Result<Vec<String>> {
        let mut state = self.store.snapshot(&self.claim, &StateSpace::Shared);
        let events = state.scan(&format!("event/{partition}/"), None, usize::MAX)?;
        Ok(events.into_iter().map(|(_, event)| text(&event)).collect())
    }

    /// How many events of all partitions were put aside.
    pub(crate) fn put_aside(&self) -> usize {
        self.store.parked(&self.claim.processor).iter().map(|event| event.copies as usize).sum()
    }

    /// Fails if a batch was not as the row wants it.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = self.wrong.lock().map_err(|_| anyhow!("a check panicked"))?.clone();
        if let Some(wrong) = wrong {
            holds!(false, "{wrong}");
        }
        Ok(())
    }
}

/// Whether a partition does nothing more by itself.
pub(crate) fn is_stopped(status: Status) -> bool {
    !matches!(status, Status::Starting | Status::Running)
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A partition that is followed. It ends when dropped.
pub(crate) struct Partition {
    name: String,
    follow: Follow,
    monitor: Arc<Monitor>,
    _orders: watch::Sender<Order>,
    worker: JoinHandle<Exit>,
}

impl Partition {
    /// Waits until what is seen of the worker is as wanted, for no longer than a while. None if it did not happen.
    pub(crate) async fn seen(&self, patience: Duration, wanted: impl FnMut(&Seen) -> bool) -> Option<Seen> {
        let mut seen = self.monitor.subscribe();
        let found = timeout(patience, seen.wait_for(wanted)).await.ok()?.ok()?;
        Some(found.clone())
    }

    /// What is seen of the worker now.
    pub(crate) fn now(&self) -> Seen {
        self.monitor.borrow().clone()
    }

    /// Waits until the cursor is committed; fails if that does not happen, or a batch was wrong.
    pub(crate) async fn reaches(&self, cursor: &str, patience: Duration) -> Result<Checkpoint> {
        let there = |seen: &Seen| {
            let stands = seen.checkpoint.as_ref();
            stands.is_some_and(|stands| {
                stands.read_from.cursor().is_some_and(|at| at.as_str() == cursor) || is_stopped(stands.status)
            })
        };
        let seen = self.seen(patience, there).await;
        self.follow.check()?;
        let stands = self.follow.checkpoint(&self.name).await?.context("the partition was opened")?;
        holds!(seen.is_some(), "partition {} stands at {} and does not go on to {cursor}", self.name, stands.read_from);
        let error = stands.error.as_ref().map_or_else(String::new, |error| error.cause.clone());
        holds!(!is_stopped(stands.status), "partition {} stopped at {}: {error}", self.name, stands.read_from);
        Ok(stands)
    }

    /// Whether its worker has ended by itself, and how.
    pub(crate) async fn exit(&mut self, patience: Duration) -> Option<Exit> {
        timeout(patience, &mut self.worker).await.ok()?.ok()
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// The component: every event under its number.
struct Log {
    check: Check,
    wrong: Arc<Mutex<Option<String>>>,
}

impl Processor for Log {
    async fn process(&mut self, mut call: Call) -> Processed {
        if let (Some(wrong), Ok(mut found)) = ((self.check)(&call.batch), self.wrong.lock()) {
            found.get_or_insert(wrong);
        }
        let partition = call.batch.key().partition.clone();
        let counter = format!("count/{partition}");
        let before = call.overlay.get(&counter);
        let mut count: usize = match before {
            Ok(Some(value)) => text(&value).parse().unwrap_or_default(),
            Ok(None) | Err(_) => 0,
        };
        for event in call.batch.events().skip(call.events.start).take(call.events.len()) {
            let payload = Value::Text(String::from_utf8_lossy(event.data().as_bytes()).into_owned());
            call.overlay
                .write(format!("event/{partition}/{count:08}"), Some(payload))
                .expect("it is within its bounds");
            count += 1;
        }
        call.overlay.write(counter, Some(Value::Text(count.to_string()))).expect("it is within its bounds");
        call.overlay.settle();
        Processed { overlay: Some(call.overlay), result: Ok(Cost::default()), took: Duration::ZERO }
    }

    fn committed(&mut self) {}

    fn code(&self) -> Code {
        Code { component: Digest::of(b"log"), config: Digest::of(b""), instances: Instances::Fresh }
    }
}

/// Waits until something is so, for no longer than a while.
pub(crate) async fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(patience, wait).await.is_ok()
}
