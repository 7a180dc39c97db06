//! The driver of a world: starts hosts, drops workers, lets hosts fight, and checks what came of it.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use tidemill_pipeline::{
    BatchBounds, Claim, Commit, Durability, Exit, Failure, FeedName, FetchSettings, Fetcher, KeyOrder, Lane, Monitor,
    NewPartition, Order, ParkedEvent, Parking, PartitionId, PartitionKey, ProcessorId, ProcessorName, ReadFrom,
    RejectPolicy, Retried, RetryPolicy, Seen, StateGuard, StateSpace, Status, Step, Store, Value, Worker,
    WorkerSettings, WriteBounds, retry_parked,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Component, Dice, Faulty, FeedLog, Reader, Trouble,
    component::{POISON, fold},
    feed::key_of,
};

/// A store that a world can be run on.
pub trait Backend: Store + fmt::Debug + 'static {
    /// Claims a processor; claims before it end.
    fn claim(&self, processor: &ProcessorId) -> impl Future<Output = Claim> + Send;

    /// The events that are put aside, in their order.
    fn parked(&self, processor: &ProcessorId) -> impl Future<Output = Vec<ParkedEvent>> + Send;

    /// Closes the store and opens it again, as the next process does.
    fn reopen(&self) -> impl Future<Output = ()> + Send;
}

impl Backend for super::Memory {
    async fn claim(&self, processor: &ProcessorId) -> Claim {
        Self::claim(self, processor)
    }

    async fn parked(&self, processor: &ProcessorId) -> Vec<ParkedEvent> {
        Self::parked(self, processor)
    }

    async fn reopen(&self) {}
}

/// What can be said of a world that held: how much trouble it has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Events applied.
    pub events: usize,
    /// Workers that were dropped.
    pub dropped: usize,
    /// Hosts that were started.
    pub hosts: usize,
    /// How often the store was closed and opened again.
    pub reopened: usize,
    /// Events of queues that were retried while there was trouble.
    pub retried: usize,
}

/// Everything that is the same for all hosts of a world.
#[derive(Debug)]
pub struct World<B> {
    seed: u64,
    dice: Dice,
    trouble: Trouble,
    store: Faulty<B>,
    processor: ProcessorId,
    logs: Vec<(PartitionKey, FeedLog)>,
    partitioned: bool,
    on_reject: RejectPolicy,
    /// How events are put aside. By key, an operator retries them with a repaired component, also while there is trouble.
    parking: Parking,
}

/// Runs the world of a seed on a store, and checks it.
///
/// # Errors
/// A sentence about what is not as it must be.
pub async fn run<B: Backend>(seed: u64, store: B) -> Result<Outcome, String> {
    let world = World::new(seed, store);
    let trouble = world.live().await;
    let outcome = world.settle(trouble).await?;
    world.check().await?;
    Ok(outcome)
}

/// A host: its lanes and its workers.
struct Host {
    claim: Claim,
    lanes: Vec<Arc<Lane<Component>>>,
    workers: Vec<JoinHandle<Exit>>,
    /// One a worker: the order in which a channel wakes several listeners is random.
    orders: Vec<watch::Sender<Order>>,
    monitors: Vec<Arc<Monitor>>,
}

