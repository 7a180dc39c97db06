//! The batch: one or more whole spans of one partition, which are committed together.

use std::ops::Range;

use crate::{Cursor, EventRef, PartitionKey, ReadFrom, Span};

/// How large a batch may be. A single span may be larger; it is then given to the component in several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchBounds {
    /// Events in one call; at least 1.
    pub events_max: usize,
    /// Bytes of their spans in one call; at least 1.
    pub bytes_max: usize,
}

impl Default for BatchBounds {
    fn default() -> Self {
        Self { events_max: 10_000, bytes_max: 4 * 1024 * 1024 }
    }
}

/// Whole spans that follow each other. Never without a span; a batch may be without an event.
#[derive(Clone, Debug)]
pub struct Batch {
    key: PartitionKey,
    spans: Vec<Span>,
    events: usize,
    bytes: usize,
}

impl Batch {
    /// A batch of one span.
    #[must_use]
    pub fn new(key: PartitionKey, span: Span) -> Self {
        let (events, bytes) = (span.len(), span.bytes());
        Self { key, spans: vec![span], events, bytes }
    }

    /// Adds a span if it follows and fits; gives it back otherwise.
    ///
    /// # Errors
    /// The span, when it does not begin where the batch ends or would make the batch larger than `bounds`.
    pub fn push(&mut self, span: Span, bounds: BatchBounds) -> Result<(), Span> {
        let follows = span.from().cursor() == Some(self.to());
        let fits = self.events + span.len() <= bounds.events_max && self.bytes + span.bytes() <= bounds.bytes_max;
        if !(follows && fits) {
            return Err(span);
        }
        self.events += span.len();
        self.bytes += span.bytes();
        self.spans.push(span);
        Ok(())
    }

    /// Its spans, taken out.
    #[must_use]
    pub fn into_spans(self) -> Vec<Span> {
        self.spans
    }

    /// Its events in a range of places, from 0: without a walk over those before it.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = EventRef<'_>> {
        let mut before = 0;
        self.spans.iter().flat_map(move |span| {
            let within = range.start.saturating_sub(before)..range.end.saturating_sub(before);
            before += span.len();
            span.range(within)
        })
    }

    /// The span that an event lies in, by its place in the batch.
    pub(crate) fn span_of(&self, index: usize) -> &Span {
        let mut before = 0;
        let mut spans = self.spans.iter();
        let span = spans.find(|span| {
            before += span.len();
            index < before
        });
        span.expect("the index is within the batch")
    }

    /// The feed and partition that it comes from.
    #[must_use]
    pub fn key(&self) -> &PartitionKey {
        &self.key
    }

    /// The place that it begins at.
    #[must_use]
    pub fn from(&self) -> &ReadFrom {
        self.first().from()
    }

    /// The cursor behind it.
    #[must_use]
    pub fn to(&self) -> &Cursor {
        self.spans.last().expect("a batch has at least one span").to()
    }

    /// Its spans in order.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether it only moves the cursor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The size of its spans in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its events in order.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'_>> {
        self.spans.iter().flat_map(Span::events)
    }

    fn first(&self) -> &Span {
        self.spans.first().expect("a batch has at least one span")
    }
}
