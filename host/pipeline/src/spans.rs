//! The way of spans from a source to a worker: in order, bounded by bytes, fetched ahead of what is processed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{Failure, Span};

/// The most spans that wait, whatever their size: a feed may send a checkpoint after every event.
const SPANS_MAX: usize = 16 * 1024;

/// What fetching tells the worker, in the order in which it happened.
#[derive(Debug)]
pub enum Fetched {
    /// A span, and the room that it takes until it is dropped.
    Span(Span, Room),
    /// A page without an event: everything that the feed had is before this.
    Idle,
    /// The partition was closed and has been read to its end.
    Finished,
    /// Fetching stopped for good.
    Failed(Failure),
}

/// A share of the bytes that may be fetched ahead; given back when dropped.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The end of the way that a source pushes spans into.
#[derive(Debug)]
pub struct SpanSink {
    fetched: mpsc::Sender<Fetched>,
    room: Arc<Semaphore>,
    bytes_max: u32,
}

/// The worker no longer listens: the page is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody listens to this page any more")]
pub struct SinkClosed;

/// A way that holds at most `bytes_max` bytes of spans; a single larger span still passes, alone.
#[must_use]
pub fn way(bytes_max: u32) -> (SpanSink, mpsc::Receiver<Fetched>) {
    let (sender, receiver) = mpsc::channel(SPANS_MAX);
    let room = Arc::new(Semaphore::new(bytes_max as usize));
    (SpanSink { fetched: sender, room, bytes_max }, receiver)
}

impl SpanSink {
    /// Hands a span on; waits while too much waits already.
    ///
    /// # Errors
    /// When the worker no longer listens.
    pub async fn push(&mut self, span: Span) -> Result<(), SinkClosed> {
        let bytes = u32::try_from(span.bytes()).unwrap_or(u32::MAX).min(self.bytes_max);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| SinkClosed)?;
        self.send(Fetched::Span(span, Room(room))).await
    }

    pub(crate) async fn send(&self, fetched: Fetched) -> Result<(), SinkClosed> {
        self.fetched.send(fetched).await.map_err(|_| SinkClosed)
    }
}
