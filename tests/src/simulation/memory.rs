//! A store in memory: the smallest thing that keeps the promises of the port, and mutants of it that do not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Failure, FailureKind, Held, Metadata, ParkedEvent, PartitionId, PartitionKey,
    ProcessorId, Quota, ReadFrom, Settled, Snapshot, Stage, StateGuard, StateSpace, Status, Store, Stored, Usage,
    Value,
};

/// A check that a mutant leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The processor's row (epoch and the shared state's generation) is not compared.
    NoProcessor,
    /// The checkpoint's generation is not compared.
    NoCheckpoint,
}

/// A store in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    disk: Arc<Mutex<Disk>>,
    mutant: Option<Mutant>,
}

type State = BTreeMap<String, Value>;

#[derive(Clone, Debug, Default)]
struct Disk {
    processors: HashMap<ProcessorId, Row>,
    checkpoints: HashMap<(ProcessorId, PartitionKey), Checkpoint>,
    state: HashMap<(ProcessorId, StateSpace), State>,
    parked: HashMap<ProcessorId, Vec<Put>>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    epoch: u64,
    state_generation: u64,
    quota: Quota,
}

impl Disk {
    /// What a processor keeps, counted anew.
    fn stored(&self, processor: &ProcessorId) -> Stored {
        let spaces = self.state.iter().filter(|((owner, _), _)| owner == processor);
        let entries = spaces.flat_map(|(_, state)| state).map(|(key, value)| key.len() + value.len());
        let parked = self.parked.get(processor).into_iter().flatten().map(Put::bytes);
        entries.chain(parked).fold(Stored::default(), |stored, bytes| Stored {
            rows: stored.rows + 1,
            bytes: stored.bytes + bytes as u64,
        })
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that leaves a check out.
    #[must_use]
    pub fn mutant(mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..Self::default() }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no holder panics")
    }

    /// Claims a processor; claims before it end.
    #[must_use]
    pub fn claim(&self, processor: &ProcessorId) -> Claim {
        let mut disk = self.disk();
        let row = disk.processors.entry(processor.clone()).or_default();
        row.epoch += 1;
        Claim { processor: processor.clone(), epoch: row.epoch }
    }

    /// Sets how much a processor may keep, and says how much that is.
    ///
    /// # Errors
    /// When the claim does not stand.
    pub fn set_quota(&self, claim: &Claim, quota: Quota) -> Result<Stored, Failure> {
        let mut disk = self.disk();
        self.check_claim(&disk, claim)?;
        disk.processors.entry(claim.processor.clone()).or_default().quota = quota;
        Ok(disk.stored(&claim.processor))
    }

    /// The events that were put aside.
    #[must_use]
    pub fn parked(&self, processor: &ProcessorId) -> Vec<ParkedEvent> {
        let disk = self.disk();
        disk.parked.get(processor).into_iter().flatten().map(|put| put.event.clone()).collect()
    }

    fn checks(&self, check: Mutant) -> bool {
        self.mutant != Some(check)
    }

    fn check_claim(&self, disk: &Disk, claim: &Claim) -> Result<(), Failure> {
        let epoch = disk.processors.get(&claim.processor).map_or(0, |row| row.epoch);
        if self.checks(Mutant::NoProcessor) && epoch != claim.epoch {
            return Err(Failure::new(FailureKind::Superseded, Stage::Commit, "another host has the processor"));
        }
        Ok(())
    }

    fn check(&self, disk: &Disk, commit: &Commit) -> Result<(), Failure> {
        let fenced = |what: &str| Failure::new(FailureKind::Fenced, Stage::Commit, format!("{what} has moved"));
        self.check_claim(disk, &commit.claim)?;
        if let StateGuard::Shared { generation } = commit.guard {
            let row = disk.processors.get(&commit.claim.processor).ok_or_else(|| fenced("the processor"))?;
            if self.checks(Mutant::NoProcessor) && row.state_generation != generation {
                return Err(fenced("the state"));
            }
        }
        if let Some(step) = &commit.step {
            let key = (commit.claim.processor.clone(), step.key.clone());
            let checkpoint = disk.checkpoints.get(&key).ok_or_else(|| fenced("the checkpoint"))?;
            if self.checks(Mutant::NoCheckpoint) && checkpoint.generation != step.from_generation {
                return Err(fenced("the checkpoint"));
            }
        }
        if let (StateGuard::Partition(own), None, true) = (&commit.guard, &commit.step, alone(commit)) {
            let key = (commit.claim.processor.clone(), own.clone());
            disk.checkpoints.get(&key).ok_or_else(|| fenced("the partition"))?;
        }
        let mut parked = disk.parked.get(&commit.claim.processor).cloned().unwrap_or_default();
        settle(&mut parked, commit).ok_or_else(|| fenced("a parked event"))
    }
}

/// Whether a commit writes, or changes a queue, without a step that says so.
fn alone(commit: &Commit) -> bool {
    commit.step.is_none() && !(commit.writes.is_empty() && commit.settled.is_empty())
}

/// Takes away what a commit settles; none if something of it is not there, or not the first of its key.
fn settle(parked: &mut Vec<Put>, commit: &Commit) -> Option<()> {
    let lane = lane(&space(&commit.guard));
    for Settled { id, key } in &commit.settled {
        let queue = |put: &Put| put.lane == lane && put.event.id.key.feed == id.key.feed && put.event.key == *key;
        let place = match key {
            Some(_) => parked.iter().position(queue).filter(|place| parked[*place].event.id == *id)?,
            None => parked.iter().position(|put| put.event.id == *id && put.event.key.is_none())?,
        };
        parked.remove(place);
    }
    Some(())
}