impl Host {
    fn tell(&self, order: impl Fn(&mut Order)) {
        self.orders.iter().for_each(|orders| orders.send_modify(&order));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

impl<B: Backend> World<B> {
    fn new(seed: u64, store: B) -> Self {
        let dice = Dice::new(seed);
        let trouble = Trouble::new(dice.clone());
        let poison = dice.percent(30);
        let logs = (0..=dice.below(4)).map(|partition| {
            let key = PartitionKey { feed: FeedName::new("feed"), partition: PartitionId::new(partition.to_string()) };
            let event = |number: usize| {
                let poison = if poison && dice.percent(4) { POISON } else { "fine" };
                format!("{partition}-{number}-{poison}")
            };
            (key, FeedLog::new((0..=dice.below(60)).map(event).collect()))
        });
        let logs = logs.collect();
        let on_reject = if dice.percent(50) { RejectPolicy::Park } else { RejectPolicy::Skip };
        let by_key = poison && on_reject == RejectPolicy::Park && dice.percent(60);
        Self {
            seed,
            store: Faulty { store, dice: dice.clone(), trouble: trouble.clone() },
            processor: ProcessorId { name: ProcessorName::new("witness"), version: 1 },
            logs,
            partitioned: dice.percent(40),
            on_reject,
            parking: if by_key { Parking::Key(KeyOrder::default()) } else { Parking::Event },
            dice,
            trouble,
        }
    }

    async fn start(&self) -> Host {
        let claim = self.store.store.claim(&self.processor).await;
        let opened = self.logs.iter().map(|(key, _)| NewPartition {
            key: key.clone(),
            start: ReadFrom::First,
            feed_identity: "simulated".into(),
        });
        let opened: Vec<_> = opened.collect();
        let generation = self.store.store.state_generation(&claim).await.expect("just claimed");
        let open = Commit {
            opened,
            durability: Durability::Full,
            ..Commit::nothing(claim.clone(), StateGuard::Shared { generation })
        };
        // Another host may have claimed or committed in between: then this one is superseded or the partitions are open.
        if let Err(failure) = self.store.store.commit(open).await {
            assert!(self.logs.len() < 99, "{failure}");
        }
        let component = || Component { dice: self.dice.clone(), trouble: self.trouble.clone(), repaired: false };
        let lanes = if self.partitioned {
            let lane = |(key, _): &(PartitionKey, _)| {
                Lane::new(component(), claim.clone(), StateSpace::Partition(key.clone()))
            };
            self.logs.iter().map(lane).map(Arc::new).collect()
        } else {
            let lane = Arc::new(Lane::new(component(), claim.clone(), StateSpace::Shared));
            self.logs.iter().map(|_| Arc::clone(&lane)).collect()
        };
        let mut host = Host { claim, lanes, workers: Vec::new(), orders: Vec::new(), monitors: Vec::new() };
        for partition in 0..self.logs.len() {
            let monitor = Arc::new(Monitor::new(Seen::default()));
            host.monitors.push(monitor);
            host.orders.push(watch::Sender::new(Order::default()));
            let worker = self.worker(&host, partition);
            host.workers.push(worker);
        }
        host
    }

    fn worker(&self, host: &Host, partition: usize) -> JoinHandle<Exit> {
        let (key, log) = &self.logs[partition];
        let retry = RetryPolicy {
            delay_min: Duration::from_millis(5),
            delay_max: Duration::from_millis(100),
            asked_max: Duration::from_millis(100),
            jitter_seed: Some(self.seed),
        };
        let settings = WorkerSettings {
            key: key.clone(),
            feed_identity: "simulated".into(),
            batch: BatchBounds { events_max: 1 + self.dice.below(12), bytes_max: 100 },
            batch_time: Duration::from_millis(u64::try_from(1 + self.dice.below(100)).unwrap()),
            writes: WriteBounds::default(),
            on_reject: self.on_reject,
            parking: self.parking.clone(),
            durability: Durability::Normal,
            fetch_ahead_bytes: 1 + u32::try_from(self.dice.below(300)).unwrap(),
            retry,
            fields: None,
            observer: None,
        };
        let monitor = &host.monitors[partition];
        let reader = Reader { log: log.clone(), dice: self.dice.clone(), trouble: self.trouble.clone() };
        let fetch =
            FetchSettings { page_size: NonZeroU32::new(100).unwrap(), poll_interval: Duration::from_millis(50), retry };
        let (_, open) = watch::channel(false);
        let fetcher = Fetcher::new(reader, fetch, open, Arc::clone(monitor));
        let lane = Arc::clone(&host.lanes[partition]);
        let worker = Worker::new(
            settings,
            fetcher,
            lane,
            self.store.clone(),
            host.orders[partition].subscribe(),
            Arc::clone(monitor),
        );
        tokio::spawn(worker.run())
    }

    /// The time of trouble.
    async fn live(&self) -> Outcome {
        let mut outcome = Outcome { hosts: 1, ..Outcome::default() };
        let mut hosts = vec![self.start().await];
        for _ in 0..5 + self.dice.below(25) {
            sleep(Duration::from_millis(self.dice.below(60) as u64)).await;
            if self.by_key() && self.dice.percent(30) {
                let host = self.dice.below(hosts.len());
                outcome.retried += self.retry(&hosts[host]).await.unwrap_or(0);
            }
            match self.dice.below(11) {
                // A worker is dropped wherever it is, and another one goes on in its lane.
                0..=5 => {
                    let (host, partition) = (self.dice.below(hosts.len()), self.dice.below(self.logs.len()));
                    let host = &mut hosts[host];
                    host.workers[partition].abort();
                    host.workers[partition] = self.worker(host, partition);
                    outcome.dropped += 1;
                }
                // The supervisor says that the store was changed.
                6 => hosts[0].tell(|order| order.revision += 1),
                // A host dies and comes back.
                7 => {
                    let dead = self.dice.below(hosts.len());
                    outcome.dropped += hosts.swap_remove(dead).workers.len();
                    hosts.push(self.start().await);
                    outcome.hosts += 1;
                }
                // Every host dies, and the store with them.
                8 => {
                    outcome.dropped += hosts.drain(..).map(|host| host.workers.len()).sum::<usize>();
                    self.store.store.reopen().await;
                    outcome.reopened += 1;
                    hosts.push(self.start().await);
                    outcome.hosts += 1;
                }
                // A second host takes over while the first still runs.
                _ => {
                    hosts.push(self.start().await);
                    outcome.hosts += 1;
                }
            }
        }
        outcome
    }

    fn by_key(&self) -> bool {
        self.parking != Parking::Event
    }

    /// An operator retries some of a queue in a lane of a host, with a component that was repaired: says how many events
    /// were settled.
    async fn retry(&self, host: &Host) -> Result<usize, Failure> {
        let parked = self.store.store.parked(&self.processor).await;
        let Some(first) = (!parked.is_empty()).then(|| &parked[self.dice.below(parked.len())]) else { return Ok(0) };
        let partition = self.logs.iter().position(|(key, _)| *key == first.id.key).expect("it came from one");
        let mut seat = host.lanes[partition].enter().await;
        // Whoever was in the lane before may have settled them: the store finds out.
        let own = |event: &&ParkedEvent| !self.partitioned || event.id.key == first.id.key;
        let queue = parked.iter().filter(own).filter(|event| event.key == first.key);
        let queue: Vec<_> = queue.take(1 + self.dice.below(4)).cloned().collect();
        let bounds = BatchBounds { events_max: 1 + self.dice.below(3), bytes_max: 100 };
        seat.processor.repaired = true;
        let retried = retry_parked(&mut seat, &self.store, &queue, None, bounds, WriteBounds::default()).await;
        seat.processor.repaired = false;
        let Retried { commit, applied, .. } = retried?;
        seat.commit(&self.store, commit).await?;
        Ok(applied)
    }

    /// An operator resumes a partition that met the wall clock too often.
    async fn resume(&self, claim: &Claim, key: &PartitionKey) -> Result<(), String> {
        let store = &self.store.store;
        let checkpoint = store.load(claim, key).await.map_err(|failure| failure.to_string())?;
        let checkpoint = checkpoint.ok_or_else(|| format!("{key}: there is no checkpoint"))?;
        if checkpoint.status.runs() {
            return Ok(());
        }
        let generation = store.state_generation(claim).await.map_err(|failure| failure.to_string())?;
        let step = Step::staying(key.clone(), checkpoint.generation, Status::Running, None);
        let commit = Commit::of_step(claim.clone(), StateGuard::Shared { generation }, step);
        store.commit(commit).await.map(drop).map_err(|failure| failure.to_string())
    }

    /// The trouble ends, and one host goes on to the end.
    async fn settle(&self, mut outcome: Outcome) -> Result<Outcome, String> {
        self.trouble.end();
        let operator = self.store.store.claim(&self.processor).await;
        for (key, _) in &self.logs {
            self.resume(&operator, key).await?;
        }
        let host = self.start().await;
        let end = async {
            for (monitor, (key, log)) in host.monitors.iter().zip(&self.logs) {
                let mut seen = monitor.subscribe();
                let done = |seen: &Seen| {
                    seen.idle
                        || seen.checkpoint.as_ref().is_some_and(|known| known.position > log.events().len() as u64)
                };
                seen.wait_for(done).await.map_err(|_| format!("{key}: its worker is gone"))?;
            }
            Ok::<(), String>(())
        };
        timeout(Duration::from_hours(1), end).await.map_err(|_| "the last host never came to an end".to_owned())??;
        while self.by_key() && !self.store.store.parked(&self.processor).await.is_empty() {
            self.retry(&host).await.map_err(|failure| format!("a retry without trouble failed: {failure}"))?;
        }
        host.tell(|order| order.stop = true);
        outcome.events = self.logs.iter().map(|(_, log)| log.events().len()).sum();
        // The claim is checked by what it wrote; hold the host until then.
        assert!(host.claim.epoch > 0, "a claim raises the epoch");
        Ok(outcome)
    }

    /// The state is the fold of the events, and the checkpoints agree with it.
    async fn check(&self) -> Result<(), String> {
        let claim = self.store.store.claim(&self.processor).await;
        let (mut poison, mut sum) = (0, 0);
        for (key, log) in &self.logs {
            let good = || log.events().iter().filter(|event| self.by_key() || !event.contains(POISON));
            let chain = good().fold(0, |chain, event| fold(chain, event));
            poison += log.events().len() - good().count();
            sum += good().count();
            let space = if self.partitioned { StateSpace::Partition(key.clone()) } else { StateSpace::Shared };
            let mut state = self.store.store.snapshot(&claim, &space);
            let mut expect = |name: String, expected: u64| {
                let found = state.get(&name).map_err(|failure| failure.to_string())?;
                let wanted = (expected > 0).then(|| Value::Text(expected.to_string()));
                (found == wanted).then_some(()).ok_or_else(|| format!("{key}: `{name}` is {found:?}, not {wanted:?}"))
            };
            expect(format!("count/{}", key.partition), good().count() as u64)?;
            if self.by_key() {
                for name in ["k0", "k1", "k2"] {
                    let chain = good()
                        .filter(|event| key_of(event).as_deref() == Some(name))
                        .fold(0, |chain, event| fold(chain, event));
                    expect(format!("key/{}/{name}", key.partition), chain)?;
                }
            } else {
                expect(format!("chain/{}", key.partition), if good().count() > 0 { chain } else { 0 })?;
            }
            if self.partitioned {
                expect("sum".into(), good().count() as u64)?;
            }
            let checkpoint = self.store.store.load(&claim, key).await.map_err(|failure| failure.to_string())?;
            let checkpoint = checkpoint.ok_or_else(|| format!("{key}: there is no checkpoint"))?;
            let (cursor, events) = (checkpoint.read_from.cursor().map(ToString::to_string), log.events().len());
            if cursor != Some(events.to_string()) || checkpoint.position != events as u64 {
                return Err(format!("{key}: the checkpoint says {cursor:?} and {}, not {events}", checkpoint.position));
            }
        }
        if !self.partitioned {
            let found = self
                .store
                .store
                .snapshot(&claim, &StateSpace::Shared)
                .get("sum")
                .map_err(|failure| failure.to_string())?;
            if found != (sum > 0).then(|| Value::Text(sum.to_string())) {
                return Err(format!("the sum over all partitions is {found:?}, not {sum}"));
            }
        }
        let parked = self.store.store.parked(&self.processor).await;
        let parked: usize = parked.iter().map(|event| event.copies as usize).sum();
        let wanted = if self.on_reject == RejectPolicy::Park { poison } else { 0 };
        if parked != wanted {
            return Err(format!("{parked} events are parked, not {wanted}"));
        }
        Ok(())
    }
}
