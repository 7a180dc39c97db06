//! What the store does on real files, beyond what every store promises.

mod backups;
mod checks;
mod components;
mod groups;
mod locks;
mod logs;
mod readers;
mod requests;
mod restores;
mod stored;

use std::path::Path;

use tempfile::TempDir;
use tidemill_pipeline::*;

use crate::{Options, Sqlite};

/// A store in a directory of its own, with a claim and partition `0` open.
struct Fixture {
    directory: TempDir,
    store: Sqlite,
    claim: Claim,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(&Options::default()).await
    }

    async fn with(options: &Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path(), options).unwrap();
        let claim = store.claim(&processor(), "the first host").await.unwrap();
        let fixture = Self { directory, store, claim };
        fixture.open_partition("0", ReadFrom::First).await;
        fixture
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn open_partition(&self, partition: &str, start: ReadFrom) {
        let opened = NewPartition { key: key(partition), start, feed_identity: "http://one.example".into() };
        self.commit(Commit { opened: vec![opened], ..self.nothing().await }).await;
    }

    async fn nothing(&self) -> Commit {
        let generation = self.store.state_generation(&self.claim).await.unwrap();
        self.guarded(StateGuard::Shared { generation })
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

    async fn checkpoint(&self, partition: &str) -> Checkpoint {
        self.store.load(&self.claim, &key(partition)).await.unwrap().unwrap()
    }

    async fn step(&self, partition: &str, to: &str) -> Step {
        let from_generation = self.checkpoint(partition).await.generation;
        let to = Some(Cursor::new(to).unwrap());
        Step { key: key(partition), from_generation, to, events: 1, status: Status::Running, error: None }
    }

    /// A commit of a partition with state of its own, so that several may be under way.
    async fn own(&self, partition: &str, to: &str, writes: WriteSet) -> Commit {
        let step = Some(self.step(partition, to).await);
        Commit { step, writes, ..self.guarded(StateGuard::Partition(key(partition))) }
    }

    async fn commit(&self, commit: Commit) {
        self.store.commit(commit).await.unwrap();
    }

    fn get(&self, space: &StateSpace, key: &str) -> Option<Value> {
        self.store.snapshot(&self.claim, space).get(key).unwrap()
    }

    fn own_state(&self, partition: &str, name: &str) -> Option<Value> {
        self.get(&StateSpace::Partition(key(partition)), name)
    }
}

fn processor() -> ProcessorId {
    ProcessorId { name: ProcessorName::new("totals"), version: 1 }
}

fn key(partition: &str) -> PartitionKey {
    PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new(partition) }
}

fn cursor(text: &str) -> ReadFrom {
    ReadFrom::After(Cursor::new(text).unwrap())
}

fn write(key: &str, value: &str) -> WriteSet {
    [(key.to_owned(), Some(Value::from(value)))].into_iter().collect()
}

/// Writes of so many kilobytes.
fn bulk(kilobytes: usize, seed: usize) -> WriteSet {
    (0..kilobytes).map(|row| (format!("{seed}/{row}"), Some(Value::Bytes(vec![7; 1000])))).collect()
}

fn parked(partition: &str) -> ParkedEvent {
    ParkedEvent {
        id: ParkedId { key: key(partition), span_from: ReadFrom::First, payload: Digest::of(b"event") },
        copies: 1,
        key: None,
        payload: "event".into(),
        metadata: None,
        cause: "rejected".into(),
        reason: "no amount".into(),
        backtrace: None,
        component: None,
    }
}
