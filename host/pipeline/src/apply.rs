//! Applying a batch: the component is called, and if it rejects, the event that it cannot apply is found.
//!
//! A batch of several spans is one call. If that call is rejected, the batch becomes smaller, until a span stands
//! alone. A span alone is applied piece by piece over one overlay, on fresh instances, and a piece that is rejected
//! becomes smaller until an event stands alone: only then is it the culprit. If all pieces pass, nothing was
//! poison; it was the whole that cost too much.

use std::{collections::HashMap, future::poll_fn, ops::Range, sync::Arc, task::Poll};

use crate::{
    Batch, BatchBounds, Call, Cost, Digest, EventRef, Failure, FailureKind, LastError, Overlay, ParkedEvent, ParkedId,
    Processed, Processor, Refusal, RejectPolicy, Rejection, RejectionCause, Resolution, Span, Stage,
};

/// Events of a span that are named when they are left out; the others are only counted.
const SKIPS_NAMED: u64 = 100;
/// Events that are put aside without a call before other tasks get their turn.
const FAULTS_AT_ONCE: usize = 256;

/// What a batch came to.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) overlay: Overlay,
    pub(crate) aside: Aside,
    pub(crate) cost: Cost,
    /// Whether a component was asked.
    pub(crate) computed: bool,
}

/// The events that the policy put aside or left out.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    pub(crate) parked: Vec<ParkedEvent>,
    /// Where each payload of the span stands in `parked`.
    places: HashMap<Digest, usize>,
    pub(crate) skipped: u64,
}

impl Applied {
    fn new(overlay: Overlay) -> Self {
        Self { overlay, aside: Aside::default(), cost: Cost::default(), computed: false }
    }
}

impl Aside {
    fn park(&mut self, event: ParkedEvent) {
        let place = *self.places.entry(event.id.payload).or_insert(self.parked.len());
        match self.parked.get_mut(place) {
            Some(known) => known.copies += 1,
            None => self.parked.push(event),
        }
    }

    fn skip(&mut self, event: &ParkedEvent) {
        self.skipped += 1;
        if self.skipped <= SKIPS_NAMED {
            tracing::warn!(payload = %event.id.payload.short(), reason = %event.reason, "an event was left out");
        }
    }

    fn report(&self) {
        if self.skipped > SKIPS_NAMED {
            tracing::warn!(
                events = self.skipped,
                named = SKIPS_NAMED,
                "more events of one span were left out than are named"
            );
        }
    }

    /// How many events were put aside.
    pub(crate) fn parked_events(&self) -> u64 {
        self.parked.iter().map(|parked| u64::from(parked.copies)).sum()
    }
}

/// Why a batch was not applied.
#[derive(Debug)]
pub(crate) enum Unapplied {
    /// Try again with the batch's first spans only.
    Smaller { spans: usize },
    /// The wall clock was met.
    Overtime(Failure),
    /// Something else: see the failure. With the event that it was about, if it was about one.
    Failed(Failure, Option<Box<LastError>>),
}

/// What happens to the events that are rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) on_reject: RejectPolicy,
    pub(crate) resolutions: &'a [Resolution],
}

impl Policy<'_> {
    fn of(&self, event: &ParkedId) -> RejectPolicy {
        let decided = self.resolutions.iter().find(|resolution| resolution.event == *event);
        decided.map_or(self.on_reject, |decided| decided.policy)
    }
}

/// Applies a batch over an overlay.
pub(crate) async fn apply<P: Processor>(
    processor: &mut P,
    batch: &Arc<Batch>,
    overlay: Overlay,
    bounds: BatchBounds,
    policy: Policy<'_>,
    fresh: bool,
) -> Result<Applied, Unapplied> {
    match batch.spans() {
        _ if batch.is_empty() => Ok(Applied::new(overlay)),
        [_] => {
            let aside = Aside::default();
            Pieces { processor, batch, bounds, policy, fresh, aside, cost: Cost::default(), computed: false }
                .run(overlay)
                .await
        }
        spans => {
            let sizes: Vec<usize> = spans.iter().map(Span::len).collect();
            whole(processor, batch, overlay, &sizes, fresh).await
        }
    }
}

