//! The line: spans, batch, lane, component, commit, again and again, from a checkpoint of the store.
//!
//! [`Line::step`] is the whole of it. Whatever goes wrong ends the run, and the worker decides what comes next.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{MutexGuard, mpsc, watch},
    time::Instant,
};

use crate::{
    Backoff, Batch, Checkpoint, Commit, Committed, Durability, Failed, Failure, FailureKind, Fetched, Lane, Monitor,
    Order, Overlay, Parking, Processor, ProcessorName, ReadFrom, Refusal, Seat, Stage, Status, Step, Store,
    WorkerSettings,
    apply::{Applied, Policy, Unapplied, apply, halted, refused},
    failpoint,
    intake::{Intake, Next},
    pace::Pace,
    parkings::{Parked, Parkings},
    strain::Strain,
    turn::{Known, Turn},
};

/// Batches that meet the wall clock on a fresh instance before their partition stops.
const OVERTIMES_MAX: u32 = 3;

/// One run along the straight line, from a checkpoint of the store until something ends it.
pub(crate) struct Line<'a, P, T> {
    pub(crate) settings: &'a WorkerSettings,
    pub(crate) lane: &'a Lane<P>,
    pub(crate) store: &'a T,
    pub(crate) orders: &'a mut watch::Receiver<Order>,
    pub(crate) monitor: &'a Monitor,
    pub(crate) backoff: &'a mut Backoff,
    pub(crate) overtimes: &'a mut Option<(ReadFrom, u32)>,
    pub(crate) spans_max: &'a mut usize,
    pub(crate) pace: &'a mut Pace,
    pub(crate) strain: &'a mut Strain,
    pub(crate) known: &'a mut Known,
    pub(crate) checkpoint: Checkpoint,
}

impl<P: Processor, T: Store> Line<'_, P, T> {
    /// Goes on until something ends it, and says what.
    pub(crate) async fn run(mut self, fetched: mpsc::Receiver<Fetched>) -> Turn {
        let mut intake = Intake::new(self.settings.key.clone(), fetched);
        let mut parkings = Parkings::default();
        let turn = loop {
            if let Err(turn) = self.step(&mut intake, &mut parkings).await {
                break turn;
            }
        };
        parkings.end();
        turn
    }

    /// The straight line: spans, batch, lane, component, commit.
    async fn step(&mut self, intake: &mut Intake, parkings: &mut Parkings) -> Result<(), Turn> {
        let next = tokio::select! {
            biased;
            _ = self.orders.changed() => return Err(Turn::Ordered),
            next = intake.next(self.pace.bounds(), *self.spans_max) => next,
        };
        let batch = match next {
            Next::Batch(batch) => batch,
            Next::Idle => return self.idle(parkings).await,
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
        let mut overlay = Overlay::new(self.store.snapshot(seat.claim(), seat.space()), self.settings.writes)
            .knowing(seat.recent(&guard, self.checkpoint.generation));
        if self.settings.observer.is_some() {
            overlay = overlay.keeping_before();
        }
        let WorkerSettings { on_reject, parking, .. } = self.settings;
        let policy = Policy { on_reject: *on_reject, parking, resolutions: &self.checkpoint.resolutions, named: false };
        let held = match parking {
            Parking::Event => Arc::default(),
            Parking::Key(_) => seat.held(self.store).await?,
        };
        let fresh = self.overtimes.is_some();
        self.known.component = Some(seat.processor.code().component);
        tracing::debug!(from = %batch.from(), events = batch.len(), spans = batch.spans().len(), "processing");
        let began = Instant::now();
        let bounds = self.pace.bounds();
        failpoint::reach("before-process");
        let applied = match apply(&mut seat.processor, &batch, overlay, bounds, policy, held, fresh).await {
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
        self.pace.took(batch.len(), applied.took);
        let claim = seat.claim().clone();
        let code = applied.computed.then(|| seat.processor.code());
        let step = self.advance(&batch);
        let durability = self.durability(&applied);
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
                applying: began.elapsed(),
                committing: Duration::ZERO,
            };
            (observer, committed, Instant::now())
        });
        let (writes, put_aside, skipped) = (overlay.into_writes(), Parked::of(&aside.parked), aside.skipped);
        let parked = put_aside.events;
        let (processor, written) = (claim.processor.name.clone(), writes.len() as u64);
        self.strain.look(&processor, &batch, &writes, self.settings.writes);
        tracing::debug!(
            generation = step.from_generation,
            writes = written,
            parked,
            skipped,
            fuel = cost.fuel,
            "committing"
        );
        let commit = Commit { writes, parked: aside.parked, code, durability, ..Commit::of_step(claim, guard, step) };
        let made = seat.commit(self.store, commit).await;
        drop(seat);
        if let Err(failure) = made {
            return self.uncommitted(processor, failure, batch, intake);
        }
        failpoint::reach("after-reply");
        parkings.add(put_aside);

        if let Some((observer, committed, began)) = seen {
            observer.committed(Committed { committing: began.elapsed(), ..committed });
        }
        self.committed(&batch);
        tracing::debug!(generation = self.checkpoint.generation, to = %batch.to(), "committed");
        let events = batch.len() as u64;
        self.monitor.send_modify(|seen| seen.add(self.checkpoint.clone(), events, written, parked, cost));
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
    async fn idle(&mut self, parkings: &mut Parkings) -> Result<(), Turn> {
        parkings.say();
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
        if self.monitor.send_if_modified(|seen| !std::mem::replace(&mut seen.idle, true)) {
            self.lane.rest();
        }
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
        failpoint::reach("before-finish");
        seat.commit(self.store, commit).await?;
        drop(seat);
        failpoint::reach("after-finish");
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
            let (failure, component) = (failure.clone(), self.known.component);
            observer.failed(Failed { processor, batch, failure, culprit, component });
        }
        Err(Turn::Failed(failure, error))
    }

    /// Does what a batch that was not committed asks for. Where it only has no room it becomes smaller, so that all is
    /// committed up to the span that does not fit.
    fn uncommitted(
        &mut self,
        processor: ProcessorName,
        failure: Failure,
        batch: Arc<Batch>,
        intake: &mut Intake,
    ) -> Result<(), Turn> {
        if failure.kind != FailureKind::Full {
            return Err(failure.into());
        }
        let unapplied = match batch.spans().len() {
            0 | 1 => Unapplied::Refused(Refusal::Host(resumable(failure))),
            spans => Unapplied::Smaller { spans: spans / 2 },
        };
        self.unapplied(processor, unapplied, batch, intake)
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
