//! The smallest store: one processor, one partition, and every commit that there was.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Failure, Held, ParkedEvent, PartitionKey, Quota, ReadFrom, Snapshot, StateGuard,
    StateSpace, Status, Store, Stored, Usage, Value,
};

use crate::component::LOG;

/// How long a commit takes. Time is paused: any wait lets everybody who is ready go first.
const COMMIT: Duration = Duration::from_millis(1);

/// The store, and whether it works on a commit. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(pub(crate) Arc<Mutex<Kept>>, pub(crate) Arc<AtomicBool>);

/// What it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The most that it keeps.
    pub(crate) quota: Quota,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) state: BTreeMap<String, Value>,
    pub(crate) parked: Vec<ParkedEvent>,
    /// Where the partition was after each commit, and what had been applied.
    pub(crate) commits: Vec<(ReadFrom, String)>,
    generation: u64,
}

impl Shelf {
    /// A store in which the partition was just opened.
    pub(crate) fn new(feed_identity: &str) -> Self {
        let checkpoint = Checkpoint {
            read_from: ReadFrom::First,
            generation: 0,
            position: 0,
            status: Status::Running,
            error: None,
            feed_identity: feed_identity.to_owned(),
            resolutions: Vec::new(),
        };
        let state = BTreeMap::new();
        let (quota, parked, commits) = (Quota::default(), Vec::new(), Vec::new());
        let kept = Kept { quota, checkpoint, state, parked, commits, generation: 0 };
        Self(Arc::new(Mutex::new(kept)), Arc::default())
    }
}

impl Kept {
    /// What has been applied.
    pub(crate) fn log(&self) -> String {
        match self.state.get(LOG) {
            Some(Value::Text(log)) => log.clone(),
            Some(Value::Bytes(_)) | None => String::new(),
        }
    }

    /// How much there is.
    pub(crate) fn stored(&self) -> Stored {
        let entries = self.state.iter().map(|(key, value)| key.len() + value.len());
        let parked = self.parked.iter().map(|event| event.payload.len() + event.reason.len());
        entries.chain(parked).fold(Stored::default(), |stored, bytes| Stored {
            rows: stored.rows + 1,
            bytes: stored.bytes + bytes as u64,
        })
    }

    /// How often each payload was applied.
    pub(crate) fn counts(&self) -> BTreeMap<String, Value> {
        self.state.clone().into_iter().filter(|(key, _)| key.starts_with("count/")).collect()
    }

    /// What was applied of each key, in its order.
    pub(crate) fn chains(&self) -> BTreeMap<String, Value> {
        self.state.clone().into_iter().filter(|(key, _)| key.starts_with("chain/-")).collect()
    }
}

impl Store for Shelf {
    async fn state_generation(&self, _: &Claim) -> Result<u64, Failure> {
        Ok(self.0.lock().unwrap().generation)
    }

    async fn load(&self, _: &Claim, _: &PartitionKey) -> Result<Option<Checkpoint>, Failure> {
        Ok(Some(self.0.lock().unwrap().checkpoint.clone()))
    }

    async fn held(&self, _: &Claim, _: &StateSpace) -> Result<Held, Failure> {
        let mut held = Held::default();
        for event in &self.0.lock().unwrap().parked {
            event.key.clone().into_iter().for_each(|key| held.add(&event.id.key.feed, key));
        }
        Ok(held)
    }

    fn snapshot(&self, _: &Claim, _: &StateSpace) -> Box<dyn Snapshot> {
        Box::new(View(self.0.lock().unwrap().state.clone()))
    }

    async fn commit(&self, commit: Commit) -> Result<Usage, Failure> {
        assert!(!self.1.swap(true, Ordering::SeqCst), "one commit comes after the other");
        tokio::time::sleep(COMMIT).await;
        self.1.store(false, Ordering::SeqCst);
        let mut kept = self.0.lock().unwrap();
        let undone = kept.clone();
        assert_eq!(commit.guard, StateGuard::Shared { generation: kept.generation }, "nobody else commits");
        kept.generation += 1;
        for (key, value) in commit.writes.iter() {
            match value {
                Some(value) => kept.state.insert(key.to_owned(), value.clone()),
                None => kept.state.remove(key),
            };
        }
        for settled in &commit.settled {
            let same =
                |event: &ParkedEvent| event.key == settled.key && (event.key.is_some() || event.id == settled.id);
            let place = kept.parked.iter().position(same).expect("only what is parked is settled");
            assert_eq!(kept.parked.remove(place).id, settled.id, "only the first of a key is settled");
        }
        kept.parked.extend(commit.parked);
        let usage = Usage { quota: kept.quota, before: undone.stored(), after: kept.stored() };
        if let Err(full) = usage.check() {
            *kept = undone;
            return Err(full);
        }
        // A retry moves nothing.
        let Some(step) = commit.step else { return Ok(usage) };
        assert_eq!(step.from_generation, kept.checkpoint.generation, "nobody else commits");
        kept.checkpoint.generation += 1;
        kept.checkpoint.position += step.events;
        kept.checkpoint.status = step.status;
        kept.checkpoint.error = step.error;
        kept.checkpoint.resolutions.clear();
        if let Some(to) = step.to {
            kept.checkpoint.read_from = ReadFrom::After(to);
        }
        let commit = (kept.checkpoint.read_from.clone(), kept.log());
        kept.commits.push(commit);
        Ok(usage)
    }
}

struct View(BTreeMap<String, Value>);

impl Snapshot for View {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&mut self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Value)>, Failure> {
        panic!("the component does not scan")
    }
}
