//! The lane: a processor's batches run one at a time, whichever partition they come from, because they share its state.
//!
//! Whoever is in the lane may read and change the processor's state. Partitions that are ready take turns; one
//! that waits for the world leaves the lane first.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Claim, Commit, Failure, FailureKind, Held, PartitionKey, Processor, StateGuard, StateSpace, Store, WriteSet,
    cooldown::Cooldown,
};

/// What the writes of a last commit may take in memory to be remembered for the next batch, in bytes, and what each takes
/// beside its key and value.
const RECENT_BYTES_MAX: usize = 2 * 1024 * 1024;
const RECENT_ROW_BYTES: usize = 128;

/// A processor's lane. With partitioned state every partition has one of its own.
#[derive(Debug)]
pub struct Lane<P> {
    seat: Mutex<Seat<P>>,
}

impl<P> Lane<P> {
    /// A lane over some state, under a claim.
    pub fn new(processor: P, claim: Claim, space: StateSpace) -> Self {
        Self {
            seat: Mutex::new(Seat {
                processor,
                claim,
                space,
                generation: None,
                held: None,
                recent: None,
                warned: BTreeMap::new(),
            }),
        }
    }

    /// Waits for the lane, behind those who came before. May be dropped at any moment.
    pub async fn enter(&self) -> MutexGuard<'_, Seat<P>> {
        self.seat.lock().await
    }

    /// Lets go of what would speed up the next batch: none is in sight. Whoever is in the lane has one.
    pub fn rest(&self) {
        if let Ok(mut seat) = self.seat.try_lock() {
            seat.recent = None;
        }
    }
}

/// What only the one in the lane may touch.
#[derive(Debug)]
pub struct Seat<P> {
    /// The component. A reload replaces it here, between two batches.
    pub processor: P,
    claim: Claim,
    space: StateSpace,
    /// The shared state's generation, as long as it is known.
    generation: Option<u64>,
    /// The keys that have parked events, as long as they are known.
    held: Option<Arc<Held>>,
    /// What the last commit wrote, and the generation that it made.
    recent: Option<(u64, WriteSet)>,
    /// When it was said last that the processor's quota is nearly used up.
    warned: BTreeMap<&'static str, Cooldown>,
}

impl<P: Processor> Seat<P> {
    /// The claim that the lane works under.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The state that the lane's batches read and write.
    #[must_use]
    pub fn space(&self) -> &StateSpace {
        &self.space
    }

    /// Forgets what is known of the state: it was changed by somebody else in this host, between two batches.
    pub fn forget(&mut self) {
        self.generation = None;
        self.held = None;
        self.recent = None;
    }

    /// What the last commit wrote, if nothing has changed the state since: the next batch mostly reads what the one before it
    /// wrote. `checkpoint` is the generation of the partition's checkpoint.
    #[must_use]
    pub fn recent(&self, guard: &StateGuard, checkpoint: u64) -> WriteSet {
        let now = generation(guard, checkpoint);
        self.recent.as_ref().filter(|(then, _)| *then == now).map(|(_, writes)| writes.clone()).unwrap_or_default()
    }

    /// The keys that have parked events. Ask for the guard first. Who changes them raises a generation that the commit
    /// compares, or is in this lane.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn held<T: Store>(&mut self, store: &T) -> Result<Arc<Held>, Failure> {
        let held = match self.held.take() {
            Some(held) => held,
            None => Arc::new(store.held(&self.claim, &self.space).await?),
        };
        self.held = Some(Arc::clone(&held));
        Ok(held)
    }

    /// What must not have changed when a batch commits. Ask for it before the state is read.
    ///
    /// # Errors
    /// When the claim no longer stands, or the store cannot be read.
    pub async fn guard<T: Store>(&mut self, store: &T) -> Result<StateGuard, Failure> {
        match &self.space {
            StateSpace::Partition(key) => Ok(StateGuard::Partition(PartitionKey::clone(key))),
            StateSpace::Shared => {
                let generation = match self.generation {
                    Some(generation) => generation,
                    None => store.state_generation(&self.claim).await?,
                };
                self.generation = Some(generation);
                Ok(StateGuard::Shared { generation })
            }
        }
    }

    /// Commits. Whatever goes wrong, the lane forgets what it knew and the next guard asks the store.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit<T: Store>(&mut self, store: &T, commit: Commit) -> Result<(), Failure> {
        assert_eq!(commit.claim, self.claim, "a commit is made under the lane's claim");
        // Forgotten before the answer is awaited: a worker that is dropped here does not know how it went.
        let known = self.generation.take();
        let held = self.held.take().filter(|_| commit.settled.is_empty());
        let parked: Vec<_> = commit
            .parked
            .iter()
            .filter_map(|event| event.key.clone().map(|key| (event.id.key.feed.clone(), key)))
            .collect();
        let computed = commit.code.is_some();
        let recent = remembered(&commit);
        self.recent = None;
        let result = store.commit(commit).await;
        match &result {
            Ok(usage) => {
                for share in usage.reached() {
                    // What goes up and down around it would be said with every batch.
                    if self.warned.entry(share.setting).or_default().begin() {
                        share.warn(&self.claim.processor.name);
                    }
                }
                self.generation = known.map(|generation| generation + 1);
                self.recent = recent;
                self.held = held.map(|mut held| {
                    for (feed, key) in parked {
                        Arc::make_mut(&mut held).add(&feed, key);
                    }
                    held
                });
                if computed {
                    self.processor.committed();
                }
            }
            Err(failure) if failure.kind == FailureKind::Fenced => {
                tracing::warn!(processor = %self.claim.processor.name, cause = %failure.cause, "a commit was fenced off; starting over from the store");
            }
            Err(_) => {}
        }
        result.map(drop)
    }
}

/// What a commit writes, and the generation that it makes, unless that is too much.
fn remembered(commit: &Commit) -> Option<(u64, WriteSet)> {
    let Commit { step, guard, writes, .. } = commit;
    let bytes = writes.bytes() + writes.len() * RECENT_ROW_BYTES;
    let step = step.as_ref().filter(|_| bytes <= RECENT_BYTES_MAX)?;
    Some((generation(guard, step.from_generation) + 1, writes.made()))
}

/// The generation that guards the lane's state: its own where it is shared, else that of the partition's checkpoint.
fn generation(guard: &StateGuard, checkpoint: u64) -> u64 {
    match guard {
        StateGuard::Shared { generation } => *generation,
        StateGuard::Partition(_) => checkpoint,
    }
}
