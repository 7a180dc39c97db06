//! Requests of operators, executed in the processor's lanes, between two batches.

use std::collections::HashSet;

use tidemill_pipeline::{Failure, FailureKind, Fields, ProcessorName, Retried, Stage, failpoint, retry_parked};
use tidemill_store::{Outcome, Parked, Request, RequestKind};

use super::running::Running;

/// Executes a request. If that fails it stays in the database, and the desk comes with it again.
pub(super) async fn execute(running: &Running, request: Request) {
    let (processor, what) = (&running.claim.processor.name, request.kind.as_str().to_owned());
    match outcome(running, &request).await {
        Ok(outcome) => {
            say(processor, &what, &outcome);
            if matches!(request.kind, RequestKind::Reset { .. } | RequestKind::ResetPartition { .. }) {
                running.plan_anew();
            }
        }
        // It was answered or taken back in between: there is nothing to do.
        Err(failure) if failure.kind == FailureKind::Fenced => {}
        Err(failure) => tracing::warn!(%processor, what, cause = %failure.cause, "a request could not be executed"),
    }
}

/// Says in the log what became of a request.
pub(super) fn say(processor: &ProcessorName, what: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Done(done) => tracing::info!(%processor, what, done, "a request was executed"),
        Outcome::Refused { cause, hint } => {
            tracing::warn!(%processor, what, %cause, hint = hint.as_deref(), "a request was refused");
        }
    }
}

/// Executes a request and gives what became of it.
pub(super) async fn outcome(running: &Running, request: &Request) -> Result<Outcome, Failure> {
    match &request.kind {
        RequestKind::RetryParked { parked } => retry(running, request, parked).await,
        RequestKind::Pause { .. }
        | RequestKind::Resume { .. }
        | RequestKind::Reset { .. }
        // The desk keeps it from a processor that runs.
        | RequestKind::Remove
        | RequestKind::ResetPartition { .. }
        | RequestKind::AcceptFeedChange { .. }
        | RequestKind::DropParked { .. }
        | RequestKind::Unknown(_) => in_lanes(running, request).await,
    }
}

/// In every lane at once: nothing of the processor runs meanwhile.
async fn in_lanes(running: &Running, request: &Request) -> Result<Outcome, Failure> {
    let lanes = running.lanes();
    let mut seats = Vec::with_capacity(lanes.len());
    for lane in &lanes {
        seats.push(lane.enter().await);
    }
    failpoint::reach("before-request");
    let outcome = running.store.execute(&running.claim, request.id).await;
    failpoint::reach("after-request");
    for seat in &mut seats {
        seat.forget();
    }
    outcome
}

/// Parked events of a queue that are given to the component together, at most.
const TOGETHER_MAX: usize = 1_000;

/// How many parked events of a queue are given to the component together now.
#[derive(Debug)]
struct Together(usize);

impl Together {
    /// What so many wrote had no room: half of them are tried.
    fn shrink(&mut self, applied: usize) {
        self.0 = (applied / 2).max(1);
    }

    /// They had room: of those behind them twice as many may have, too.
    fn grow(&mut self) {
        self.0 = self.0.saturating_mul(2).min(TOGETHER_MAX);
    }
}

/// What can be done where the component refuses an event.
const UNAPPLIED: &str = "give the processor a component that can apply it, or `tidemill parked drop` it";

/// What came of the parked events of a request.
#[derive(Debug, Default)]
struct Tally {
    applied: HashSet<i64>,
    gone: Vec<String>,
    refused: Vec<String>,
    /// Those that were asked for and stand behind another one of their key.
    behind: Vec<(i64, i64)>,
    /// What can be done about those that were refused.
    ways_out: Vec<String>,
}

/// Each parked event is given to the component again, with those behind it in its queue, and settled in the commit of its
/// writes. After a crash the request is executed again, and finds those that were settled gone.
async fn retry(running: &Running, request: &Request, numbers: &[i64]) -> Result<Outcome, Failure> {
    let processor = &running.claim.processor;
    let mut tally = Tally::default();
    for &number in numbers {
        // It stood behind one before it.
        if tally.applied.contains(&number) {
            continue;
        }
        let parked = running.store.parked(number).await?;
        match parked.filter(|parked| parked.processor == *processor) {
            None => tally.gone.push(format!("{processor} has no parked event {number}")),
            Some(Parked { waits_for: Some(first), .. }) => tally.behind.push((number, first)),
            Some(_) => retry_queue(running, request, number, &mut tally).await?,
        }
    }
    let outcome = tally.outcome();
    failpoint::reach("before-answer");
    running.store.answer(request.id, outcome.clone()).await?;
    Ok(outcome)
}

