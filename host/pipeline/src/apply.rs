//! Applying a batch: the component is called, and if it rejects, the event that it cannot apply is found.
//!
//! A batch of several spans is one call. If that call is rejected, the batch becomes smaller, until a span stands
//! alone. A span alone is applied piece by piece over one overlay, on fresh instances, and a piece that is rejected
//! becomes smaller until an event stands alone: only then is it the culprit. If all pieces pass, nothing was
//! poison; it was the whole that cost too much.
//!
//! Where order is kept by key, an event whose key is held is put behind those that hold it, and no component is asked.

use std::{future::poll_fn, ops::Range, sync::Arc, task::Poll, time::Duration};

use crate::{
    BEHIND, Batch, BatchBounds, Call, Cost, Digest, EventKey, EventRef, Failure, FailureKind, Held, LastError, Overlay,
    ParkedEvent, ParkedId, Parking, PartitionKey, Processed, Processor, ProcessorName, ReadFrom, Refusal, RejectPolicy,
    Rejected, Rejection, RejectionCause, Resolution, Span, Stage, aside::Aside, failpoint, queues::Queues,
};

/// Events that are put aside without a call before other tasks get their turn.
const UNCALLED_AT_ONCE: usize = 256;

/// What a batch came to.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) overlay: Overlay,
    pub(crate) aside: Aside,
    pub(crate) cost: Cost,
    /// How long its calls ran.
    pub(crate) took: Duration,
    /// Whether a component was asked.
    pub(crate) computed: bool,
}

impl Applied {
    fn new(overlay: Overlay) -> Self {
        Self { overlay, aside: Aside::default(), cost: Cost::default(), took: Duration::ZERO, computed: false }
    }
}

/// Why a batch was not applied.
#[derive(Debug)]
pub(crate) enum Unapplied {
    /// Try again with the batch's first spans only.
    Smaller { spans: usize },
    /// An event was rejected, and the policy stops at it.
    Rejected(Box<Rejected>),
    /// Something else, and no event is to blame for it.
    Refused(Refusal),
}

/// What happens to the events that are rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) on_reject: RejectPolicy,
    pub(crate) parking: &'a Parking,
    pub(crate) resolutions: &'a [Resolution],
    /// Whether each event that is set aside is kept by its place, for somebody who looks.
    pub(crate) named: bool,
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
    held: Arc<Held>,
    fresh: bool,
) -> Result<Applied, Unapplied> {
    let queues = Queues::new(policy.parking, held, batch);
    let aside = Aside::new(policy.named);
    match batch.spans() {
        _ if batch.is_empty() => Ok(Applied::new(overlay)),
        [_] => {
            let (cost, took) = (Cost::default(), Duration::ZERO);
            let pieces = Pieces { processor, batch, bounds, policy, queues, fresh, aside, cost, took, computed: false };
            pieces.run(overlay).await
        }
        spans => {
            let sizes: Vec<usize> = spans.iter().map(Span::len).collect();
            whole(processor, batch, Applied { aside, ..Applied::new(overlay) }, &sizes, queues, fresh).await
        }
    }
}

