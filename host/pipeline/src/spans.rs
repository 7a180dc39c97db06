//! The way of spans from a source to a worker: in order, bounded by bytes, fetched ahead of what is processed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{Cursor, Failure, Fields, ReadFrom, Span};

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
    fields: Option<Fields>,
    page: Pushed,
    circle: Circle,
}

/// What was pushed of one page.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    pub(crate) events: u64,
    pub(crate) to: Option<Cursor>,
}

/// The worker no longer listens, or the cursor went in a circle: the page is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody listens to this page any more")]
pub struct SinkClosed;

/// A way that holds at most `bytes_max` bytes of spans; a single larger span still passes, alone.
#[must_use]
pub fn way(bytes_max: u32) -> (SpanSink, mpsc::Receiver<Fetched>) {
    let (sender, receiver) = mpsc::channel(SPANS_MAX);
    let room = Arc::new(Semaphore::new(bytes_max as usize));
    let (page, circle) = (Pushed::default(), Circle::default());
    (SpanSink { fetched: sender, room, bytes_max, fields: None, page, circle }, receiver)
}

impl SpanSink {
    /// The same for a component that is given some fields of payloads only, if any are named.
    #[must_use]
    pub fn picking(self, fields: Option<Fields>) -> Self {
        Self { fields, ..self }
    }

    /// Hands a span on; waits while too much waits already.
    ///
    /// # Errors
    /// When the page is of no use any more: drop it.
    pub async fn push(&mut self, span: Span) -> Result<(), SinkClosed> {
        self.circle.step(&span);
        if self.circle.found.is_some() {
            return Err(SinkClosed);
        }
        self.page.events += span.len() as u64;
        self.page.to = Some(span.to().clone());
        let span = span.picked(self.fields.as_ref());
        let bytes = u32::try_from(span.bytes() + span.picked_bytes()).unwrap_or(u32::MAX).min(self.bytes_max);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| SinkClosed)?;
        self.send(Fetched::Span(span, Room(room))).await
    }

    pub(crate) async fn send(&self, fetched: Fetched) -> Result<(), SinkClosed> {
        self.fetched.send(fetched).await.map_err(|_| SinkClosed)
    }

    /// What was pushed since the last call.
    pub(crate) fn take_page(&mut self) -> Pushed {
        std::mem::take(&mut self.page)
    }

    /// The cursor that came back although events came with it.
    pub(crate) fn circle(&self) -> Option<&Cursor> {
        self.circle.found.as_ref()
    }
}

/// Finds a cursor that comes back after events, in constant memory: Brent's algorithm, one step a checkpoint.
#[derive(Debug, Default)]
struct Circle {
    landmark: Option<Cursor>,
    events: u64,
    steps: u64,
    steps_max: u64,
    found: Option<Cursor>,
}

impl Circle {
    fn step(&mut self, span: &Span) {
        if self.landmark.is_none() {
            self.landmark = match span.from() {
                ReadFrom::After(cursor) => Some(cursor.clone()),
                ReadFrom::First | ReadFrom::Last => None,
            };
            self.steps_max = 1;
        }
        self.events += span.len() as u64;
        self.steps += 1;
        if self.landmark.as_ref() == Some(span.to()) {
            if self.events > 0 {
                self.found = Some(span.to().clone());
            }
            self.steps = 0;
        } else if self.steps >= self.steps_max || self.landmark.is_none() {
            self.landmark = Some(span.to().clone());
            self.events = 0;
            self.steps = 0;
            self.steps_max = self.steps_max.saturating_mul(2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::Event;

    fn span(from: usize, to: usize, events: usize) -> Span {
        let cursor = |place: usize| Cursor::new(&place.to_string()).unwrap();
        Span::new(ReadFrom::After(cursor(from)), cursor(to), Bytes::new(), vec![Event::text(0..0); events])
    }

    proptest! {
        #[test]
        fn a_cursor_in_a_circle_with_events_is_found_and_no_other(lead in 0usize..50, round in 1usize..50, events in 0usize..2) {
            let mut circle = Circle::default();
            let place = |step: usize| if step < lead { step } else { lead + (step - lead) % round };
            for step in 0..1000 {
                circle.step(&span(place(step), place(step + 1), events));
            }
            prop_assert_eq!(circle.found.is_some(), events > 0);

            let mut straight = Circle::default();
            for step in 0..1000 {
                straight.step(&span(step, step + 1, 1));
            }
            prop_assert_eq!(straight.found, None);
        }
    }
}
