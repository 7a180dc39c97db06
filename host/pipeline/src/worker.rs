//! The worker: moves one processor along one partition of one feed. The straight line is [`Line::step`].
//!
//! It keeps no progress of its own that the store could contradict: a start, a restart, a failed commit and a
//! commit whose answer was lost are the same case.

use std::sync::Arc;

use tokio::{
    sync::{MutexGuard, mpsc, watch},
    time::sleep,
};

use crate::{
    Backoff, Batch, BatchBounds, Checkpoint, Commit, Digest, Durability, Failure, FailureKind, Fetched, Fetcher, Lane,
    LastError, Monitor, Overlay, PartitionKey, Processor, ProcessorName, ReadFrom, Refusal, RejectPolicy, RetryPolicy,
    Source, Stage, Status, Step, Store, WriteBounds,
    apply::{Applied, Policy, Unapplied, apply, halted, refused},
    commit::NewPartition,
    intake::{Intake, Next},
    lane::Seat,
    spans::way,
};

/// What a worker moves, and along what.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The partition.
    pub key: PartitionKey,
    /// Which feed the partition's cursors must belong to.
    pub feed_identity: String,
    /// How large a call may be.
    pub batch: BatchBounds,
    /// What a batch may write.
    pub writes: WriteBounds,
    /// What happens to an event that is rejected.
    pub on_reject: RejectPolicy,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Bytes of spans that are fetched ahead of what is processed; a larger span still passes.
    pub fetch_ahead_bytes: u32,
    /// The waits after failures.
    pub retry: RetryPolicy,
}

/// What the supervisor tells a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Stop after the batch that runs.
    pub stop: bool,
    /// Changes whenever the store was changed for this worker: start over from it.
    pub revision: u64,
    /// The partitions that begin when this one is finished.
    pub children: Vec<NewPartition>,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// The partition was closed and has been read to its end; its children are open.
    Finished,
    /// The feed's partitions changed: discover it again.
    Moved(Failure),
    /// Another host has the processor.
    Superseded(Failure),
}

/// Batches that meet the wall clock on a fresh instance before their partition stops.
const OVERTIMES_MAX: u32 = 3;

/// Moves one processor along one partition.
pub struct Worker<S, P, T> {
    settings: WorkerSettings,
    fetcher: Fetcher<S>,
    lane: Arc<Lane<P>>,
    store: T,
    orders: watch::Receiver<Order>,
    monitor: Arc<Monitor>,
    backoff: Backoff,
    /// The place where the wall clock was met, and how often.
    overtimes: Option<(ReadFrom, u32)>,
    /// The most spans in a batch: fewer after a rejection, more again after commits.
    spans_max: usize,
    known: Known,
}

/// What a run along the line knew when it ended.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The checkpoint's generation, once it was loaded.
    generation: Option<u64>,
    /// The component that was called last.
    component: Option<Digest>,
}

/// Why a run along the line ended.
enum Turn {
    /// The supervisor said something.
    Ordered,
    /// Something went wrong; the event that it was about, if it was about one.
    Failed(Failure, Option<Box<LastError>>),
    /// The partition is finished.
    Finished,
    /// Begin again from the store, at once.
    Again,
}

impl From<Failure> for Turn {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, None)
    }
}

impl<S: Source, P: Processor, T: Store> Worker<S, P, T> {
    /// A worker. It does nothing until it [runs](Self::run).
    pub fn new(
        settings: WorkerSettings,
        fetcher: Fetcher<S>,
        lane: Arc<Lane<P>>,
        store: T,
        orders: watch::Receiver<Order>,
        monitor: Arc<Monitor>,
    ) -> Self {
        let backoff = Backoff::new(settings.retry);
        Self {
            settings,
            fetcher,
            lane,
            store,
            orders,
            monitor,
            backoff,
            overtimes: None,
            spans_max: usize::MAX,
            known: Known::default(),
        }
    }

    /// Runs until it is told to stop, the partition is finished or moved, or another host has the processor.
    /// May be dropped at any moment: what was not committed is done again by the next worker.
    pub async fn run(mut self) -> Exit {
        loop {
            if self.orders.borrow_and_update().stop {
                return Exit::Stopped;
            }
            let turn = match self.load().await {
                Ok(checkpoint) if checkpoint.status == Status::Finished => return Exit::Finished,
                Ok(checkpoint) if checkpoint.status.runs() => self.follow(checkpoint).await,
                Ok(_) => {
                    self.ordered().await;
                    continue;
                }
                Err(failure) => failure.into(),
            };
            match turn {
                Turn::Ordered | Turn::Again => {}
                Turn::Finished => return Exit::Finished,
                Turn::Failed(failure, error) => {
                    if let Some(exit) = self.cope(failure, error).await {
                        return exit;
                    }
                }
            }
        }
    }

