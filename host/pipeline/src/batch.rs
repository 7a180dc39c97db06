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
    /// How many events are before each span.
    befores: Vec<usize>,
    events: usize,
    bytes: usize,
}

impl Batch {
    /// A batch of one span.
    #[must_use]
    pub fn new(key: PartitionKey, span: Span) -> Self {
        let (events, bytes) = (span.len(), span.bytes());
        Self { key, spans: vec![span], befores: vec![0], events, bytes }
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
        self.befores.push(self.events);
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
        let first = self.place_of(range.start);
        let spans = self.spans.iter().zip(&self.befores).skip(first);
        spans.take_while(move |(_, before)| **before < range.end).flat_map(move |(span, before)| {
            span.range(range.start.saturating_sub(*before)..range.end.saturating_sub(*before))
        })
    }

    /// The place of the span that an event lies in; that of the last span past the end.
    fn place_of(&self, index: usize) -> usize {
        // Of spans without an event only the one behind them begins further on.
        self.befores.partition_point(|before| *before <= index).saturating_sub(1)
    }

    /// The span that an event lies in, by its place in the batch.
    pub(crate) fn span_of(&self, index: usize) -> &Span {
        assert!(index < self.events, "the index is within the batch");
        self.spans.get(self.place_of(index)).expect("a batch has at least one span")
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{Event, FeedName, PartitionId};

    /// Spans of so many events, whose payloads are their places in the batch.
    fn batch(lengths: &[u8]) -> Batch {
        let place = |place: usize| Cursor::new(&place.to_string()).unwrap();
        let mut spans = Vec::new();
        let mut events = 0;
        for (number, length) in lengths.iter().enumerate() {
            let (mut body, mut ranges) = (String::new(), Vec::new());
            for _ in 0..*length {
                let begin = u32::try_from(body.len()).unwrap();
                body.push_str(&events.to_string());
                ranges.push(Event::text(begin..u32::try_from(body.len()).unwrap()));
                events += 1;
            }
            spans.push(Span::new(ReadFrom::After(place(number)), place(number + 1), Bytes::from(body), ranges));
        }
        let bounds = BatchBounds { events_max: usize::MAX, bytes_max: usize::MAX };
        let key = PartitionKey { feed: FeedName::new("feed"), partition: PartitionId::new("0") };
        let mut spans = spans.into_iter();
        let mut batch = Batch::new(key, spans.next().unwrap());
        spans.for_each(|span| batch.push(span, bounds).unwrap());
        batch
    }

    fn shown(event: EventRef<'_>) -> String {
        String::from_utf8(event.data().as_bytes().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn a_range_has_its_events_wherever_spans_begin(lengths in proptest::collection::vec(0u8..4, 1..8), begin in 0usize..30, length in 0usize..30) {
            let batch = batch(&lengths);
            let range: Vec<_> = batch.range(begin..begin + length).map(shown).collect();
            let expected: Vec<_> = (begin..(begin + length).min(batch.len())).map(|event| event.to_string()).collect();
            prop_assert_eq!(range, expected);
            for index in 0..batch.len() {
                prop_assert!(batch.span_of(index).events().map(shown).any(|event| event == index.to_string()));
            }
        }
    }
}