/// A parked event and those behind it, until one is refused or none is left.
async fn retry_queue(running: &Running, request: &Request, first: i64, tally: &mut Tally) -> Result<(), Failure> {
    let (limits, mut next, mut together) = (running.config.limits, Some(first), Together(TOGETHER_MAX));
    while let Some(number) = next.take() {
        if !running.store.is_pending(request.id).await? {
            let cause = format!("the request was taken back after {} events", tally.applied.len());
            return Err(Failure::new(FailureKind::Fenced, Stage::Process, cause));
        }
        let Some(parked) = running.store.parked(number).await? else { break };
        let lane = running.lane(&parked.event.id.key);
        let mut seat = lane.enter().await;
        // Read in the lane: nobody puts anything behind it meanwhile.
        let queue = running.store.parked_queue(number, together.0, running.config.batch.bytes_max).await?;
        let events: Vec<_> = queue.iter().map(|parked| parked.event.clone()).collect();
        let (fields, bounds) = (running.config.fields.as_ref().map(Fields::new), running.config.batch);
        let retried = retry_parked(&mut seat, &running.store, &events, fields.as_ref(), bounds, limits.writes).await;
        let refused = match retried {
            Ok(Retried { commit, applied, refused }) => match seat.commit(&running.store, commit).await {
                Ok(()) => {
                    together.grow();
                    tally.applied.extend(queue.iter().take(applied).map(|parked| parked.number));
                    refused.map(|failure| (applied, failure))
                }
                // Fewer of them may have room: what they settle makes some.
                Err(failure) if failure.kind == FailureKind::Full && applied > 1 => {
                    together.shrink(applied);
                    next = Some(number);
                    continue;
                }
                Err(failure) if failure.kind == FailureKind::Full => Some((0, failure)),
                Err(failure) => return Err(failure),
            },
            Err(failure) if matches!(failure.kind, FailureKind::Fenced | FailureKind::Superseded) => {
                return Err(failure);
            }
            Err(failure) => Some((0, failure)),
        };
        if let Some((place, failure)) = refused {
            let number = queue.get(place).map_or(number, |parked| parked.number);
            tally.refuse(number, &failure);
        } else if let Some(key) = &parked.event.key {
            next = running
                .store
                .parked_first(&running.claim.processor, &parked.event.id.key.feed, seat.space(), key)
                .await?;
        }
    }
    Ok(())
}

impl Tally {
    fn refuse(&mut self, number: i64, failure: &Failure) {
        self.refused.push(format!("{number} stays parked: {}", failure.cause));
        let way_out = match (failure.kind, &failure.hint) {
            (FailureKind::Full, Some(hint)) => format!("{hint}; then retry it again"),
            (_, _) => UNAPPLIED.to_owned(),
        };
        if !self.ways_out.contains(&way_out) {
            self.ways_out.push(way_out);
        }
    }

    fn outcome(mut self) -> Outcome {
        let applied = self.applied.len();
        // What was asked for and was applied on the way, behind another one, is done.
        self.behind.retain(|(number, _)| !self.applied.contains(number));
        let behind = match self.behind.as_slice() {
            [] => None,
            [(number, first)] => Some(format!("{number} waits for {first}, which has the same key")),
            [.., (_, first)] => Some(format!("{} wait for others with their keys, such as {first}", self.behind.len())),
        };
        let said = |more: &[String]| [&[format!("{applied} applied")], more].concat().join("; ");
        if applied == 0 && self.refused.is_empty() && behind.is_none() && !self.gone.is_empty() {
            let hint = "look at them with `tidemill parked list`; what was applied is gone from it".to_owned();
            return Outcome::Refused { cause: said(&self.gone), hint: Some(hint) };
        }
        self.refused.extend(behind);
        if self.refused.is_empty() {
            return Outcome::Done(said(&self.gone));
        }
        // The one that ends with what to do next comes last.
        self.ways_out.sort_by_key(|way_out| way_out != UNAPPLIED);
        let hint = match self.ways_out.as_slice() {
            [] => "retry the first of a key: those behind it follow".to_owned(),
            ways_out => ways_out.join("; or "),
        };
        self.refused.extend(self.gone);
        Outcome::Refused { cause: said(&self.refused), hint: Some(hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Failure {
        Failure::new(FailureKind::Full, Stage::Commit, "no room").hint("raise quotas.stored-rows")
    }

    fn hint(refused: &[(i64, Failure)]) -> String {
        let mut tally = Tally::default();
        for (number, failure) in refused {
            tally.refuse(*number, failure);
        }
        match tally.outcome() {
            Outcome::Refused { hint, .. } => hint.unwrap(),
            Outcome::Done(done) => panic!("{done}"),
        }
    }

    #[test]
    fn a_retry_without_room_says_how_to_make_some_and_does_not_hide_what_helps_the_others() {
        let rejected = Failure::new(FailureKind::Rejected, Stage::Process, "trap");
        assert_eq!(hint(&[(1, rejected.clone())]), UNAPPLIED);
        assert_eq!(hint(&[(1, full())]), "raise quotas.stored-rows; then retry it again");
        let both = format!("{UNAPPLIED}; or raise quotas.stored-rows; then retry it again");
        for order in [[rejected.clone(), full(), full()], [full(), rejected.clone(), rejected]] {
            let refused: Vec<_> = (1..).zip(order).collect();
            assert_eq!(hint(&refused), both);
        }
    }

    #[test]
    fn parked_events_that_have_no_room_together_are_tried_in_halves_and_after_a_commit_in_twice_as_many() {
        let mut together = Together(TOGETHER_MAX);
        together.shrink(TOGETHER_MAX);
        together.shrink(TOGETHER_MAX / 2);
        assert_eq!(together.0, TOGETHER_MAX / 4);
        let grown = [0; 3].map(|_| {
            together.grow();
            together.0
        });
        assert_eq!(grown, [TOGETHER_MAX / 2, TOGETHER_MAX, TOGETHER_MAX]);
        together.shrink(1);
        assert_eq!(together.0, 1);
    }
}