    /// What the store knows.
    async fn load(&mut self) -> Result<Checkpoint, Failure> {
        self.known = Known::default();
        let key = &self.settings.key;
        let claim = self.lane.enter().await.claim().clone();
        let checkpoint = self.store.load(&claim, key).await?;
        let mut checkpoint =
            checkpoint.ok_or_else(|| Failure::broken(Stage::Load, format!("{key} was never opened")))?;
        if checkpoint.feed_identity != self.settings.feed_identity {
            let (was, is) = (&checkpoint.feed_identity, &self.settings.feed_identity);
            let failure = Failure::broken(
                Stage::Load,
                format!("{key}: its cursor belongs to `{was}`, and the feed is now `{is}`"),
            );
            return Err(failure.hint(format!(
                "if both have the same history, start once with `--accept-feed-change {}`; if not, `tidemill reset`",
                key.feed
            )));
        }
        if checkpoint.status == Status::Stopped {
            // It is tried again. The error stays in sight until a page was had.
            let last = checkpoint.read_from == ReadFrom::Last;
            checkpoint.status = if last { Status::Starting } else { Status::Running };
        }
        self.monitor.send_modify(|seen| {
            seen.checkpoint = Some(checkpoint.clone());
            seen.idle = false;
        });
        Ok(checkpoint)
    }

    /// Goes along the line from a checkpoint, with fetching ahead beside it.
    async fn follow(&mut self, checkpoint: Checkpoint) -> Turn {
        let (sink, fetched) = way(self.settings.fetch_ahead_bytes);
        let from = checkpoint.read_from.clone();
        self.known.generation = Some(checkpoint.generation);
        let Self { settings, fetcher, lane, store, orders, monitor, backoff, overtimes, spans_max, known } = self;
        let line = Line { settings, lane, store, orders, monitor, backoff, overtimes, spans_max, known, checkpoint };
        tokio::select! {
            biased;
            turn = line.run(fetched) => turn,
            () = async { fetcher.run(from, sink).await; std::future::pending().await } => Turn::Again,
        }
    }

    /// Waits for the supervisor.
    async fn ordered(&mut self) {
        if self.orders.changed().await.is_err() {
            // The supervisor is gone, and its orders with it: this task is about to be dropped.
            std::future::pending::<()>().await;
        }
    }

    /// Does what the kind of a failure asks for. Returns how the worker ends, if it does.
    async fn cope(&mut self, failure: Failure, error: Option<Box<LastError>>) -> Option<Exit> {
        let status = match failure.kind {
            FailureKind::Moved => {
                // Not at rest: what comes next is somebody else's to find out.
                self.monitor.send_modify(|seen| seen.idle = false);
                return Some(Exit::Moved(failure));
            }
            FailureKind::Superseded => return Some(Exit::Superseded(failure)),
            FailureKind::Unavailable | FailureKind::Fenced => {
                self.wait(failure).await;
                return None;
            }
            FailureKind::Rejected | FailureKind::Halted => Status::Halted,
            FailureKind::Stalled => Status::Stalled,
            FailureKind::Broken => Status::Stopped,
        };
        let error = error.map_or_else(|| LastError::of(&failure), |error| *error);
        match self.record(status, error).await {
            // A stop that the store does not know would be forgotten: try again until it does.
            Err(failure) if failure.kind == FailureKind::Superseded => return Some(Exit::Superseded(failure)),
            Err(failure) if failure.kind == FailureKind::Unavailable || failure.kind == FailureKind::Fenced => {
                self.wait(failure).await;
            }
            Err(failure) => {
                self.monitor.send_modify(|seen| seen.trouble = Some(failure));
                self.ordered().await;
            }
            // The world moved on between the failure and its record: it may not fail any more.
            Ok(false) => {}
            Ok(true) => {
                tracing::error!(
                    stage = failure.stage.as_str(), %status, cause = %failure.cause, hint = failure.hint.as_deref(),
                    "the partition stopped"
                );
                self.ordered().await;
            }
        }
        None
    }

    /// Waits before starting over, with the reason in sight. An order ends the wait.
    async fn wait(&mut self, failure: Failure) {
        let wait = self.backoff.next(failure.retry_after);
        tracing::warn!(stage = failure.stage.as_str(), cause = %failure.cause, ?wait, "waiting before starting over");
        self.monitor.send_modify(|seen| seen.trouble = Some(failure));
        tokio::select! {
            biased;
            () = sleep(wait) => {}
            () = self.ordered() => self.orders.mark_changed(),
        }
    }

