//! Retrying a parked event: the component is given the event alone, and its writes and the end of the parking are
//! one commit.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Batch, Call, Commit, Cursor, Durability, Event, Failure, FailureKind, Overlay, ParkedEvent, Processed, Processor,
    Refusal, Seat, Span, Stage, StateSpace, Store, Value, WriteBounds, failpoint,
};

/// Gives a parked event to the component once more. The commit that comes of it is the caller's to make, in the
/// same stay in the lane.
///
/// # Errors
/// When the component refuses the event again: it stays parked. Or when the host cannot do its part.
pub async fn retry_parked<P: Processor, T: Store>(
    seat: &mut Seat<P>,
    store: &T,
    event: &ParkedEvent,
    bounds: WriteBounds,
) -> Result<Commit, Failure> {
    let guard = seat.guard(store).await?;
    let space = match seat.space() {
        StateSpace::Shared => StateSpace::Shared,
        StateSpace::Partition(_) => StateSpace::Partition(event.id.key.clone()),
    };
    let overlay = Overlay::new(store.snapshot(seat.claim(), &space), bounds);
    let batch = Arc::new(Batch::new(event.id.key.clone(), span_of(event)?));
    let events = 0..batch.len();
    let Processed { overlay, result, .. } = seat.processor.process(Call { batch, events, overlay, fresh: true }).await;
    let refused = |cause: String| Failure::new(FailureKind::Rejected, Stage::Process, cause);
    result.map_err(|refusal| match refusal {
        Refusal::Rejected(rejection) => refused(format!("{}: {}", rejection.cause.as_str(), rejection.reason)),
        Refusal::Retry { reason, .. } => {
            Failure::unavailable(Stage::Process, format!("the component asks to be called again: {reason}"))
        }
        Refusal::Halt { reason } => refused(format!("the component halted: {reason}")),
        Refusal::Overtime { limit } => {
            Failure::unavailable(Stage::Process, format!("the call took longer than its {limit:?}"))
        }
        Refusal::Host(failure) => failure,
    })?;
    let writes =
        overlay.map(Overlay::into_writes).ok_or_else(|| Failure::unavailable(Stage::Process, "the call was lost"))?;
    failpoint::reach("retry-processed");
    let (settled, durability) = (vec![event.id.clone()], Durability::Full);
    Ok(Commit { writes, settled, durability, ..Commit::nothing(seat.claim().clone(), guard) })
}

/// A parked event as a span of its own, as often as it was parked.
///
/// # Errors
/// When its payload is larger than a span may be.
pub fn span_of(event: &ParkedEvent) -> Result<Span, Failure> {
    let length = u32::try_from(event.payload.len())
        .map_err(|_| Failure::broken(Stage::Process, "the payload is larger than a span may be"))?;
    let one = match &event.payload {
        Value::Text(_) => Event::text(0..length),
        Value::Bytes(_) => Event::bytes(0..length),
    };
    let one = one.with_metadata(event.metadata.clone().unwrap_or_default());
    let copies = vec![one; event.copies as usize];
    let body = Bytes::copy_from_slice(event.payload.as_ref().as_bytes());
    // The component never sees a cursor, and nothing is moved: where the span ends does not matter.
    let to = Cursor::new("parked").map_err(|error| Failure::broken(Stage::Process, error.to_string()))?;
    Ok(Span::new(event.id.span_from.clone(), to, body, copies))
}
