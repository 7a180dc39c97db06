//! The line: spans, batch, lane, component, commit, again and again, from a checkpoint of the store.
//!
//! [`Line::step`] is the whole of it. The store works on a commit while the next batch is applied, and that one is committed
//! only after the first was. Whatever goes wrong ends the run, and the worker decides what comes next.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{MutexGuard, mpsc, watch},
    time::Instant,
};

use crate::{
    Batch, Commit, Committed, Durability, Failed, Failure, FailureKind, Fetched, Instances, Lane, Order, Overlay,
    Parking, Processor, ProcessorName, ReadFrom, Refusal, Seat, Stage, StateGuard, Status, Step, Store, WorkerSettings,
    apply::{Applied, Policy, Unapplied, apply, halted, refused},
    failpoint,
    intake::{Intake, Next},
    pace::Pace,
    parkings::Parked,
    progress::{Made, Progress},
    strain::Strain,
    turn::Turn,
};

/// Batches that meet the wall clock on a fresh instance before their partition stops.
const OVERTIMES_MAX: u32 = 3;

/// One run along the straight line, from a checkpoint of the store until something ends it.
pub(crate) struct Line<'a, P, T> {
    pub(crate) settings: &'a WorkerSettings,
    pub(crate) lane: &'a Lane<P>,
    pub(crate) store: &'a T,
    pub(crate) orders: &'a mut watch::Receiver<Order>,
    pub(crate) overtimes: &'a mut Option<(ReadFrom, u32)>,
    pub(crate) spans_max: &'a mut usize,
    pub(crate) pace: &'a mut Pace,
    pub(crate) strain: &'a mut Strain,
    pub(crate) progress: Progress<'a>,
}

