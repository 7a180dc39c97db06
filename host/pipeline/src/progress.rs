//! The progress along a line: the checkpoint, and the commit that is on its way to the store.
//!
//! While the store works on a commit the line goes on from the checkpoint that it will have made. What others see, and what a
//! failure is compared with, is only what the store has answered.

use std::{pin::Pin, sync::Arc};

use tokio::{select, time::Instant};

use crate::{
    Backoff, Batch, Checkpoint, Committed, Cost, Cursor, Failure, Monitor, Observer, ProcessorName, ReadFrom, Status,
    failpoint,
    parkings::{Parked, Parkings},
    turn::Known,
};

/// Where a line is.
pub(crate) struct Progress<'a> {
    /// The checkpoint, as it is when the commit on its way is made.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) known: &'a mut Known,
    monitor: &'a Monitor,
    backoff: &'a mut Backoff,
    parkings: Parkings,
    underway: Option<Underway<'a>>,
    failed: Option<(Failure, Made)>,
}

/// A commit that the store has not answered yet.
struct Underway<'a> {
    answer: Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>,
    made: Made,
}

/// What a commit makes, for those who hear of it.
pub(crate) struct Made {
    pub(crate) processor: ProcessorName,
    /// Events of the batch, and its spans.
    pub(crate) events: u64,
    pub(crate) spans: usize,
    /// The cursor behind it.
    pub(crate) to: Cursor,
    /// Keys that it writes.
    pub(crate) written: u64,
    pub(crate) aside: Parked,
    pub(crate) cost: Cost,
    /// What an observer is told, and when the commit began.
    pub(crate) seen: Option<(Arc<dyn Observer>, Committed, Instant)>,
}

impl Made {
    /// The batch, if somebody looks on.
    pub(crate) fn batch(&self) -> Option<Arc<Batch>> {
        self.seen.as_ref().map(|(_, committed, _)| Arc::clone(&committed.batch))
    }
}

impl<'a> Progress<'a> {
    /// A line that begins at a checkpoint of the store.
    pub(crate) fn new(
        checkpoint: Checkpoint,
        known: &'a mut Known,
        monitor: &'a Monitor,
        backoff: &'a mut Backoff,
    ) -> Self {
        known.generation = Some(checkpoint.generation);
        Self { checkpoint, known, monitor, backoff, parkings: Parkings::default(), underway: None, failed: None }
    }

    /// A commit is on its way that moves the checkpoint over a batch.
    pub(crate) fn sent(&mut self, answer: impl Future<Output = Result<(), Failure>> + Send + 'a, made: Made) {
        self.checkpoint.read_from = ReadFrom::After(made.to.clone());
        self.checkpoint.generation += 1;
        self.checkpoint.position += made.events;
        self.checkpoint.status = Status::Running;
        self.checkpoint.error = None;
        self.checkpoint.resolutions.clear();
        self.underway = Some(Underway { answer: Box::pin(answer), made });
    }

    /// Whether the store has a commit that it has not answered.
    pub(crate) fn is_underway(&self) -> bool {
        self.underway.is_some()
    }

    /// Whether the last commit was not made, which [`answered`](Self::answered) will say.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Waits for something, and hears the answer to the commit on its way as soon as it comes.
    pub(crate) async fn beside<R>(&mut self, work: impl Future<Output = R>) -> R {
        let mut work = std::pin::pin!(work);
        while let Some(underway) = &mut self.underway {
            let answer = select! {
                biased;
                answer = &mut underway.answer => answer,
                done = &mut work => return done,
            };
            self.hear(answer);
        }
        work.await
    }

    /// Waits for the answer to the commit on its way, if there is one.
    ///
    /// # Errors
    /// When it was not made: what it would have made, and what followed from that.
    pub(crate) async fn answered(&mut self) -> Result<(), (Failure, Made)> {
        if let Some(underway) = &mut self.underway {
            let answer = underway.answer.as_mut().await;
            self.hear(answer);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn hear(&mut self, answer: Result<(), Failure>) {
        let Some(Underway { made, .. }) = self.underway.take() else { return };
        if let Err(failure) = answer {
            self.failed = Some((failure, made));
            return;
        }
        failpoint::reach("after-reply");
        let Made { events, written, aside, cost, seen, .. } = made;
        let parked = aside.events;
        self.parkings.add(aside);
        if let Some((observer, committed, began)) = seen {
            observer.committed(Committed { committing: began.elapsed(), ..committed });
        }
        self.known.generation = Some(self.checkpoint.generation);
        self.backoff.reset();
        tracing::debug!(generation = self.checkpoint.generation, to = %made.to, "committed");
        self.monitor.send_modify(|seen| seen.add(self.checkpoint.clone(), events, written, parked, cost));
    }

    /// The partition stays where it is; a commit was made that says so.
    pub(crate) fn stayed(&mut self, status: Status) {
        self.checkpoint.generation += 1;
        self.checkpoint.status = status;
        self.checkpoint.error = None;
        self.known.generation = Some(self.checkpoint.generation);
        self.monitor.send_modify(|seen| {
            seen.checkpoint = Some(self.checkpoint.clone());
            seen.idle &= status != Status::Finished;
        });
    }

    /// There is nothing to do. Says whether that is new.
    pub(crate) fn idle(&mut self) -> bool {
        self.parkings.say();
        self.monitor.send_if_modified(|seen| !std::mem::replace(&mut seen.idle, true))
    }

    /// The line ends.
    pub(crate) fn end(mut self) {
        self.parkings.end();
    }
}