    /// Keeps in the store that the partition stopped, and why. Not if the checkpoint or the component is another one
    /// than the one that failed: a reset or a reload went first.
    async fn record(&mut self, status: Status, error: LastError) -> Result<bool, Failure> {
        let mut seat = self.lane.enter().await;
        let claim = seat.claim().clone();
        let Some(mut checkpoint) = self.store.load(&claim, &self.settings.key).await? else { return Ok(true) };
        let Known { generation, component } = self.known;
        let moved = generation.is_some_and(|generation| generation != checkpoint.generation);
        let reloaded = component.is_some_and(|component| component != seat.processor.code().component);
        if moved || (reloaded && error.stage == Stage::Process.as_str()) {
            return Ok(false);
        }
        let guard = seat.guard(&self.store).await?;
        let step = Step::staying(self.settings.key.clone(), checkpoint.generation, status, Some(error.clone()));
        let durability = Durability::Full;
        seat.commit(&self.store, Commit { durability, ..Commit::of_step(claim, guard, step) }).await?;
        checkpoint.generation += 1;
        (checkpoint.status, checkpoint.error) = (status, Some(error));
        self.monitor.send_modify(|seen| seen.checkpoint = Some(checkpoint));
        Ok(true)
    }
}

/// One run along the straight line, from a checkpoint of the store until something ends it.
struct Line<'a, P, T> {
    settings: &'a WorkerSettings,
    lane: &'a Lane<P>,
    store: &'a T,
    orders: &'a mut watch::Receiver<Order>,
    monitor: &'a Monitor,
    backoff: &'a mut Backoff,
    overtimes: &'a mut Option<(ReadFrom, u32)>,
    spans_max: &'a mut usize,
    known: &'a mut Known,
    checkpoint: Checkpoint,
}

