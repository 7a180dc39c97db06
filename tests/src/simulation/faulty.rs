//! A store with trouble: slow, failing, or losing the answer of a commit that it made.

use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Failure, Held, PartitionKey, Snapshot, Stage, StateSpace, Store, Usage,
};

use super::{Dice, Trouble};

/// Any store, with trouble on the way to it and back.
#[derive(Clone, Debug)]
pub struct Faulty<T> {
    /// The store itself.
    pub store: T,
    /// How long things take.
    pub dice: Dice,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl<T: Store + 'static> Store for Faulty<T> {
    async fn state_generation(&self, claim: &Claim) -> Result<u64, Failure> {
        self.dice.pause(5).await;
        self.store.state_generation(claim).await
    }

    async fn load(&self, claim: &Claim, key: &PartitionKey) -> Result<Option<Checkpoint>, Failure> {
        self.dice.pause(5).await;
        if self.trouble.strikes(3) {
            return Err(Failure::unavailable(Stage::Load, "the database is busy"));
        }
        self.store.load(claim, key).await
    }

    async fn held(&self, claim: &Claim, space: &StateSpace) -> Result<Held, Failure> {
        self.dice.pause(5).await;
        if self.trouble.strikes(3) {
            return Err(Failure::unavailable(Stage::Load, "the database is busy"));
        }
        self.store.held(claim, space).await
    }

    fn snapshot(&self, claim: &Claim, space: &StateSpace) -> Box<dyn Snapshot> {
        self.store.snapshot(claim, space)
    }

    async fn commit(&self, commit: Commit) -> Result<Usage, Failure> {
        if self.trouble.strikes(3) {
            return Err(Failure::unavailable(Stage::Commit, "the disk is full"));
        }
        // A commit that is under way goes on when the worker is dropped, as it does on a writer's thread.
        let this = self.clone();
        let under_way = tokio::spawn(async move {
            this.dice.pause(30).await;
            let result = this.store.commit(commit).await;
            this.dice.pause(30).await;
            result
        });
        let result = under_way.await.expect("a commit does not panic");
        if self.trouble.strikes(5) {
            return Err(Failure::unavailable(Stage::Commit, "the answer was lost"));
        }
        result
    }
}