/// Several spans in one call.
async fn whole<P: Processor>(
    processor: &mut P,
    batch: &Arc<Batch>,
    overlay: Overlay,
    sizes: &[usize],
    fresh: bool,
) -> Result<Applied, Unapplied> {
    let smaller = |spans: usize| Unapplied::Smaller { spans: spans.clamp(1, sizes.len() - 1) };
    if let Some(index) = batch.events().position(|event| event.fault().is_some()) {
        return Err(smaller(spans_before(sizes, index)));
    }
    let call = Call { batch: Arc::clone(batch), events: 0..batch.len(), overlay, fresh };
    let Processed { overlay, result } = processor.process(call).await;
    match result {
        Ok(cost) => Ok(Applied { cost, computed: true, ..Applied::new(overlay.ok_or_else(lost)?) }),
        Err(Refusal::Rejected(rejection)) => {
            Err(smaller(rejection.index.map_or(sizes.len() / 2, |index| spans_before(sizes, index))))
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

/// How many whole spans come before an event.
fn spans_before(sizes: &[usize], index: usize) -> usize {
    let ends = sizes.iter().scan(0, |end, size| {
        *end += size;
        Some(*end)
    });
    ends.take_while(|end| *end <= index).count()
}

/// One span, piece by piece.
struct Pieces<'a, P> {
    processor: &'a mut P,
    batch: &'a Arc<Batch>,
    bounds: BatchBounds,
    policy: Policy<'a>,
    fresh: bool,
    aside: Aside,
    cost: Cost,
    computed: bool,
}

impl<P: Processor> Pieces<'_, P> {
    async fn run(mut self, mut overlay: Overlay) -> Result<Applied, Unapplied> {
        let (mut at, mut size) = (0, self.bounds.events_max);
        while let Some(event) = self.batch.range(at..at + 1).next() {
            if let Some(reason) = event.fault() {
                let (cause, reason) = (RejectionCause::Undeliverable, reason.to_owned());
                self.set_aside(at, Rejection { cause, index: None, reason, backtrace: None })?;
                (at, size) = (at + 1, self.bounds.events_max);
                if at % FAULTS_AT_ONCE == 0 {
                    let_others_run().await;
                }
                continue;
            }
            let piece = at..self.end(at, size);
            let result;
            (overlay, result) = self.call(piece.clone(), overlay).await?;
            match result {
                Ok(()) => at = piece.end,
                Err(rejection) if piece.len() > 1 => {
                    self.fresh = true;
                    size = rejection.index.map_or(piece.len() / 2, |index| index.clamp(1, piece.len() - 1));
                }
                // Not yet the culprit: a reused instance may carry something that a fresh one does not.
                Err(_) if !self.fresh => self.fresh = true,
                Err(rejection) => {
                    self.set_aside(at, rejection)?;
                    (at, size) = (at + 1, self.bounds.events_max);
                }
            }
        }
        self.aside.report();
        Ok(Applied { overlay, aside: self.aside, cost: self.cost, computed: self.computed })
    }

    /// The end of a piece of at most `size` events and the batch's bound of bytes, before the next event that cannot
    /// be delivered; at least one event.
    fn end(&self, at: usize, size: usize) -> usize {
        let mut bytes = 0;
        let fit = self.batch.range(at..at.saturating_add(size)).take_while(|event| {
            bytes += event.data().len();
            bytes <= self.bounds.bytes_max && event.fault().is_none()
        });
        at + fit.count().max(1)
    }

    async fn call(
        &mut self,
        events: Range<usize>,
        overlay: Overlay,
    ) -> Result<(Overlay, Result<(), Rejection>), Unapplied> {
        let call = Call { batch: Arc::clone(self.batch), events, overlay, fresh: self.fresh };
        let Processed { overlay, result } = self.processor.process(call).await;
        self.computed = true;
        match result {
            Ok(cost) => {
                self.cost.fuel += cost.fuel;
                self.cost.memory_bytes = self.cost.memory_bytes.max(cost.memory_bytes);
                Ok((overlay.ok_or_else(lost)?, Ok(())))
            }
            Err(Refusal::Rejected(rejection)) => Ok((overlay.ok_or_else(lost)?, Err(rejection))),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    /// Does with an event that was rejected alone what the policy says.
    fn set_aside(&mut self, index: usize, rejection: Rejection) -> Result<(), Unapplied> {
        let event = self.batch.range(index..index + 1).next().expect("the index is within the batch");
        let parked = self.parked(&event, rejection);
        match self.policy.of(&parked.id) {
            RejectPolicy::Halt => return Err(halted(parked, index)),
            RejectPolicy::Skip => self.aside.skip(&parked),
            RejectPolicy::Park => self.aside.park(parked),
        }
        Ok(())
    }

    fn parked(&self, event: &EventRef<'_>, rejection: Rejection) -> ParkedEvent {
        let undeliverable = rejection.cause == RejectionCause::Undeliverable;
        ParkedEvent {
            id: ParkedId {
                key: self.batch.key().clone(),
                span_from: self.batch.from().clone(),
                payload: Digest::of(event.data().as_bytes()),
            },
            copies: 1,
            payload: event.data().to_value(),
            metadata: event.metadata().cloned(),
            cause: rejection.cause.as_str().to_owned(),
            reason: rejection.reason,
            backtrace: rejection.backtrace,
            component: (!undeliverable).then(|| self.processor.code().component),
        }
    }
}

fn halted(parked: ParkedEvent, index: usize) -> Unapplied {
    let cause = format!("event {} after {}: {}: {}", index + 1, parked.id.span_from, parked.cause, parked.reason);
    let failure = Failure::new(FailureKind::Rejected, Stage::Process, cause).hint(
        "give the processor a component that can apply it and `tidemill resume` it, or settle this event with `tidemill resume --park` or `--skip`",
    );
    let error = LastError { event: Some(parked.id), backtrace: parked.backtrace, ..LastError::of(&failure) };
    Unapplied::Failed(failure, Some(Box::new(error)))
}

fn refused(refusal: Refusal) -> Unapplied {
    let failure = match refusal {
        Refusal::Retry { after, reason } => {
            Failure::unavailable(Stage::Process, format!("the component asks to be called again: {reason}"))
                .after(Some(after))
        }
        Refusal::Halt { reason } => {
            let failure = Failure::new(FailureKind::Halted, Stage::Process, format!("the component halted: {reason}"));
            failure.hint("look at the reason, then `tidemill resume`")
        }
        Refusal::Overtime { limit } => {
            let cause = format!("a call took longer than its {limit:?} (limits.call-time)");
            return Unapplied::Overtime(Failure::unavailable(Stage::Process, cause));
        }
        Refusal::Host(failure) => failure,
        // Callers look for rejections themselves.
        Refusal::Rejected(rejection) => Failure::new(FailureKind::Rejected, Stage::Process, rejection.reason),
    };
    Unapplied::Failed(failure, None)
}

fn lost() -> Unapplied {
    Unapplied::Failed(Failure::unavailable(Stage::Process, "a call of the component was lost"), None)
}

/// Gives the other tasks of this thread a turn.
async fn let_others_run() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
