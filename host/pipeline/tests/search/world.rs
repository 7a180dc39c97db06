//! A world: a feed, a component and a policy; what the worker makes of them, and what it must make.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tidemill_pipeline::{
    BatchBounds, Checkpoint, Claim, Digest, Durability, Exit, FailureKind, FeedName, FetchSettings, Fetcher, Lane,
    Monitor, Order, ParkedEvent, ParkedId, Parking, PartitionId, PartitionKey, ProcessorId, ProcessorName, Quota,
    ReadFrom, Rehearsal, RehearsalSettings, RehearsedState, RejectPolicy, Retried, RetryPolicy, Seen, Settled,
    StateSpace, Value, Worker, WorkerSettings, WriteBounds, retry_parked,
};
use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    component::{Component, LOG, Naming},
    feed::{self, Given, Kind, Reader},
    shelf::Shelf,
    watching::{Watched, Watching},
};

const IDENTITY: &str = "a vector";

/// Everything that the worker's doing depends on.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) spans: Vec<Vec<Given>>,
    pub(crate) bounds: BatchBounds,
    pub(crate) on_reject: RejectPolicy,
    pub(crate) parking: Parking,
    pub(crate) naming: Naming,
    /// The most events that a call's fuel lasts for.
    pub(crate) cost_max: usize,
    /// Whether a reused instance rejects everything.
    pub(crate) stale: bool,
    /// Whether component and publisher are as they should be: nothing is poison, everything can be delivered.
    pub(crate) repaired: bool,
}

/// An event that was put aside: what identifies it, copies, payload, cause, and whether a component is named.
pub(crate) type Aside = (ParkedId, u32, Value, String, bool);

/// What came of a world.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) state: String,
    pub(crate) parked: Vec<Aside>,
    pub(crate) commits: Vec<(ReadFrom, String)>,
    pub(crate) parked_events: u64,
    /// What the observer was told.
    pub(crate) watched: Watched,
    /// How many events each call had, and whether it went well.
    pub(crate) calls: Vec<(usize, bool)>,
    /// How often each payload was applied, and what of each key in its order.
    pub(crate) counts: BTreeMap<String, Value>,
    pub(crate) chains: BTreeMap<String, Value>,
    /// How many calls there were while the store worked on the commit before them.
    pub(crate) beside: usize,
    /// The store as the worker left it.
    pub(crate) shelf: Shelf,
}

fn key() -> PartitionKey {
    PartitionKey { feed: FeedName::new("feed"), partition: PartitionId::new("0") }
}

fn claim() -> Claim {
    Claim { processor: ProcessorId { name: ProcessorName::new("search"), version: 1 }, epoch: 1 }
}

/// A runtime whose time passes when nobody has anything to do.
fn paused() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

impl World {
    /// Runs a worker until nothing more happens, in paused time.
    pub(crate) fn run(&self) -> Outcome {
        self.run_within(Quota::default())
    }

    /// The same where the store keeps no more than this.
    pub(crate) fn run_within(&self, quota: Quota) -> Outcome {
        let runtime = paused();
        runtime.block_on(self.live(quota))
    }

    fn component(&self) -> Component {
        Component {
            bounds: self.bounds,
            naming: self.naming,
            cost_max: self.cost_max,
            stale: self.stale,
            repaired: self.repaired,
            calls: Arc::default(),
            alone: Arc::default(),
            committing: Arc::default(),
            beside: Arc::default(),
        }
    }

    /// What a rehearsal makes of it: what would be applied, the places of the events that were rejected, from 0 over all,
    /// and whether it went to the end.
    pub(crate) fn rehearse(&self) -> (String, Vec<usize>, bool) {
        let settings = RehearsalSettings {
            fields: None,
            batch: self.bounds,
            writes: WriteBounds::default(),
            on_reject: self.on_reject,
            parking: self.parking.clone(),
        };
        let mut rehearsal = Rehearsal::new(self.component(), RehearsedState::of(BTreeMap::new()), settings);
        let spans =
            self.spans.iter().enumerate().map(|(number, events)| feed::span(number, events, self.repaired)).collect();
        let (mut rejected, mut before, mut ended) = (Vec::new(), 0, false);
        let key = key();
        let run = rehearsal.run(&key, spans, |batch| {
            rejected.extend(batch.rejected.iter().map(|rejected| before + rejected.index));
            before += batch.batch.len();
            ended = batch.end.is_some();
        });
        let runtime = paused();
        runtime.block_on(run).unwrap();
        let log = match rehearsal.state().entries().unwrap().remove(LOG) {
            Some(Value::Text(log)) => log,
            Some(Value::Bytes(_)) | None => String::new(),
        };
        (log, rejected, !ended)
    }

    /// The places of the events that are not fine, from 0 over all.
    pub(crate) fn bad_places(&self) -> Vec<usize> {
        let bad = |(place, event): (usize, &Given)| (event.kind != Kind::Fine).then_some(place);
        self.events(self.spans.len()).enumerate().filter_map(bad).collect()
    }

