//! A processor that runs: its claim, its lanes, and where each of its partitions stands.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::future::join_all;
use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Durability, Failure, FeedName, Lane, Monitor, NewPartition, Observer, Order,
    PartitionKey, ReadFrom, Seen, StateGuard, StateSpace, Status, failpoint,
};
use tokio::{sync::watch, time::sleep_until};

use super::{
    rest::Rest,
    wiring::{Component, LogQuota, Processor, Store, Wiring},
};
use crate::config::{ProcessorConfig, Start, StateLayout};

/// A processor that runs. Shared by its runner, its followers and whoever looks at it.
pub(crate) struct Running {
    pub(crate) claim: Claim,
    pub(crate) config: ProcessorConfig,
    pub(crate) store: Store,
    wiring: Arc<Wiring>,
    component: Mutex<Component>,
    /// Why that is not what the configured file holds, if the file does not load.
    file_trouble: Mutex<Option<Failure>>,
    /// Whether the configured file is being looked at, or will be tried again.
    reloading: AtomicBool,
    /// Its components share it, whichever lane they are in and however often they are replaced.
    lines: Arc<LogQuota>,
    lanes: Mutex<BTreeMap<Option<PartitionKey>, Arc<Lane<Processor>>>>,
    partitions: Mutex<BTreeMap<PartitionKey, Partition>>,
    /// The feeds whose partitions are planned and started.
    planned: Mutex<BTreeMap<FeedName, Planned>>,
    /// Changes when the partitions must be planned anew although the feed lists the same.
    plans: watch::Sender<u64>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// One partition's worker, from outside.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) orders: watch::Sender<Order>,
    /// Finished, and its children are planned.
    done: bool,
}

impl Partition {
    fn at_rest(&self) -> bool {
        self.done || self.monitor.borrow().at_rest()
    }

    /// How many events were put aside in this run, and the status if it stopped or was paused.
    fn leaves(&self) -> (u64, Option<Status>) {
        let seen = self.monitor.borrow();
        let stopped =
            |status: &Status| matches!(status, Status::Halted | Status::Stalled | Status::Stopped | Status::Paused);
        let kept = seen.checkpoint.as_ref().map(|checkpoint| checkpoint.status).filter(stopped);
        (seen.parked, kept.or(seen.stopped_unkept.then_some(Status::Stopped)))
    }
}

/// How far the partitions of a feed are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// They are about to be planned and started.
    Not,
    /// They are started.
    All,
    /// They could not be started, for a reason that will not pass. It is tried again, but nobody should wait for it.
    Failed,
}

