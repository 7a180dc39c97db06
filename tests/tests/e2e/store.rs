//! Every store keeps the same promises.

/// The simulation's store.
mod memory {
    e2e::conformance_tests!(e2e::simulation::Memory);
}

/// The database, on a real file.
mod sqlite {
    use e2e::conformance::StoreUnderTest;
    use tidemill_pipeline::{Claim, ParkedEvent, ProcessorId, Quota, Stored};
    use tidemill_store::{Options, Reader, Sqlite};

    struct OnDisk {
        directory: tempfile::TempDir,
        store: Sqlite,
    }

    impl StoreUnderTest for OnDisk {
        type Store = Sqlite;

        async fn fresh() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
            Self { directory, store }
        }

        fn store(&self) -> &Sqlite {
            &self.store
        }

        async fn reopen(&mut self) {
            self.store.close().unwrap();
            self.store = Sqlite::open(self.directory.path(), &Options::default()).unwrap();
        }

        async fn claim(&self, processor: &ProcessorId) -> Claim {
            self.store.claim(processor, "the conformance suite").await.unwrap()
        }

        async fn set_quota(&self, claim: &Claim, quota: Quota) -> Stored {
            self.store.set_quota(claim, quota).await.unwrap()
        }

        async fn parked(&self, processor: &ProcessorId) -> Vec<ParkedEvent> {
            let reader = Reader::open(self.directory.path()).unwrap();
            let parked = reader.parked_list(Some(processor), 0, usize::MAX).unwrap();
            parked.into_iter().map(|parked| parked.event).collect()
        }
    }

    e2e::conformance_tests!(OnDisk);
}