    async fn live(&self, quota: Quota) -> Outcome {
        let shelf = Shelf::new(IDENTITY);
        shelf.0.lock().unwrap().quota = quota;
        let component = Component { committing: Arc::clone(&shelf.1), ..self.component() };
        let (alone, calls) = (Arc::clone(&component.alone), Arc::clone(&component.calls));
        let beside = Arc::clone(&component.beside);
        let watching = Arc::new(Watching::default());
        let monitor = Arc::new(Monitor::new(Seen::default()));
        let (orders, told) = watch::channel(Order::default());
        let worker = tokio::spawn(self.worker(shelf.clone(), component, told, &monitor, &watching).run());
        let mut seen = monitor.subscribe();
        timeout(Duration::from_hours(1), seen.wait_for(Seen::at_rest)).await.expect("it comes to rest").unwrap();
        orders.send_modify(|order| order.stop = true);
        assert_eq!(worker.await.unwrap(), Exit::Stopped);

        let kept = shelf.0.lock().unwrap();
        for event in kept.parked.iter().filter(|event| event.component.is_some()) {
            let Value::Text(payload) = &event.payload else { panic!("the feed sends text") };
            assert!(alone.lock().unwrap().contains(payload), "{payload} was never alone on a fresh instance");
        }
        let aside = |event: &ParkedEvent| {
            (event.id.clone(), event.copies, event.payload.clone(), event.cause.clone(), event.component.is_some())
        };
        Outcome {
            checkpoint: kept.checkpoint.clone(),
            state: kept.log(),
            parked: kept.parked.iter().map(aside).collect(),
            commits: kept.commits.clone(),
            parked_events: monitor.borrow().parked,
            watched: std::mem::take(&mut watching.0.lock().unwrap()),
            calls: std::mem::take(&mut calls.lock().unwrap()),
            counts: kept.counts(),
            chains: kept.chains(),
            beside: beside.load(Ordering::SeqCst),
            shelf: shelf.clone(),
        }
    }

    /// Tells the worker to stop while the store, which keeps no more than this, works on its first commit. Says how it ended.
    pub(crate) fn stop_beside_the_first_commit(&self, quota: Quota) -> Exit {
        let runtime = paused();
        runtime.block_on(async {
            let shelf = Shelf::new(IDENTITY);
            shelf.0.lock().unwrap().quota = quota;
            let (orders, told) = watch::channel(Order::default());
            let monitor = Arc::new(Monitor::new(Seen::default()));
            let worker = self.worker(shelf.clone(), self.component(), told, &monitor, &Arc::default());
            let worker = tokio::spawn(worker.run());
            while !shelf.1.load(Ordering::SeqCst) {
                sleep(Duration::from_micros(100)).await;
            }
            orders.send_modify(|order| order.stop = true);
            timeout(Duration::from_hours(1), worker).await.expect("it finds the order").unwrap()
        })
    }

    /// Retries the queues of all keys and what has none, so many events at a time, with the component of this world, until
    /// each is empty or its first is refused.
    pub(crate) fn retry_queues(&self, shelf: &Shelf, together: usize) {
        let runtime = paused();
        let lane = Lane::new(self.component(), claim(), StateSpace::Shared);
        let queues: Vec<_> = shelf.0.lock().unwrap().parked.iter().map(Settled::from).collect();
        runtime.block_on(async {
            for Settled { id, key } in queues {
                loop {
                    let parked = shelf.0.lock().unwrap().parked.clone();
                    let same = |event: &&ParkedEvent| event.key == key && (key.is_some() || event.id == id);
                    let queue: Vec<_> = parked.iter().filter(same).take(together).cloned().collect();
                    if queue.is_empty() {
                        break;
                    }
                    let mut seat = lane.enter().await;
                    match retry_parked(&mut seat, shelf, &queue, None, self.bounds, WriteBounds::default()).await {
                        Ok(Retried { commit, applied, refused }) => {
                            seat.commit(shelf, commit).await.unwrap();
                            assert_eq!(parked.len() - applied, shelf.0.lock().unwrap().parked.len());
                            if refused.is_some() {
                                break;
                            }
                        }
                        Err(failure) => {
                            assert_eq!(failure.kind, FailureKind::Rejected, "{failure}");
                            break;
                        }
                    }
                }
            }
        });
    }

    /// Retries what is parked, each in its turn, with the component of this world; says how many were refused again.
    pub(crate) fn retry(&self, shelf: &Shelf, parked: &[ParkedEvent]) -> usize {
        let runtime = paused();
        let lane = Lane::new(self.component(), claim(), StateSpace::Shared);
        runtime.block_on(async {
            let mut refused = 0;
            for event in parked {
                let mut seat = lane.enter().await;
                let event = std::slice::from_ref(event);
                match retry_parked(&mut seat, shelf, event, None, self.bounds, WriteBounds::default()).await {
                    Ok(retried) => seat.commit(shelf, retried.commit).await.unwrap(),
                    Err(failure) => {
                        assert_eq!(failure.kind, FailureKind::Rejected, "{failure}");
                        refused += 1;
                    }
                }
            }
            refused
        })
    }

