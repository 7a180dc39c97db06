//! Requests of operators, executed in the processor's lanes, between two batches.

use tidemill_pipeline::{Failure, FailureKind, Stage, failpoint, retry_parked};
use tidemill_store::{Outcome, Request, RequestKind};

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

/// Each parked event is given to the component alone and settled in a commit of its own. After a crash the
/// request is executed again, and finds those that were settled gone.
async fn retry(running: &Running, request: &Request, numbers: &[i64]) -> Result<Outcome, Failure> {
    let processor = &running.claim.processor;
    let (mut applied, mut gone, mut refused) = (0, Vec::new(), Vec::new());
    for number in numbers {
        if !running.store.is_pending(request.id).await? {
            let cause = format!("the request was taken back after {applied} of {} events", numbers.len());
            return Err(Failure::new(FailureKind::Fenced, Stage::Process, cause));
        }
        let parked = running.store.parked(*number).await?;
        let Some(parked) = parked.filter(|parked| parked.processor == *processor) else {
            gone.push(format!("{processor} has no parked event {number}"));
            continue;
        };
        let lane = running.lane(&parked.event.id.key);
        let mut seat = lane.enter().await;
        match retry_parked(&mut seat, &running.store, &parked.event, running.config.limits.writes).await {
            Ok(commit) => {
                seat.commit(&running.store, commit).await?;
                applied += 1;
            }
            Err(failure) if matches!(failure.kind, FailureKind::Fenced | FailureKind::Superseded) => {
                return Err(failure);
            }
            Err(failure) => refused.push(format!("{number} stays parked: {}", failure.cause)),
        }
    }
    let said = |more: &[String]| [&[format!("{applied} applied")], more].concat().join("; ");
    let outcome = if !numbers.is_empty() && gone.len() == numbers.len() {
        let hint = "look at them with `tidemill parked list`; what was applied is gone from it".to_owned();
        Outcome::Refused { cause: said(&gone), hint: Some(hint) }
    } else if refused.is_empty() {
        Outcome::Done(said(&gone))
    } else {
        let hint = "give the processor a component that can apply it, or `tidemill parked drop` it".to_owned();
        refused.extend(gone);
        Outcome::Refused { cause: said(&refused), hint: Some(hint) }
    };
    failpoint::reach("before-answer");
    running.store.answer(request.id, outcome.clone()).await?;
    Ok(outcome)
}
