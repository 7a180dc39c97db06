//! The intake: makes batches of the spans that were fetched, as large as the bounds allow and no larger.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::mpsc;

use crate::{Batch, BatchBounds, Failure, Fetched, PartitionKey, Room, Span};

/// What comes next along the line.
#[derive(Debug)]
pub(crate) enum Next {
    /// Spans to apply and commit.
    Batch(Arc<Batch>),
    /// The feed had no more, and nothing waits.
    Idle,
    /// The partition is closed and read to its end.
    Finished,
    /// Fetching stopped for good.
    Failed(Failure),
}

/// Makes batches. Nothing is lost if [`next`](Intake::next) is dropped while it waits.
#[derive(Debug)]
pub(crate) struct Intake {
    key: PartitionKey,
    fetched: mpsc::Receiver<Fetched>,
    /// Fetched, in order, and not yet given out.
    waiting: VecDeque<Fetched>,
    /// The room that the batch given out last takes, until the next one is asked for.
    out: Vec<Room>,
}

impl Intake {
    pub(crate) fn new(key: PartitionKey, fetched: mpsc::Receiver<Fetched>) -> Self {
        Self { key, fetched, waiting: VecDeque::new(), out: Vec::new() }
    }

    /// The next batch, of at most `spans_max` spans.
    pub(crate) async fn next(&mut self, bounds: BatchBounds, spans_max: usize) -> Next {
        self.out.clear();
        if self.waiting.is_empty() {
            match self.fetched.recv().await {
                Some(fetched) => self.waiting.push_back(fetched),
                // The fetcher said its last word before; this line is about to end.
                None => std::future::pending().await,
            }
        }
        let first = match self.waiting.pop_front().expect("something waits") {
            Fetched::Span(span, room) => {
                self.out.push(room);
                span
            }
            Fetched::Idle => return Next::Idle,
            Fetched::Finished => return Next::Finished,
            Fetched::Failed(failure) => return Next::Failed(failure),
        };
        let mut batch = Batch::new(self.key.clone(), first);
        while batch.spans().len() < spans_max {
            let next = self.waiting.pop_front().or_else(|| self.fetched.try_recv().ok());
            match next {
                Some(Fetched::Span(span, room)) => match batch.push(span, bounds) {
                    Ok(()) => self.out.push(room),
                    Err(span) => {
                        self.waiting.push_front(Fetched::Span(span, room));
                        break;
                    }
                },
                Some(other) => {
                    self.waiting.push_front(other);
                    break;
                }
                None => break,
            }
        }
        Next::Batch(Arc::new(batch))
    }

    /// Takes the batch given out last back: its spans come again, in a smaller one.
    pub(crate) fn give_back(&mut self, batch: Arc<Batch>) {
        let spans: Vec<Span> = Arc::unwrap_or_clone(batch).into_spans();
        assert_eq!(spans.len(), self.out.len(), "only the batch given out last is given back");
        for (span, room) in spans.into_iter().zip(self.out.drain(..)).rev() {
            self.waiting.push_front(Fetched::Span(span, room));
        }
    }
}