fn space(guard: &StateGuard) -> StateSpace {
    match guard {
        StateGuard::Shared { .. } => StateSpace::Shared,
        StateGuard::Partition(key) => StateSpace::Partition(key.clone()),
    }
}

/// Which state's queues: none for those of the shared one.
fn lane(space: &StateSpace) -> Option<PartitionId> {
    match space {
        StateSpace::Shared => None,
        StateSpace::Partition(key) => Some(key.partition.clone()),
    }
}

/// A parked event, and the lane that parked it.
#[derive(Clone, Debug)]
struct Put {
    lane: Option<PartitionId>,
    event: ParkedEvent,
}

impl Put {
    fn bytes(&self) -> usize {
        let ParkedEvent { payload, metadata, reason, backtrace, .. } = &self.event;
        let metadata = metadata.as_ref().map_or(0, |Metadata { headers, id, kind, key, occurred_at_us: _ }| {
            let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            headers + [id, kind, key].into_iter().flatten().map(|text| text.len()).sum::<usize>()
        });
        payload.len() + metadata + reason.len() + backtrace.as_ref().map_or(0, String::len)
    }
}

impl Store for Memory {
    async fn state_generation(&self, claim: &Claim) -> Result<u64, Failure> {
        let disk = self.disk();
        self.check_claim(&disk, claim)?;
        Ok(disk.processors.get(&claim.processor).map_or(0, |row| row.state_generation))
    }

    async fn load(&self, claim: &Claim, key: &PartitionKey) -> Result<Option<Checkpoint>, Failure> {
        Ok(self.disk().checkpoints.get(&(claim.processor.clone(), key.clone())).cloned())
    }

    async fn held(&self, claim: &Claim, space: &StateSpace) -> Result<Held, Failure> {
        let (disk, lane) = (self.disk(), lane(space));
        let feed = match space {
            StateSpace::Shared => None,
            StateSpace::Partition(key) => Some(&key.feed),
        };
        let mut held = Held::default();
        for Put { lane: own, event } in disk.parked.get(&claim.processor).into_iter().flatten() {
            if let (true, Some(key)) =
                (*own == lane && feed.is_none_or(|feed| *feed == event.id.key.feed), event.key.clone())
            {
                held.add(&event.id.key.feed, key);
            }
        }
        Ok(held)
    }

    fn snapshot(&self, claim: &Claim, space: &StateSpace) -> Box<dyn Snapshot> {
        Box::new(View { store: self.clone(), key: (claim.processor.clone(), space.clone()), state: None })
    }

    async fn commit(&self, commit: Commit) -> Result<Usage, Failure> {
        let mut disk = self.disk();
        self.check(&disk, &commit)?;
        let processor = &commit.claim.processor;
        let (before, undone) = (disk.stored(processor), disk.clone());
        let space = space(&commit.guard);
        if space == StateSpace::Shared {
            disk.processors.get_mut(processor).expect("checked above").state_generation += 1;
        }
        if let (StateSpace::Partition(key), true) = (&space, alone(&commit)) {
            // Whoever read the space before these writes must find out.
            disk.checkpoints.get_mut(&(processor.clone(), key.clone())).expect("checked above").generation += 1;
        }
        if let Some(step) = commit.step.clone() {
            let checkpoint = disk.checkpoints.get_mut(&(processor.clone(), step.key)).expect("checked above");
            checkpoint.generation += 1;
            checkpoint.position += step.events;
            checkpoint.status = step.status;
            checkpoint.error = step.error;
            if let Some(to) = step.to {
                checkpoint.resolutions.clear();
                checkpoint.read_from = ReadFrom::After(to);
            }
        }
        let lane = lane(&space);
        let state = disk.state.entry((processor.clone(), space)).or_default();
        for (key, value) in commit.writes.iter() {
            match value {
                Some(value) => state.insert(key.to_owned(), value.clone()),
                None => state.remove(key),
            };
        }
        let parked = disk.parked.entry(processor.clone()).or_default();
        settle(parked, &commit).expect("checked above");
        for event in commit.parked {
            let same = |known: &&mut Put| known.event.id == event.id && known.event.key.is_none();
            match parked.iter_mut().find(same).filter(|_| event.key.is_none()) {
                Some(Put { event: known, .. }) => {
                    let (copies, metadata) = (known.copies + event.copies, known.metadata.take());
                    *known = ParkedEvent { copies, metadata, ..event };
                }
                None => parked.push(Put { lane: lane.clone(), event }),
            }
        }
        for new in commit.opened {
            let starting = new.start == ReadFrom::Last;
            disk.checkpoints.entry((processor.clone(), new.key)).or_insert(Checkpoint {
                read_from: new.start,
                generation: 0,
                position: 0,
                status: if starting { Status::Starting } else { Status::Running },
                error: None,
                feed_identity: new.feed_identity,
                resolutions: Vec::new(),
            });
        }
        let quota = disk.processors.get(processor).map_or(Quota::default(), |row| row.quota);
        let usage = Usage { quota, before, after: disk.stored(processor) };
        if let Err(full) = usage.check() {
            *disk = undone;
            return Err(full);
        }
        Ok(usage)
    }
}

/// The state at the first read.
struct View {
    store: Memory,
    key: (ProcessorId, StateSpace),
    state: Option<State>,
}

impl View {
    fn state(&mut self) -> &State {
        let Self { store, key, state } = self;
        state.get_or_insert_with(|| store.disk().state.get(key).cloned().unwrap_or_default())
    }
}

impl Snapshot for View {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        Ok(self.state().get(key).cloned())
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        let hit = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let entries = self.state().iter().filter(|(key, _)| hit(key)).take(limit);
        Ok(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
