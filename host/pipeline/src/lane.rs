//! The lane: a processor's batches run one at a time, whichever partition they come from, because they share its state.
//!
//! Whoever is in the lane may read and change the processor's state. Partitions that are ready take turns; one
//! that waits for the world leaves the lane first. While the store works on a commit the lane is free: the next batch is
//! applied to what that commit will have made, and is given to the store only after it was made.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Lock, PoisonError},
};

use tokio::sync::{Mutex, MutexGuard, oneshot};

use crate::{
    Claim, Commit, Failure, FailureKind, Held, PartitionKey, Processor, ProcessorName, StateGuard, StateSpace, Store,
    Usage, WriteSet,
    cooldown::Cooldown,
    recent::{Recent, generation},
};

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
                unanswered: None,
                warned: Arc::default(),
            }),
        }
    }

    /// Waits for the lane, behind those who came before, and for the answer to the commit that was made in it last. May be
    /// dropped at any moment.
    pub async fn enter(&self) -> MutexGuard<'_, Seat<P>> {
        let mut seat = self.seat.lock().await;
        seat.answered().await;
        seat
    }

    /// Waits for the lane only. What the commit without an answer writes is in [`Seat::recent`], and nothing may be committed
    /// before it is [answered](Seat::answered).
    pub(crate) async fn enter_ahead(&self) -> MutexGuard<'_, Seat<P>> {
        let mut seat = self.seat.lock().await;
        // An answer that is there already is heard, too.
        if seat.recent.is_none() || !seat.is_waiting() {
            seat.answered().await;
        }
        seat
    }

    /// Lets go of what would speed up the next batch: none is in sight. Whoever is in the lane has one.
    pub fn rest(&self) {
        if let Ok(mut seat) = self.seat.try_lock()
            && !seat.is_waiting()
        {
            // While the store works on the commit, the next batch has to know what it writes.
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
    /// What the last commit writes, unless that is too much.
    recent: Option<Recent>,
    /// The answer to the last commit, if nobody in the lane has heard it yet: whether it was made. What is known above holds
    /// once it was.
    unanswered: Option<oneshot::Receiver<bool>>,
    /// When it was said last that the processor's quota is nearly used up.
    warned: Arc<Lock<BTreeMap<&'static str, Cooldown>>>,
}

impl<P> Seat<P> {
    /// Forgets what is known of the state: it was changed by somebody else in this host, between two batches.
    pub fn forget(&mut self) {
        self.generation = None;
        self.held = None;
        self.recent = None;
    }

    /// Whether the store still works on the last commit.
    fn is_waiting(&self) -> bool {
        self.unanswered.as_ref().is_some_and(oneshot::Receiver::is_empty)
    }

    /// Waits for the answer to the last commit, and says whether it was made. If not, or if nobody will ever know, the lane forgets
    /// what it knew and the next guard asks the store. May be dropped at any moment.
    pub(crate) async fn answered(&mut self) -> bool {
        let Some(answer) = &mut self.unanswered else { return true };
        let made = answer.await.unwrap_or(false);
        self.unanswered = None;
        if !made {
            self.forget();
        }
        made
    }
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

    /// What the last commit writes, if nothing has changed the state since: the next batch mostly reads what the one before it
    /// wrote. `checkpoint` is the generation of the partition's checkpoint, once that commit is made.
    #[must_use]
    pub fn recent(&self, guard: &StateGuard, checkpoint: u64) -> WriteSet {
        let now = generation(guard, checkpoint);
        self.recent
            .as_ref()
            .filter(|recent| recent.generation == now)
            .map(|recent| recent.writes.clone())
            .unwrap_or_default()
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

    /// Commits.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit<T: Store>(&mut self, store: &T, commit: Commit) -> Result<(), Failure> {
        let computed = commit.code.is_some();
        let result = self.send(store, commit).await;
        if self.answered().await && computed {
            self.processor.committed();
        }
        result
    }

    /// Makes a commit ready. The store has it from the first time that what is returned is polled; if that is dropped, nobody
    /// knows how it went. The lane may be left before it is answered; an instance that lives on needs to hear that it was
    /// [made](Processor::committed).
    pub(crate) fn send<'t, T: Store>(
        &mut self,
        store: &'t T,
        commit: Commit,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<'t, P, T> {
        assert_eq!(commit.claim, self.claim, "a commit is made under the lane's claim");
        assert!(self.unanswered.is_none(), "a commit is made after the one before it");
        self.generation = self.generation.map(|generation| generation + 1);
        self.held = self.held.take().filter(|_| commit.settled.is_empty());
        if let Some(held) = &mut self.held {
            for event in &commit.parked {
                if let Some(key) = event.key.clone() {
                    Arc::make_mut(held).add(&event.id.key.feed, key);
                }
            }
        }
        // Its room is given back before room is asked for.
        self.recent = None;
        self.recent = Recent::of(&commit);
        let (told, answer) = oneshot::channel();
        self.unanswered = Some(answer);
        let (warned, processor) = (Arc::clone(&self.warned), self.claim.processor.clone());
        async move {
            let result = store.commit(commit).await;
            match &result {
                Ok(usage) => warn(usage, &processor.name, &warned),
                Err(failure) if failure.kind == FailureKind::Fenced => {
                    tracing::warn!(processor = %processor.name, cause = %failure.cause, "a commit was fenced off; starting over from the store");
                }
                Err(_) => {}
            }
            // Nobody is left to hear it if the lane is gone.
            _ = told.send(result.is_ok());
            result.map(drop)
        }
    }
}

/// Says which of a processor's quotas a commit has nearly used up. What goes up and down around it would be said with every batch.
fn warn(usage: &Usage, processor: &ProcessorName, warned: &Lock<BTreeMap<&'static str, Cooldown>>) {
    let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
    for share in usage.reached() {
        if warned.entry(share.setting).or_default().begin() {
            share.warn(processor);
        }
    }
}
