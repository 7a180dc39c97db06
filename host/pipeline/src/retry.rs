//! Retrying parked events: the component is given one alone, or those of a queue in their order, and its writes and the
//! end of the parking are one commit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    Batch, BatchBounds, Call, Commit, Cursor, Durability, Event, Failure, FailureKind, Fields, Overlay, ParkedEvent,
    Processed, Processor, Refusal, Seat, Settled, Span, Stage, StateSpace, Store, Value, WriteBounds, failpoint,
};

/// What a retry came to.
#[derive(Debug)]
pub struct Retried {
    /// The commit that settles those that were applied. It is the caller's to make, in the same stay in the lane.
    pub commit: Commit,
    /// How many of the parked events it settles, the first ones of those given; at least one. The others may be tried next.
    pub applied: usize,
    /// Why the one behind them was refused, if it was.
    pub refused: Option<Failure>,
}

/// Gives a parked event to the component once more, or events of one queue, the first first, until one is refused.
///
/// # Errors
/// When the component refuses the first: it stays parked. Or when the host cannot do its part.
pub async fn retry_parked<P: Processor, T: Store>(
    seat: &mut Seat<P>,
    store: &T,
    events: &[ParkedEvent],
    fields: Option<&Fields>,
    bounds: BatchBounds,
    writes: WriteBounds,
) -> Result<Retried, Failure> {
    let first = events.first().ok_or_else(|| Failure::broken(Stage::Process, "there is nothing to retry"))?;
    let (key, claim) = (first.id.key.clone(), seat.claim().clone());
    let guard = seat.guard(store).await?;
    let space = match seat.space() {
        StateSpace::Shared => StateSpace::Shared,
        StateSpace::Partition(_) => StateSpace::Partition(key.clone()),
    };
    // The component is told the partition. And one with copies is applied as a whole or not at all.
    let fits = |event: &&ParkedEvent| event.copies == 1 && event.id.key == key;
    let together = events.iter().take_while(fits).count().max(1);
    let events = events.get(..together).unwrap_or_default();
    let overlay = Overlay::new(store.snapshot(&claim, &space), writes);
    let batch = Arc::new(Batch::new(key, spans_of(events)?.picked(fields)));
    let (overlay, passed, refused) = pieces(seat, &batch, overlay, bounds).await?;
    let applied = if passed == batch.len() { events.len() } else { passed * usize::from(first.copies == 1) };
    match (applied, refused) {
        (0, Some(refused)) => Err(refused),
        (applied, refused) => {
            failpoint::reach("retry-processed");
            let settled = events.iter().take(applied).map(Settled::from).collect();
            // Over a partition's own state the commit compares no generation: what was read says nothing of what it replaces.
            let (writes, durability) = (overlay.into_writes().made(), Durability::Full);
            let commit = Commit { writes, settled, durability, ..Commit::nothing(claim, guard) };
            Ok(Retried { commit, applied, refused })
        }
    }
}

/// Applies the events of a batch in their order, in pieces that become smaller, until one is refused alone: says how
/// many passed.
async fn pieces<P: Processor>(
    seat: &mut Seat<P>,
    batch: &Arc<Batch>,
    mut overlay: Overlay,
    bounds: BatchBounds,
) -> Result<(Overlay, usize, Option<Failure>), Failure> {
    let (mut at, mut size) = (0, bounds.events_max);
    while at < batch.len() {
        let mut bytes = 0;
        let fit = batch.range(at..at.saturating_add(size)).take_while(|event| {
            bytes += event.given().len();
            bytes <= bounds.bytes_max
        });
        let events = at..at + fit.count().max(1);
        let call = Call { batch: Arc::clone(batch), events: events.clone(), overlay, fresh: true };
        let Processed { overlay: left, result, .. } = seat.processor.process(call).await;
        overlay = left.ok_or_else(|| Failure::unavailable(Stage::Process, "the call was lost"))?;
        match result {
            Ok(_) => at = events.end,
            Err(Refusal::Rejected(rejection)) if events.len() > 1 => {
                size = rejection.index.map_or(events.len() / 2, |index| index.clamp(1, events.len() - 1));
            }
            Err(refusal) => return Ok((overlay, at, Some(why(refusal)))),
        }
    }
    Ok((overlay, at, None))
}

fn why(refusal: Refusal) -> Failure {
    let refused = |cause: String| Failure::new(FailureKind::Rejected, Stage::Process, cause);
    match refusal {
        Refusal::Rejected(rejection) => refused(format!("{}: {}", rejection.cause.as_str(), rejection.reason)),
        Refusal::Retry { reason, .. } => {
            Failure::unavailable(Stage::Process, format!("the component asks to be called again: {reason}"))
        }
        Refusal::Halt { reason } => refused(format!("the component halted: {reason}")),
        Refusal::Overtime { limit } => {
            Failure::unavailable(Stage::Process, format!("the call took longer than its {limit:?}"))
        }
        Refusal::Host(failure) => failure,
    }
}

/// A parked event as a span of its own, as often as it was parked.
///
/// # Errors
/// When its payload is larger than a span may be.
pub fn span_of(event: &ParkedEvent) -> Result<Span, Failure> {
    spans_of(std::slice::from_ref(event))
}

/// Parked events as one span, in their order.
fn spans_of(parked: &[ParkedEvent]) -> Result<Span, Failure> {
    let (mut body, mut events) = (BytesMut::new(), Vec::new());
    let place = |length: usize| {
        u32::try_from(length).map_err(|_| Failure::broken(Stage::Process, "the payload is larger than a span may be"))
    };
    for event in parked {
        let start = place(body.len())?;
        body.extend_from_slice(event.payload.as_ref().as_bytes());
        let data = start..place(body.len())?;
        let one = match &event.payload {
            Value::Text(_) => Event::text(data),
            Value::Bytes(_) => Event::bytes(data),
        };
        let one = one.with_metadata(event.metadata.clone().unwrap_or_default());
        events.extend(std::iter::repeat_n(one, event.copies as usize));
    }
    let first = parked.first().ok_or_else(|| Failure::broken(Stage::Process, "there is nothing to retry"))?;
    // The component never sees a cursor, and nothing is moved: where the span begins and ends does not matter.
    let to = Cursor::new("parked").map_err(|error| Failure::broken(Stage::Process, error.to_string()))?;
    Ok(Span::new(first.id.span_from.clone(), to, Bytes::from(body), events))
}
