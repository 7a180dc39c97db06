//! Requests of operators, executed in the processor's lanes, between two batches.

use std::collections::HashSet;

use tidemill_pipeline::{Failure, FailureKind, Retried, Stage, failpoint, retry_parked};
use tidemill_store::{Outcome, Parked, Request, RequestKind};

use super::running::Running;

/// Executes a request. If that fails it stays in the database, and the desk comes with it again.
pub(super) async fn execute(running: &Running, request: Request) {
    let (processor, what) = (&running.claim.processor.name, request.kind.as_str().to_owned());
    match outcome(running, &request).await {
        Ok(outcome) => {
            tracing::info!(%processor, what, ?outcome, "a request was executed");
            if matches!(request.kind, RequestKind::Reset { .. } | RequestKind::ResetPartition { .. }) {
                running.plan_anew();
            }
        }
        // It was answered or taken back in between: there is nothing to do.
        Err(failure) if failure.kind == FailureKind::Fenced => {}
        Err(failure) => tracing::warn!(%processor, what, cause = %failure.cause, "a request could not be executed"),
    }
}

/// Executes a request and says what became of it.
pub(super) async fn outcome(running: &Running, request: &Request) -> Result<Outcome, Failure> {
    match &request.kind {
        RequestKind::RetryParked { parked } => retry(running, request, parked).await,
        RequestKind::Pause { .. }
        | RequestKind::Resume { .. }
        | RequestKind::Reset { .. }
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

/// Parked events of a queue that are given to the component together.
const TOGETHER_MAX: usize = 1_000;

/// What came of the parked events of a request.
#[derive(Debug, Default)]
struct Tally {
    applied: HashSet<i64>,
    gone: Vec<String>,
    refused: Vec<String>,
    /// Those that were asked for and stand behind another one of their key.
    behind: Vec<(i64, i64)>,
    /// What can be done where there was no room for what they write.
    room: Option<String>,
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
    let (limits, mut next, mut together_max) = (running.config.limits, Some(first), TOGETHER_MAX);
    while let Some(number) = next.take() {
        if !running.store.is_pending(request.id).await? {
            let cause = format!("the request was taken back after {} events", tally.applied.len());
            return Err(Failure::new(FailureKind::Fenced, Stage::Process, cause));
        }
        let Some(parked) = running.store.parked(number).await? else { break };
        let lane = running.lane(&parked.event.id.key);
        let mut seat = lane.enter().await;
        // Read in the lane: nobody puts anything behind it meanwhile.
        let queue = running.store.parked_queue(number, together_max, running.config.batch.bytes_max).await?;
        let events: Vec<_> = queue.iter().map(|parked| parked.event.clone()).collect();
        let retried = retry_parked(&mut seat, &running.store, &events, running.config.batch, limits.writes).await;
        let refused = match retried {
            Ok(Retried { commit, applied, refused }) => match seat.commit(&running.store, commit).await {
                Ok(()) => {
                    tally.applied.extend(queue.iter().take(applied).map(|parked| parked.number));
                    refused.map(|failure| (applied, failure))
                }
                // Fewer of them may have room: what they settle makes some.
                Err(failure) if failure.kind == FailureKind::Full && applied > 1 => {
                    (together_max, next) = (applied / 2, Some(number));
                    continue;
                }
                Err(failure) if failure.kind == FailureKind::Full => {
                    tally.room.clone_from(&failure.hint);
                    Some((0, failure))
                }
                Err(failure) => return Err(failure),
            },
            Err(failure) if matches!(failure.kind, FailureKind::Fenced | FailureKind::Superseded) => {
                return Err(failure);
            }
            Err(failure) => Some((0, failure)),
        };
        if let Some((place, failure)) = refused {
            let number = queue.get(place).map_or(number, |parked| parked.number);
            tally.refused.push(format!("{number} stays parked: {}", failure.cause));
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
        let only_behind = self.refused.is_empty();
        self.refused.extend(behind);
        if self.refused.is_empty() {
            return Outcome::Done(said(&self.gone));
        }
        let hint = if only_behind {
            "retry the first of a key: those behind it follow"
        } else {
            "give the processor a component that can apply it, or `tidemill parked drop` it"
        };
        let hint = self.room.unwrap_or_else(|| hint.to_owned());
        self.refused.extend(self.gone);
        Outcome::Refused { cause: said(&self.refused), hint: Some(hint) }
    }
}