    fn worker(
        &self,
        shelf: Shelf,
        component: Component,
        told: watch::Receiver<Order>,
        monitor: &Arc<Monitor>,
        watching: &Arc<Watching>,
    ) -> Worker<Reader, Component, Shelf> {
        let retry = RetryPolicy { jitter_seed: Some(7), ..RetryPolicy::default() };
        let settings = WorkerSettings {
            key: key(),
            feed_identity: IDENTITY.into(),
            batch: self.bounds,
            batch_time: Duration::from_secs(1),
            writes: WriteBounds::default(),
            on_reject: self.on_reject,
            parking: self.parking.clone(),
            durability: Durability::Normal,
            fetch_ahead_bytes: 1_000,
            retry,
            fields: None,
            observer: Some(Arc::clone(watching) as _),
        };
        let fetch =
            FetchSettings { page_size: NonZeroU32::new(100).unwrap(), poll_interval: Duration::from_secs(1), retry };
        let (_, open) = watch::channel(false);
        let fetcher = Fetcher::new(
            Reader { spans: self.spans.clone(), repaired: self.repaired },
            fetch,
            open,
            Arc::clone(monitor),
        );
        let lane = Arc::new(Lane::new(component, claim(), StateSpace::Shared));
        Worker::new(settings, fetcher, lane, shelf, told, Arc::clone(monitor))
    }

    /// The place behind so many spans.
    pub(crate) fn place(&self, spans: usize) -> ReadFrom {
        assert!(spans <= self.spans.len(), "there are so many spans");
        feed::place(spans)
    }

    /// How many events so many spans have.
    pub(crate) fn events_before(&self, spans: usize) -> u64 {
        self.events(spans).count() as u64
    }

    /// How many events of so many spans are not fine.
    pub(crate) fn bad_before(&self, spans: usize) -> u64 {
        self.events(spans).filter(|event| event.kind != Kind::Fine).count() as u64
    }

    /// What of so many spans must have been applied.
    pub(crate) fn applied_before(&self, spans: usize) -> String {
        let fine = self.events(spans).filter(|event| event.kind == Kind::Fine);
        fine.map(|event| format!("{} ", event.payload())).collect()
    }

    fn events(&self, spans: usize) -> impl Iterator<Item = &Given> {
        self.spans.iter().take(spans).flatten()
    }

    /// The span and the place in it of the first event that is not fine.
    pub(crate) fn first_bad(&self) -> Option<(usize, usize)> {
        let bad = |events: &Vec<Given>| events.iter().position(|event| event.kind != Kind::Fine);
        self.spans.iter().enumerate().find_map(|(span, events)| Some((span, bad(events)?)))
    }

    /// What identifies an event.
    pub(crate) fn id(&self, span: usize, event: usize) -> ParkedId {
        let payload = Digest::of(self.spans[span][event].payload().as_bytes());
        ParkedId { key: key(), span_from: self.place(span), payload }
    }

    /// With order kept by key: the payloads that must have been applied, and those put aside with whether they were behind.
    pub(crate) fn by_key(&self) -> (String, Vec<(String, bool)>) {
        let (mut applied, mut parked, mut held) = (String::new(), Vec::new(), BTreeSet::new());
        for event in self.spans.iter().flatten() {
            let behind = held.contains(&event.letter);
            if event.kind == Kind::Fine && !behind {
                applied.push_str(&event.payload());
                applied.push(' ');
                continue;
            }
            parked.push((event.payload(), behind));
            if event.letter > 0 {
                held.insert(event.letter);
            }
        }
        (applied, parked)
    }

    /// What must have been put aside, in order.
    pub(crate) fn parked(&self) -> Vec<Aside> {
        let mut parked = Vec::<Aside>::new();
        for (span, events) in self.spans.iter().enumerate() {
            for (place, event) in events.iter().enumerate() {
                let cause = match (event.kind, self.naming) {
                    (Kind::Fine, _) => continue,
                    (Kind::Undeliverable, _) => "undeliverable",
                    (Kind::Poison, Naming::None) => "trap",
                    (Kind::Poison, Naming::Right | Naming::Wrong(_)) => "rejected",
                };
                let id = self.id(span, place);
                match parked.iter_mut().find(|(known, ..)| *known == id) {
                    Some((_, copies, ..)) => *copies += 1,
                    None => {
                        let called = event.kind == Kind::Poison;
                        parked.push((id, 1, Value::Text(event.payload()), cause.to_owned(), called));
                    }
                }
            }
        }
        parked
    }

    /// After every commit, what was applied is what lies before the cursor.
    pub(crate) fn check_commits(&self, commits: &[(ReadFrom, String)]) -> Result<(), String> {
        for (read_from, applied) in commits {
            let spans = read_from.cursor().map_or(0, |cursor| cursor.as_str().parse().unwrap());
            let wanted = self.applied_before(spans);
            if *applied != wanted {
                return Err(format!("at {read_from} `{applied}` was applied, not `{wanted}`"));
            }
        }
        Ok(())
    }
}