/// A lock that is only ever held for a few instructions.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    pub(crate) fn new(claim: Claim, config: ProcessorConfig, wiring: Arc<Wiring>, component: Component) -> Self {
        let lines = Arc::new(LogQuota::new(config.quotas.log_lines_max));
        let planned = config.feeds.iter().map(|feed| (feed.clone(), Planned::Not)).collect();
        Self {
            claim,
            config,
            store: wiring.store.clone(),
            wiring,
            component: Mutex::new(component),
            file_trouble: Mutex::default(),
            reloading: AtomicBool::new(false),
            lines,
            lanes: Mutex::default(),
            partitions: Mutex::default(),
            planned: Mutex::new(planned),
            plans: watch::Sender::new(0),
        }
    }

    pub(crate) fn component(&self) -> Component {
        lock(&self.component).clone()
    }

    /// Notes why the configured file does not load, or that it does.
    pub(crate) fn set_file_trouble(&self, trouble: Option<Failure>) {
        *lock(&self.file_trouble) = trouble;
    }

    /// Why an older component runs than the configured file holds.
    pub(crate) fn file_trouble(&self) -> Option<Failure> {
        lock(&self.file_trouble).clone()
    }

    /// Whether an older component runs, because the configured file does not load.
    pub(crate) fn is_outdated(&self) -> bool {
        lock(&self.file_trouble).is_some()
    }

    /// Notes whether the configured file changed and it is not known yet whether it loads. Until then nothing is at rest.
    pub(crate) fn set_reloading(&self, reloading: bool) {
        self.reloading.store(reloading, Ordering::Relaxed);
    }

    /// Waits until log lines are left out and their minute is over, and says how many they were. May be dropped at any moment.
    pub(crate) async fn tell_lines(&self) {
        sleep_until(self.lines.full_until().await.into()).await;
        self.lines.tell_ended(&self.claim.processor.name, Instant::now());
    }

    fn processor(&self) -> Processor {
        let (name, lines) = (&self.claim.processor.name, Arc::clone(&self.lines));
        self.wiring.processor(&self.component(), name, &self.config, lines)
    }

    /// Who looks on, if somebody does.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.wiring.options.observer.clone()
    }

    /// Where the partitions of the first discovery begin.
    pub(crate) fn start(&self) -> ReadFrom {
        self.wiring.options.start.clone().unwrap_or(match self.config.start {
            Start::First => ReadFrom::First,
            Start::Last => ReadFrom::Last,
        })
    }

    /// The lane of a partition: the processor's, or its own where the state is partitioned.
    pub(crate) fn lane(&self, key: &PartitionKey) -> Arc<Lane<Processor>> {
        let (name, space) = match self.config.state {
            StateLayout::Shared => (None, StateSpace::Shared),
            StateLayout::Partitioned => (Some(key.clone()), StateSpace::Partition(key.clone())),
        };
        let lane = || Arc::new(Lane::new(self.processor(), self.claim.clone(), space));
        Arc::clone(lock(&self.lanes).entry(name).or_insert_with(lane))
    }

    /// Every lane that there is, in a fixed order.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane<Processor>>> {
        lock(&self.lanes).values().cloned().collect()
    }

    /// Puts another component into every lane, and notes it. What stopped over the one before tries again.
    ///
    /// # Errors
    /// When it could not be noted; then the one before goes on.
    pub(crate) async fn swap(&self, component: Component) -> Result<(), Failure> {
        let before = self.put(component.clone()).await;
        failpoint::reach("component-swapped");
        // Not earlier: what the one before stopped at until its last batch must be tried again as well.
        match self.wiring.accept(&self.claim, &component).await {
            Ok(resumed) => {
                failpoint::reach("component-accepted");
                self.begin_again(resumed > 0);
                Ok(())
            }
            Err(failure) => {
                self.put(before).await;
                Err(failure)
            }
        }
    }

    /// Lets workers begin again from the store: everybody, or only those that stopped or wait because something went
    /// wrong. To the others it would only cost what they have fetched.
    fn begin_again(&self, everybody: bool) {
        for partition in lock(&self.partitions).values() {
            let idle = |seen: &Seen| {
                let stopped = seen.checkpoint.as_ref().is_some_and(|checkpoint| !checkpoint.status.runs());
                stopped || seen.trouble.is_some()
            };
            if everybody || idle(&partition.monitor.borrow()) {
                partition.orders.send_modify(|order| order.revision += 1);
            }
        }
    }

    /// Puts a component into every lane, between two batches of that lane: none waits for the batch of another. Lanes
    /// that begin later get it too. Gives the one that was there.
    async fn put(&self, component: Component) -> Component {
        let before = std::mem::replace(&mut *lock(&self.component), component);
        let lanes = self.lanes();
        join_all(lanes.iter().map(|lane| async { lane.enter().await.processor = self.processor() })).await;
        before
    }

    /// Opens partitions that are not open yet.
    pub(crate) async fn open(&self, opened: Vec<NewPartition>) -> Result<(), Failure> {
        let Some(first) = opened.first() else { return Ok(()) };
        let lane = self.lane(&first.key);
        let mut seat = lane.enter().await;
        let guard: StateGuard = seat.guard(&self.store).await?;
        let commit = Commit { opened, durability: Durability::Full, ..Commit::nothing(self.claim.clone(), guard) };
        seat.commit(&self.store, commit).await
    }

    /// The partitions of a feed that were ever opened.
    pub(crate) async fn known(&self, feed: &FeedName) -> Result<Vec<(PartitionKey, Checkpoint)>, Failure> {
        let mut partitions = self.store.partitions(&self.claim.processor).await?;
        partitions.retain(|(key, _)| key.feed == *feed);
        Ok(partitions)
    }

    /// Begins to keep a partition's worker in sight. What was counted of an earlier worker goes on.
    pub(crate) fn watch(&self, key: &PartitionKey, order: Order) -> Partition {
        let mut partitions = lock(&self.partitions);
        let monitor = partitions
            .get(key)
            .map_or_else(|| Arc::new(Monitor::new(Seen::default())), |known| Arc::clone(&known.monitor));
        monitor.send_modify(|seen| seen.idle = false);
        let partition = Partition { monitor, orders: watch::Sender::new(order), done: false };
        partitions.insert(key.clone(), partition.clone());
        partition
    }

    /// A feed's finished partitions are at rest: what follows them is planned.
    pub(crate) fn settle_finished(&self, feed: &FeedName) {
        for (key, partition) in lock(&self.partitions).iter_mut() {
            let finished = |checkpoint: &Checkpoint| checkpoint.status == Status::Finished;
            partition.done |= key.feed == *feed && partition.monitor.borrow().checkpoint.as_ref().is_some_and(finished);
        }
    }

    /// Notes how far the partitions of a feed are.
    pub(crate) fn set_planned(&self, feed: &FeedName, planned: Planned) {
        lock(&self.planned).insert(feed.clone(), planned);
    }

    /// Lets every follower plan its partitions anew: positions were changed from outside.
    pub(crate) fn plan_anew(&self) {
        self.plans.send_modify(|plans| *plans += 1);
    }

    /// When the partitions must be planned anew.
    pub(crate) fn plans(&self) -> watch::Receiver<u64> {
        self.plans.subscribe()
    }

    /// Tells every worker something.
    pub(crate) fn tell(&self, order: impl Fn(&mut Order)) {
        for partition in lock(&self.partitions).values() {
            partition.orders.send_modify(&order);
        }
    }

    /// Tells the workers of some partitions something.
    pub(crate) fn tell_partitions(&self, keys: impl Iterator<Item = PartitionKey>, order: impl Fn(&mut Order)) {
        let partitions = lock(&self.partitions);
        for partition in keys.filter_map(|key| partitions.get(&key)) {
            partition.orders.send_modify(&order);
        }
    }

    /// Where each partition stands.
    pub(crate) fn seen(&self) -> Vec<(PartitionKey, Seen)> {
        let partitions = lock(&self.partitions);
        partitions.iter().map(|(key, partition)| (key.clone(), partition.monitor.borrow().clone())).collect()
    }

    /// Why partitions wait although they run. Cheap if none does.
    pub(crate) fn troubles(&self) -> Vec<(PartitionKey, Failure)> {
        let mut troubles = Vec::new();
        for (key, partition) in lock(&self.partitions).iter() {
            let seen = partition.monitor.borrow();
            let failures = seen.feed_trouble.iter().chain(&seen.trouble);
            troubles.extend(failures.map(|failure| (key.clone(), failure.clone())));
        }
        troubles
    }

    /// Whether nothing will happen by itself any more; and if so, what did not go well in this run. Nobody waits for
    /// the partitions of a feed that was given up.
    pub(crate) fn at_rest(&self, given_up: impl Fn(&FeedName) -> bool, rest: &mut Rest) -> bool {
        // What a new file comes to belongs to the run in which it came.
        if self.reloading.load(Ordering::Relaxed) {
            return false;
        }
        // Each is looked at once only: a moment later it may be at rest.
        let processor = &self.claim.processor.name;
        for (feed, planned) in lock(&self.planned).iter() {
            match planned {
                Planned::All => {}
                Planned::Failed => rest.not_started(processor, feed),
                Planned::Not if given_up(feed) => rest.undiscovered(feed),
                Planned::Not => return false,
            }
        }
        for (key, partition) in lock(&self.partitions).iter() {
            if !partition.at_rest() {
                return false;
            }
            let (parked, stopped) = partition.leaves();
            rest.parked(parked);
            if let Some(status) = stopped {
                rest.stopped(processor, key, status);
            }
        }
        if self.is_outdated() {
            rest.outdated(processor);
        }
        true
    }
}

impl Drop for Running {
    /// No further line of it comes: it is said how many were left out since it was said last.
    fn drop(&mut self) {
        self.lines.tell_rest(&self.claim.processor.name);
    }
}
