//! Real SQLite as the store of a world.
//!
//! A world's time is virtual and moves on as soon as nothing in the world can. The database works on threads of its own, which
//! that clock does not see: each of its answers is awaited on a blocking thread, which holds the clock.

use std::{
    fmt,
    path::Path,
    sync::{Arc, RwLock},
};

use tempfile::TempDir;
use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Failure, Held, ParkedEvent, PartitionKey, ProcessorId, Snapshot, StateSpace, Store,
    Usage,
};
use tidemill_store::{Options, Reader, Sqlite};
use tokio::runtime::Handle;

use super::Backend;

/// A database in a temporary directory, which ends with the last clone.
#[derive(Clone)]
pub struct OnDisk(Arc<Place>);

struct Place {
    directory: TempDir,
    store: RwLock<Sqlite>,
}

impl OnDisk {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("tidemill-world-").tempdir().unwrap();
        let store = RwLock::new(open(directory.path()));
        Self(Arc::new(Place { directory, store }))
    }

    fn store(&self) -> Sqlite {
        self.0.store.read().unwrap().clone()
    }

    async fn ask<T: Send + 'static, F: Future<Output = Result<T, Failure>> + Send + 'static>(
        &self,
        ask: impl FnOnce(Sqlite) -> F + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store();
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || handle.block_on(ask(store))).await.expect("the database does not panic")
    }
}

impl Default for OnDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnDisk").field(&self.0.directory.path()).finish()
    }
}

fn open(directory: &Path) -> Sqlite {
    Sqlite::open(directory, &Options::default()).unwrap()
}

impl Store for OnDisk {
    async fn state_generation(&self, claim: &Claim) -> Result<u64, Failure> {
        self.store().state_generation(claim).await
    }

    async fn load(&self, claim: &Claim, key: &PartitionKey) -> Result<Option<Checkpoint>, Failure> {
        self.store().load(claim, key).await
    }

    async fn held(&self, claim: &Claim, space: &StateSpace) -> Result<Held, Failure> {
        self.store().held(claim, space).await
    }

    fn snapshot(&self, claim: &Claim, space: &StateSpace) -> Box<dyn Snapshot> {
        self.store().snapshot(claim, space)
    }

    async fn commit(&self, commit: Commit) -> Result<Usage, Failure> {
        self.ask(|store| async move { store.commit(commit).await }).await
    }
}

impl Backend for OnDisk {
    async fn claim(&self, processor: &ProcessorId) -> Claim {
        let processor = processor.clone();
        self.ask(|store| async move { store.claim(&processor, "a world").await }).await.unwrap()
    }

    async fn parked(&self, processor: &ProcessorId) -> Vec<ParkedEvent> {
        let reader = Reader::open(self.0.directory.path()).unwrap();
        let parked = reader.parked_list(Some(processor), 0, usize::MAX).unwrap();
        parked.into_iter().map(|parked| parked.event).collect()
    }

    async fn reopen(&self) {
        let place = Arc::clone(&self.0);
        let reopen = move || {
            let mut store = place.store.write().unwrap();
            // Whoever still has a clone of it is told that it is closed.
            store.close().unwrap();
            *store = open(place.directory.path());
        };
        tokio::task::spawn_blocking(reopen).await.unwrap();
    }
}