impl<'a, P: Processor + 'a, T: Store> Line<'a, P, T> {
    /// Goes on until something ends it, and says what.
    pub(crate) async fn run(mut self, fetched: mpsc::Receiver<Fetched>) -> Turn {
        let mut intake = Intake::new(self.settings.key.clone(), fetched);
        let turn = loop {
            if let Err(turn) = self.step(&mut intake).await {
                break turn;
            }
        };
        // Whatever ended it, the store is left when it has answered: what failed there is what counts.
        let answer = self.answered().await;
        self.progress.end();
        match (turn, answer) {
            (turn, Ok(())) => turn,
            (turn, Err(failed)) => {
                if matches!(turn, Turn::Ordered) {
                    // Whoever copes with the failure has to find the order.
                    self.orders.mark_changed();
                }
                failed
            }
        }
    }

    /// The straight line: spans, batch, lane, component, commit.
    async fn step(&mut self, intake: &mut Intake) -> Result<(), Turn> {
        let next = tokio::select! {
            biased;
            _ = self.orders.changed() => return Err(Turn::Ordered),
            answer = self.progress.answered(), if self.progress.is_underway() => return self.heard(answer),
            next = intake.next(self.pace.bounds(), *self.spans_max) => next,
        };
        let batch = match next {
            Next::Batch(batch) => batch,
            Next::Idle => return self.idle().await,
            Next::Finished => return self.finish().await,
            Next::Failed(failure) => return Err(failure.into()),
        };
        if *batch.from() != self.progress.checkpoint.read_from {
            return Err(Turn::Again);
        }
        if batch.is_empty() && self.progress.checkpoint.read_from.cursor() == Some(batch.to()) {
            return Ok(());
        }

        let WorkerSettings { on_reject, parking, writes, observer, .. } = self.settings;
        let mut seat = self.progress.beside(in_turn(self.lane.enter_ahead(), self.orders)).await?;
        if self.progress.has_failed() {
            return self.answered().await;
        }
        let guard = seat.guard(self.store).await?;
        let mut overlay = Overlay::new(self.store.snapshot(seat.claim(), seat.space()), *writes)
            .knowing(seat.recent(&guard, self.progress.checkpoint.generation));
        if observer.is_some() {
            overlay = overlay.keeping_before();
        }
        let resolutions = self.progress.checkpoint.resolutions.clone();
        let policy = Policy { on_reject: *on_reject, parking, resolutions: &resolutions, named: false };
        let held = match parking {
            Parking::Event => Arc::default(),
            Parking::Key(_) => seat.held(self.store).await?,
        };
        let fresh = self.overtimes.is_some();
        self.progress.known.component = Some(seat.processor.code().component);
        tracing::debug!(from = %batch.from(), events = batch.len(), spans = batch.spans().len(), "processing");
        let began = Instant::now();
        let bounds = self.pace.bounds();
        failpoint::reach("before-process");
        let applied = apply(&mut seat.processor, &batch, overlay, bounds, policy, held, fresh);
        let mut applied = self.progress.beside(applied).await;
        if let Ok(applied) = &mut applied {
            // Nothing more is read, and the answer may take its time.
            applied.overlay.close();
        }

        // What follows counts only if the state that was read is there: after the commits before this batch.
        self.answered().await?;
        if !seat.answered().await {
            return Err(Turn::Again);
        }
        let applied = match applied {
            Ok(applied) => applied,
            Err(unapplied) => {
                if let Unapplied::Refused(Refusal::Overtime { .. }) = &unapplied {
                    // A span alone is called in pieces: it was one of them that took so long.
                    self.pace.overtime(batch.len().min(bounds.events_max));
                }
                let processor = seat.claim().processor.name.clone();
                drop(seat);
                return self.unapplied(processor, unapplied, batch, intake);
            }
        };

        failpoint::reach("after-process");
        self.commit(seat, guard, batch, applied, began.elapsed()).await
    }

    /// Gives the store a batch that was applied, and waits for the answer where something hangs on it.
    async fn commit(
        &mut self,
        mut seat: MutexGuard<'a, Seat<P>>,
        guard: StateGuard,
        batch: Arc<Batch>,
        applied: Applied,
        applying: Duration,
    ) -> Result<(), Turn> {
        self.pace.took(batch.len(), applied.took);
        *self.overtimes = None;
        *self.spans_max = self.spans_max.saturating_mul(2);
        let claim = seat.claim().clone();
        let code = applied.computed.then(|| seat.processor.code());
        let step = self.advance(&batch);
        let promised = self.promised(&applied);
        let durability = if promised { Durability::Full } else { self.settings.durability };
        let Applied { overlay, aside, cost, .. } = applied;
        let seen = self.settings.observer.as_ref().map(|observer| {
            let committed = Committed {
                processor: claim.processor.name.clone(),
                batch: Arc::clone(&batch),
                changes: overlay.changes(),
                parked: aside.parked.clone(),
                skipped: aside.skipped,
                cost,
                component: code.as_ref().map(|code| code.component),
                applying,
                committing: Duration::ZERO,
            };
            (Arc::clone(observer), committed, Instant::now())
        });
        let (writes, put_aside, skipped) = (overlay.into_writes(), Parked::of(&aside.parked), aside.skipped);
        let made = Made {
            processor: claim.processor.name.clone(),
            events: batch.len() as u64,
            spans: batch.spans().len(),
            to: batch.to().clone(),
            written: writes.len() as u64,
            aside: put_aside,
            cost,
            seen,
        };
        self.strain.look(&made.processor, &batch, &writes, self.settings.writes);
        tracing::debug!(
            generation = step.from_generation,
            writes = made.written,
            parked = made.aside.events,
            skipped,
            fuel = cost.fuel,
            "committing"
        );
        // An instance lives on only after its writes were committed.
        let lives_on = code.as_ref().is_some_and(|code| code.instances == Instances::Reuse);
        let commit = Commit { writes, parked: aside.parked, code, durability, ..Commit::of_step(claim, guard, step) };
        self.progress.sent(seat.send(self.store, commit), made);
        if promised || lives_on {
            self.answered().await?;
        }
        if lives_on {
            seat.processor.committed();
        }
        Ok(())
    }

    fn advance(&self, batch: &Batch) -> Step {
        Step {
            key: self.settings.key.clone(),
            from_generation: self.progress.checkpoint.generation,
            to: Some(batch.to().clone()),
            events: batch.len() as u64,
            status: Status::Running,
            error: None,
        }
    }

    /// Waits for the answer to the commit on its way.
    async fn answered(&mut self) -> Result<(), Turn> {
        let answer = self.progress.answered().await;
        self.heard(answer)
    }

    fn heard(&mut self, answer: Result<(), (Failure, Made)>) -> Result<(), Turn> {
        answer.map_err(|(failure, made)| self.uncommitted(failure, made))
    }

    /// What an operator was promised, and the first place of a partition that starts at "now", survive a power cut.
    fn promised(&self, applied: &Applied) -> bool {
        let checkpoint = &self.progress.checkpoint;
        !applied.aside.parked.is_empty() || !checkpoint.resolutions.is_empty() || checkpoint.status == Status::Starting
    }

    /// The feed has no more. If the partition had stopped, it is well again: nothing else would say so in the store.
    async fn idle(&mut self) -> Result<(), Turn> {
        self.answered().await?;
        let checkpoint = &self.progress.checkpoint;
        if checkpoint.error.is_some() {
            let status = checkpoint.status;
            let step = Step::staying(self.settings.key.clone(), checkpoint.generation, status, None);
            let mut seat = in_turn(self.lane.enter(), self.orders).await?;
            let guard = seat.guard(self.store).await?;
            let commit = Commit::of_step(seat.claim().clone(), guard, step);
            seat.commit(self.store, commit).await?;
            self.progress.stayed(status);
        }
        if self.progress.idle() {
            self.lane.rest();
        }
        Ok(())
    }

    /// Ends a closed partition and opens its children, in one commit.
    async fn finish(&mut self) -> Result<(), Turn> {
        self.answered().await?;
        let generation = self.progress.checkpoint.generation;
        let step = Step::staying(self.settings.key.clone(), generation, Status::Finished, None);
        let mut seat = in_turn(self.lane.enter(), self.orders).await?;
        let guard = seat.guard(self.store).await?;
        let opened = self.orders.borrow().children.clone();
        let commit =
            Commit { opened, durability: Durability::Full, ..Commit::of_step(seat.claim().clone(), guard, step) };
        failpoint::reach("before-finish");
        seat.commit(self.store, commit).await?;
        drop(seat);
        failpoint::reach("after-finish");
        self.progress.stayed(Status::Finished);
        Err(Turn::Finished)
    }

    /// Does what a batch that was not applied asks for.
    fn unapplied(
        &mut self,
        processor: ProcessorName,
        unapplied: Unapplied,
        batch: Arc<Batch>,
        intake: &mut Intake,
    ) -> Result<(), Turn> {
        let mut culprit = None;
        let (failure, error) = match unapplied {
            Unapplied::Smaller { spans } => {
                *self.spans_max = spans;
                intake.give_back(batch);
                return Ok(());
            }
            Unapplied::Refused(refusal @ Refusal::Overtime { .. }) => (self.overtime(refused(refusal), &batch), None),
            Unapplied::Refused(refusal) => (refused(refusal), None),
            Unapplied::Rejected(rejected) => {
                culprit = self.settings.observer.is_some().then(|| rejected.clone());
                let (failure, error) = halted(&processor, *rejected);
                (failure, Some(Box::new(error)))
            }
        };
        if let Some(observer) = &self.settings.observer {
            let (failure, component) = (failure.clone(), self.progress.known.component);
            observer.failed(Failed { processor, batch, failure, culprit, component });
        }
        Err(Turn::Failed(failure, error))
    }

    /// Does what a batch that was not committed asks for. Where it only has no room it becomes smaller, so that all is
    /// committed up to the span that does not fit.
    fn uncommitted(&mut self, failure: Failure, made: Made) -> Turn {
        if failure.kind != FailureKind::Full {
            return failure.into();
        }
        if made.spans > 1 {
            *self.spans_max = made.spans / 2;
            return Turn::Again;
        }
        let failure = resumable(failure);
        if let (Some(observer), Some(batch)) = (&self.settings.observer, made.batch()) {
            let (failure, component) = (failure.clone(), self.progress.known.component);
            observer.failed(Failed { processor: made.processor, batch, failure, culprit: None, component });
        }
        failure.into()
    }

    /// The wall clock was met: the batch becomes smaller, and after some times at one place the partition stalls.
    fn overtime(&mut self, failure: Failure, batch: &Batch) -> Failure {
        let place = batch.from().clone();
        let count = match self.overtimes.take() {
            Some((known, count)) if known == place => count + 1,
            Some(_) | None => 1,
        };
        *self.overtimes = Some((place, count));
        *self.spans_max = (batch.spans().len() / 2).max(1);
        if count < OVERTIMES_MAX {
            return failure;
        }
        *self.overtimes = None;
        let cause = format!("{}, {OVERTIMES_MAX} times in a row at {}", failure.cause, batch.from());
        Failure::new(FailureKind::Stalled, Stage::Process, cause)
            .hint("raise limits.call-time or lower batch-events, then `tidemill resume`")
    }
}

/// A failure that stops the partition until a person has followed its hint and says so.
fn resumable(failure: Failure) -> Failure {
    let Some(hint) = &failure.hint else { return failure };
    let hint = format!("{hint}; then `tidemill resume`");
    failure.hint(hint)
}

/// Waits for the lane; an order that came meanwhile goes first.
async fn in_turn<R>(lane: impl Future<Output = R>, orders: &mut watch::Receiver<Order>) -> Result<R, Turn> {
    tokio::select! {
        biased;
        _ = orders.changed() => Err(Turn::Ordered),
        seat = lane => Ok(seat),
    }
}