/// Several spans in one call, or in one between each two events that wait for their key.
async fn whole<P: Processor>(
    processor: &mut P,
    batch: &Arc<Batch>,
    mut applied: Applied,
    sizes: &[usize],
    mut queues: Queues<'_>,
    fresh: bool,
) -> Result<Applied, Unapplied> {
    let smaller = |spans: usize| Unapplied::Smaller { spans: spans.clamp(1, sizes.len() - 1) };
    let faulty = |(index, event): (usize, EventRef<'_>)| event.fault().map(|_| index);
    for index in batch.events().enumerate().filter_map(faulty) {
        if queues.waits(index).is_none() {
            return Err(smaller(spans_before(sizes, index)));
        }
    }
    let mut at = 0;
    while at < batch.len() {
        if let Some(key) = queues.waits(at) {
            put_behind(batch, at, key, &mut queues, &mut applied.aside)?;
            at += 1;
            if at % UNCALLED_AT_ONCE == 0 {
                let_others_run().await;
            }
            continue;
        }
        let events = at..queues.next(at..batch.len()).unwrap_or(batch.len());
        let call = Call { batch: Arc::clone(batch), events: events.clone(), overlay: applied.overlay, fresh };
        let Processed { overlay, result, took } = processor.process(call).await;
        applied.took += took;
        applied.computed = true;
        match result {
            Ok(cost) => applied.cost.add(cost),
            Err(Refusal::Rejected(rejection)) => {
                let culprit = rejection.index.map(|index| spans_before(sizes, at + index));
                return Err(smaller(culprit.unwrap_or(sizes.len() / 2)));
            }
            Err(refusal) => return Err(Unapplied::Refused(refusal)),
        }
        applied.overlay = overlay.ok_or_else(lost)?;
        at = events.end;
    }
    Ok(applied)
}

/// Puts an event behind those of its key.
fn put_behind(
    batch: &Batch,
    index: usize,
    key: EventKey,
    queues: &mut Queues<'_>,
    aside: &mut Aside,
) -> Result<(), Unapplied> {
    let event = batch.range(index..index + 1).next().expect("the index is within the batch");
    let reason = format!("an event before it with the key `{key}` is parked");
    queues.hold(key.clone()).map_err(|failure| Unapplied::Refused(Refusal::Host(failure)))?;
    let event = ParkedEvent { key: Some(key), ..parked(batch, index, &event, BEHIND, reason) };
    aside.take(Rejected { index, event, policy: RejectPolicy::Park });
    Ok(())
}

/// An event of a batch as it is put aside: by nobody yet, for this cause, with no key to wait for.
fn parked(batch: &Batch, index: usize, event: &EventRef<'_>, cause: &str, reason: String) -> ParkedEvent {
    ParkedEvent {
        id: ParkedId {
            key: batch.key().clone(),
            span_from: batch.span_of(index).from().clone(),
            payload: Digest::of(event.data().as_bytes()),
        },
        copies: 1,
        key: None,
        payload: event.data().to_value(),
        metadata: event.metadata().cloned(),
        cause: cause.to_owned(),
        reason,
        backtrace: None,
        component: None,
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
    queues: Queues<'a>,
    fresh: bool,
    aside: Aside,
    cost: Cost,
    took: Duration,
    computed: bool,
}

impl<P: Processor> Pieces<'_, P> {
    async fn run(mut self, mut overlay: Overlay) -> Result<Applied, Unapplied> {
        let (mut at, mut size) = (0, self.bounds.events_max);
        while let Some(event) = self.batch.range(at..at + 1).next() {
            if let Some(key) = self.queues.waits(at) {
                put_behind(self.batch, at, key, &mut self.queues, &mut self.aside)?;
                (at, size) = (at + 1, self.bounds.events_max);
                if at % UNCALLED_AT_ONCE == 0 {
                    let_others_run().await;
                }
                continue;
            }
            if let Some(reason) = event.fault() {
                let (cause, reason) = (RejectionCause::Undeliverable, reason.to_owned());
                self.set_aside(at, Rejection { cause, index: None, reason, backtrace: None })?;
                (at, size) = (at + 1, self.bounds.events_max);
                if at % UNCALLED_AT_ONCE == 0 {
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
        Ok(Applied { overlay, aside: self.aside, cost: self.cost, took: self.took, computed: self.computed })
    }

    /// The end of a piece of at most `size` events and the batch's bound of bytes, before the next event that cannot
    /// be delivered or has to wait for its key; at least one event.
    fn end(&mut self, at: usize, size: usize) -> usize {
        let mut bytes = 0;
        let most = at.saturating_add(size).min(self.batch.len());
        let most = self.queues.next(at..most).unwrap_or(most);
        let fit = self.batch.range(at..most).take_while(|event| {
            bytes += event.given().len();
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
        let Processed { overlay, result, took } = self.processor.process(call).await;
        self.took += took;
        self.computed = true;
        match result {
            Ok(cost) => {
                self.cost.add(cost);
                Ok((overlay.ok_or_else(lost)?, Ok(())))
            }
            Err(Refusal::Rejected(rejection)) => Ok((overlay.ok_or_else(lost)?, Err(rejection))),
            Err(refusal) => Err(Unapplied::Refused(refusal)),
        }
    }

    /// Does with an event that was rejected alone what the policy says.
    fn set_aside(&mut self, index: usize, rejection: Rejection) -> Result<(), Unapplied> {
        failpoint::reach("culprit-found");
        let event = self.batch.range(index..index + 1).next().expect("the index is within the batch");
        let undeliverable = rejection.cause == RejectionCause::Undeliverable;
        let mut event = ParkedEvent {
            backtrace: rejection.backtrace,
            component: (!undeliverable).then(|| self.processor.code().component),
            ..parked(self.batch, index, &event, rejection.cause.as_str(), rejection.reason)
        };
        let policy = self.policy.of(&event.id);
        if policy == RejectPolicy::Park
            && let Some(key) = self.queues.key(index)
        {
            self.queues.hold(key.clone()).map_err(|failure| Unapplied::Refused(Refusal::Host(failure)))?;
            event.key = Some(key);
        }
        let rejected = Rejected { index, event, policy };
        match policy {
            RejectPolicy::Halt => return Err(Unapplied::Rejected(Box::new(rejected))),
            RejectPolicy::Skip | RejectPolicy::Park => self.aside.take(rejected),
        }
        Ok(())
    }
}

/// The failure that a partition stops with at an event, and what is kept of it.
pub(crate) fn halted(processor: &ProcessorName, rejected: Rejected) -> (Failure, LastError) {
    let Rejected { index, event, .. } = rejected;
    let cause = format!("event {} after {}: {}: {}", index + 1, event.id.span_from, event.cause, event.reason);
    let hint = "give the processor a component that can apply it and `tidemill resume` it, or settle this event with `tidemill resume --park` or `--skip`";
    let failure = Failure::new(FailureKind::Rejected, Stage::Process, cause).hint(hint);
    let alone = reproduce(processor, &event.id.key, &event.id.span_from, Some(&event.id.payload));
    let error = LastError { event: Some(event.id), backtrace: event.backtrace, ..LastError::of(&failure) };
    // What is kept names the event, so whoever shows it can say the command; a log line must say it itself.
    (failure.hint(format!("{hint}; see it fail alone with `{alone}`")), error)
}

/// The command that gives what follows a place to the component, over the state as it is, and commits nothing: with a
/// payload's digest, that event of the next span alone.
#[must_use]
pub fn reproduce(processor: &ProcessorName, key: &PartitionKey, from: &ReadFrom, payload: Option<&Digest>) -> String {
    let PartitionKey { feed, partition } = key;
    let payload = payload.map(|digest| format!(" --payload {}", digest.short())).unwrap_or_default();
    let (partition, from) = (option("--partition", partition.as_str()), from_option(from));
    format!("tidemill replay {processor} --feed {feed} {partition} {from}{payload} --state current")
}

/// The option of a command that begins to read at a place.
#[must_use]
pub fn from_option(from: &ReadFrom) -> String {
    let from = match from {
        ReadFrom::First => "first",
        ReadFrom::Last => "last",
        ReadFrom::After(cursor) => cursor.as_str(),
    };
    option("--from", from)
}

/// An option with its value, for commands that are shown to be typed. A value that begins as an option does would be taken for one if
/// it stood alone.
#[must_use]
pub fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", quoted(value))
}

/// A word as a shell reads it, for commands that are shown to be typed: in quotes if anything in it could mean something.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@%+=,".contains(&byte);
    // To some shells `=word` is the place of a program.
    if !word.is_empty() && !word.starts_with('=') && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The failure of a call that no event is to blame for.
pub(crate) fn refused(refusal: Refusal) -> Failure {
    match refusal {
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
            Failure::unavailable(Stage::Process, cause)
        }
        Refusal::Host(failure) => failure,
        // Those who apply a batch look for rejections themselves.
        Refusal::Rejected(rejection) => Failure::new(FailureKind::Rejected, Stage::Process, rejection.reason),
    }
}

fn lost() -> Unapplied {
    Unapplied::Refused(Refusal::Host(Failure::unavailable(Stage::Process, "a call of the component was lost")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, FeedName, PartitionId};

    #[test]
    fn the_command_that_reproduces_is_safe_in_a_shell_whatever_the_publisher_calls_things() {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("$(id)") };
        let command =
            |from: &ReadFrom, payload: Option<&Digest>| reproduce(&ProcessorName::new("totals"), &key, from, payload);
        let digest = Digest::of(b"poison");
        assert_eq!(
            command(&ReadFrom::After(Cursor::new("it's; rm").unwrap()), Some(&digest)),
            format!(
                "tidemill replay totals --feed orders --partition '$(id)' --from 'it'\\''s; rm' --payload {} --state current",
                digest.short()
            )
        );
        assert_eq!(
            command(&ReadFrom::First, None),
            "tidemill replay totals --feed orders --partition '$(id)' --from first --state current"
        );
        assert_eq!(
            command(&ReadFrom::After(Cursor::new("--json").unwrap()), None),
            "tidemill replay totals --feed orders --partition '$(id)' --from=--json --state current"
        );
        assert_eq!(["", "=ls", "a b", "a-b/c"].map(quoted), ["''", "'=ls'", "'a b'", "a-b/c"]);
    }
}
