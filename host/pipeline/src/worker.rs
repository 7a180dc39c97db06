//! The worker: moves one processor along one partition of one feed. The straight line is `Line::step`.
//!
//! It keeps no progress of its own that the store could contradict: a start, a restart, a failed commit and a
//! commit whose answer was lost are the same case.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{
    Backoff, BatchBounds, Checkpoint, Commit, Digest, Durability, Failure, FailureKind, Fetcher, Fields, Lane,
    LastError, Monitor, Observer, Parking, PartitionKey, Processor, ReadFrom, RejectPolicy, RetryPolicy, Source, Stage,
    Status, Step, Store, WriteBounds,
    commit::NewPartition,
    line::Line,
    pace::Pace,
    progress::Progress,
    spans::way,
    strain::Strain,
    turn::{Known, Turn},
};

/// What a worker moves, and along what.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The partition.
    pub key: PartitionKey,
    /// Which feed the partition's cursors must belong to.
    pub feed_identity: String,
    /// What the component is given of payloads; all of them if none.
    pub fields: Option<Fields>,
    /// How large a call may be.
    pub batch: BatchBounds,
    /// How long a batch's calls should take: within its bounds it grows while they are quicker, and shrinks when they are not.
    pub batch_time: Duration,
    /// What a batch may write.
    pub writes: WriteBounds,
    /// What happens to an event that is rejected.
    pub on_reject: RejectPolicy,
    /// What happens to the events behind one that was put aside.
    pub parking: Parking,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Bytes of spans that are fetched ahead of what is processed; a larger span still passes.
    pub fetch_ahead_bytes: u32,
    /// The waits after failures.
    pub retry: RetryPolicy,
    /// Who looks on, if somebody does.
    pub observer: Option<Arc<dyn Observer>>,
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
    /// The most spans in a batch: fewer after a rejection, more again after batches that were applied.
    spans_max: usize,
    pace: Pace,
    strain: Strain,
    known: Known,
    /// Whether somebody was told, since it last ran, that the partition waits for a person.
    told: bool,
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
        let pace = Pace::new(settings.batch, settings.batch_time);
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
            pace,
            strain: Strain::default(),
            known: Known::default(),
            told: false,
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
                Ok(checkpoint) if checkpoint.status.runs() => {
                    self.told = false;
                    self.follow(checkpoint).await
                }
                Ok(checkpoint) => {
                    if !std::mem::replace(&mut self.told, true) {
                        waits(&checkpoint);
                    }
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
            seen.stopped_unkept = false;
        });
        Ok(checkpoint)
    }

    /// Goes along the line from a checkpoint, with fetching ahead beside it.
    async fn follow(&mut self, checkpoint: Checkpoint) -> Turn {
        let (sink, fetched) = way(self.settings.fetch_ahead_bytes);
        let sink = sink.picking(self.settings.fields.clone());
        let from = checkpoint.read_from.clone();
        let Self { settings, fetcher, lane, store, orders, monitor, .. } = self;
        let Self { backoff, overtimes, spans_max, pace, strain, known, .. } = self;
        let progress = Progress::new(checkpoint, known, monitor, backoff);
        let line = Line { settings, lane, store, orders, overtimes, spans_max, pace, strain, progress };
        tokio::select! {
            biased;
            turn = line.run(fetched) => turn,
            () = async { fetcher.run(from, sink).await; std::future::pending().await } => Turn::Again,
        }
    }

    /// Waits for the supervisor.
    async fn ordered(&mut self) {
        self.lane.rest();
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
            FailureKind::Full | FailureKind::Broken => Status::Stopped,
        };
        let error = error.map_or_else(|| LastError::of(&failure), |error| *error);
        match self.record(status, error).await {
            // A stop that the store does not know would be forgotten: try again until it does.
            Err(failure) if failure.kind == FailureKind::Superseded => return Some(Exit::Superseded(failure)),
            Err(failure) if failure.kind == FailureKind::Unavailable || failure.kind == FailureKind::Fenced => {
                self.wait(failure).await;
            }
            Err(unkept) => {
                // Nobody will find it in the store: whoever reads the log must.
                tracing::error!(
                    stage = failure.stage.as_str(), %status, cause = %failure.cause, hint = failure.hint.as_deref(),
                    unkept = %unkept.cause, "the partition stopped, and the store cannot keep that"
                );
                self.monitor.send_modify(|seen| {
                    seen.trouble = Some(unkept);
                    seen.stopped_unkept = true;
                });
                self.ordered().await;
            }
            // The world moved on between the failure and its record: it may not fail any more.
            Ok(false) => {}
            Ok(true) => {
                tracing::error!(
                    stage = failure.stage.as_str(), %status, cause = %failure.cause, hint = failure.hint.as_deref(),
                    "the partition stopped"
                );
                self.told = true;
                self.ordered().await;
            }
        }
        None
    }

    /// Waits before starting over, with the reason in sight. An order ends the wait, and so does another component: if it
    /// came before the reason was in sight, nobody knew that there was somebody to tell.
    async fn wait(&mut self, failure: Failure) {
        let wait = self.backoff.next(failure.retry_after);
        tracing::warn!(
            stage = failure.stage.as_str(), cause = %failure.cause, hint = failure.hint.as_deref(), ?wait,
            "waiting before starting over"
        );
        let asked = self.known.component.filter(|_| failure.stage == Stage::Process);
        self.monitor.send_modify(|seen| seen.trouble = Some(failure));
        let lane = Arc::clone(&self.lane);
        tokio::select! {
            biased;
            () = sleep(wait) => {}
            () = self.ordered() => self.orders.mark_changed(),
            () = replaced(&lane, asked) => {}
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

/// Says that a partition waits for a person, and why: it stopped in an earlier run, or was paused.
fn waits(checkpoint: &Checkpoint) {
    let Checkpoint { status, error, .. } = checkpoint;
    let Some(LastError { cause, hint, .. }) = error else {
        tracing::info!(%status, hint = "`tidemill resume` lets it run again", "the partition waits for a person");
        return;
    };
    tracing::error!(%status, cause, hint, "the partition waits for a person");
}

/// Ends if the lane has another component than the one that was asked; waits for ever if not.
async fn replaced<P: Processor>(lane: &Lane<P>, asked: Option<Digest>) {
    if let Some(asked) = asked
        && lane.enter().await.processor.code().component != asked
    {
        return;
    }
    std::future::pending::<()>().await;
}