impl<P: Processor, T: Store> Line<'_, P, T> {
    async fn run(mut self, fetched: mpsc::Receiver<Fetched>) -> Turn {
        let mut intake = Intake::new(self.settings.key.clone(), fetched);
        loop {
            if let Err(turn) = self.step(&mut intake).await {
                return turn;
            }
        }
    }

    /// The straight line: spans, batch, lane, component, commit.
    async fn step(&mut self, intake: &mut Intake) -> Result<(), Turn> {
        let next = tokio::select! {
            biased;
            _ = self.orders.changed() => return Err(Turn::Ordered),
            next = intake.next(self.settings.batch, *self.spans_max) => next,
        };
        let batch = match next {
            Next::Batch(batch) => batch,
            Next::Idle => return self.idle().await,
            Next::Finished => return self.finish().await,
            Next::Failed(failure) => return Err(failure.into()),
        };
        if *batch.from() != self.checkpoint.read_from {
            return Err(Turn::Again);
        }
        if batch.is_empty() && self.checkpoint.read_from.cursor() == Some(batch.to()) {
            return Ok(());
        }

        let mut seat = in_turn(self.lane, self.orders).await?;
        let guard = seat.guard(self.store).await?;
        let overlay = Overlay::new(self.store.snapshot(seat.claim(), seat.space()), self.settings.writes);
        let policy =
            Policy { on_reject: self.settings.on_reject, resolutions: &self.checkpoint.resolutions, named: false };
        let fresh = self.overtimes.is_some();
        self.known.component = Some(seat.processor.code().component);
        tracing::debug!(from = %batch.from(), events = batch.len(), spans = batch.spans().len(), "processing");
        let applied = match apply(&mut seat.processor, &batch, overlay, self.settings.batch, policy, fresh).await {
            Ok(applied) => applied,
            Err(unapplied) => {
                let processor = seat.claim().processor.name.clone();
                drop(seat);
                return self.unapplied(&processor, unapplied, batch, intake);
            }
        };

        let claim = seat.claim().clone();
        let code = applied.computed.then(|| seat.processor.code());
        let step = self.advance(&batch);
        let durability = self.durability(&applied);
        let Applied { overlay, aside, cost, .. } = applied;
        let (writes, parked, skipped) = (overlay.into_writes(), aside.parked_events(), aside.skipped);
        let written = writes.len() as u64;
        tracing::debug!(
            generation = step.from_generation,
            writes = written,
            parked,
            skipped,
            fuel = cost.fuel,
            "committing"
        );
        let commit = Commit { writes, parked: aside.parked, code, durability, ..Commit::of_step(claim, guard, step) };
        seat.commit(self.store, commit).await?;
        drop(seat);

        self.committed(&batch);
        tracing::debug!(generation = self.checkpoint.generation, to = %batch.to(), "committed");
        self.monitor.send_modify(|seen| {
            seen.checkpoint = Some(self.checkpoint.clone());
            seen.events += batch.len() as u64;
            seen.batches += 1;
            seen.writes += written;
            seen.parked += parked;
            seen.cost.fuel += cost.fuel;
            seen.cost.memory_bytes = seen.cost.memory_bytes.max(cost.memory_bytes);
            seen.idle = false;
            seen.trouble = None;
        });
        Ok(())
    }

    fn advance(&self, batch: &Batch) -> Step {
        Step {
            key: self.settings.key.clone(),
            from_generation: self.checkpoint.generation,
            to: Some(batch.to().clone()),
            events: batch.len() as u64,
            status: Status::Running,
            error: None,
        }
    }

    /// What an operator was promised, and the first place of a partition that starts at "now", survive a power cut.
    fn durability(&self, applied: &Applied) -> Durability {
        let promised = !applied.aside.parked.is_empty()
            || !self.checkpoint.resolutions.is_empty()
            || self.checkpoint.status == Status::Starting;
        if promised { Durability::Full } else { self.settings.durability }
    }

    fn committed(&mut self, batch: &Batch) {
        self.checkpoint.read_from = ReadFrom::After(batch.to().clone());
        self.checkpoint.generation += 1;
        self.known.generation = Some(self.checkpoint.generation);
        self.checkpoint.position += batch.len() as u64;
        self.checkpoint.status = Status::Running;
        self.checkpoint.error = None;
        self.checkpoint.resolutions.clear();
        self.backoff.reset();
        *self.overtimes = None;
        *self.spans_max = self.spans_max.saturating_mul(2);
    }

    /// The feed has no more. If the partition had stopped, it is well again: nothing else would say so in the store.
    async fn idle(&mut self) -> Result<(), Turn> {
        if self.checkpoint.error.is_some() {
            let mut seat = in_turn(self.lane, self.orders).await?;
            let guard = seat.guard(self.store).await?;
            let step =
                Step::staying(self.settings.key.clone(), self.checkpoint.generation, self.checkpoint.status, None);
            let commit = Commit::of_step(seat.claim().clone(), guard, step);
            seat.commit(self.store, commit).await?;
            self.checkpoint.generation += 1;
            self.known.generation = Some(self.checkpoint.generation);
            self.checkpoint.error = None;
            self.monitor.send_modify(|seen| seen.checkpoint = Some(self.checkpoint.clone()));
        }
        self.monitor.send_if_modified(|seen| !std::mem::replace(&mut seen.idle, true));
        Ok(())
    }

    /// Ends a closed partition and opens its children, in one commit.
    async fn finish(&mut self) -> Result<(), Turn> {
        let mut seat = in_turn(self.lane, self.orders).await?;
        let guard = seat.guard(self.store).await?;
        let step = Step::staying(self.settings.key.clone(), self.checkpoint.generation, Status::Finished, None);
        let opened = self.orders.borrow().children.clone();
        let commit =
            Commit { opened, durability: Durability::Full, ..Commit::of_step(seat.claim().clone(), guard, step) };
        seat.commit(self.store, commit).await?;
        drop(seat);
        self.checkpoint.generation += 1;
        self.checkpoint.status = Status::Finished;
        self.monitor.send_modify(|seen| {
            seen.checkpoint = Some(self.checkpoint.clone());
            seen.idle = false;
        });
        Err(Turn::Finished)
    }

    /// Does what a batch that was not applied asks for.
    fn unapplied(
        &mut self,
        processor: &ProcessorName,
        unapplied: Unapplied,
        batch: Arc<Batch>,
        intake: &mut Intake,
    ) -> Result<(), Turn> {
        match unapplied {
            Unapplied::Smaller { spans } => {
                *self.spans_max = spans;
                intake.give_back(batch);
                Ok(())
            }
            Unapplied::Refused(refusal @ Refusal::Overtime { .. }) => {
                let failure = refused(refusal);
                let place = batch.from().clone();
                let count = match self.overtimes.take() {
                    Some((known, count)) if known == place => count + 1,
                    Some(_) | None => 1,
                };
                *self.overtimes = Some((place, count));
                *self.spans_max = (batch.spans().len() / 2).max(1);
                if count < OVERTIMES_MAX {
                    return Err(failure.into());
                }
                *self.overtimes = None;
                let cause = format!("{}, {OVERTIMES_MAX} times in a row at {}", failure.cause, batch.from());
                let stalled = Failure::new(FailureKind::Stalled, Stage::Process, cause);
                Err(stalled.hint("raise limits.call-time or lower batch-events, then `tidemill resume`").into())
            }
            Unapplied::Refused(refusal) => Err(refused(refusal).into()),
            Unapplied::Rejected(rejected) => {
                let (failure, error) = halted(processor, *rejected);
                Err(Turn::Failed(failure, Some(Box::new(error))))
            }
        }
    }
}

/// Waits for the lane; an order that came meanwhile goes first.
async fn in_turn<'a, P>(
    lane: &'a Lane<P>,
    orders: &mut watch::Receiver<Order>,
) -> Result<MutexGuard<'a, Seat<P>>, Turn> {
    tokio::select! {
        biased;
        _ = orders.changed() => Err(Turn::Ordered),
        seat = lane.enter() => Ok(seat),
    }
}
