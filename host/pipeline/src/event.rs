//! Events, and the span: the run of events up to a checkpoint, the smallest thing that can be committed.
//!
//! A span owns the bytes as they came off the wire, once; its events are ranges into them.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Cursor, Fields, ReadFrom, fields::Picked, value::ValueRef};

/// Where an event's payload lies in its span, what is known about it, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    data: Range<u32>,
    encoding: Encoding,
    metadata: Option<Box<Metadata>>,
    fault: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Text,
    Bytes,
}

/// What a publisher says about an event beside its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Headers in the publisher's order.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// CloudEvents `id`.
    pub id: Option<Box<str>>,
    /// CloudEvents `type`.
    pub kind: Option<Box<str>>,
    /// CloudEvents `partitionkey`, else `subject`.
    pub key: Option<Box<str>>,
    /// CloudEvents `time`, in microseconds since 1970-01-01T00:00:00Z.
    pub occurred_at_us: Option<i64>,
}

impl Metadata {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Event {
    /// An event whose payload is text at this place of its span's bytes.
    #[must_use]
    pub fn text(data: Range<u32>) -> Self {
        Self { data, encoding: Encoding::Text, metadata: None, fault: None }
    }

    /// An event whose payload is bytes at this place of its span's bytes.
    #[must_use]
    pub fn bytes(data: Range<u32>) -> Self {
        Self { data, encoding: Encoding::Bytes, metadata: None, fault: None }
    }

    /// With what the publisher says about it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = (!metadata.is_empty()).then(|| Box::new(metadata));
        self
    }

    /// Marks an event whose envelope was readable but whose payload cannot be delivered: it is rejected before
    /// the component sees it.
    #[must_use]
    pub fn with_fault(mut self, reason: impl Into<Box<str>>) -> Self {
        self.fault = Some(reason.into());
        self
    }
}

/// The events up to a checkpoint, and the checkpoint's cursor. Cheap to clone: a thousand processors may hold the same.
#[derive(Clone, Debug)]
pub struct Span {
    from: ReadFrom,
    to: Cursor,
    body: Body,
    events: Arc<Vec<Event>>,
    /// What a component is given of the payloads, if that is less.
    picked: Option<Arc<Picked>>,
}

#[derive(Clone, Debug)]
enum Body {
    /// Checked once, so that a payload is text without being checked again.
    Utf8(ByteString),
    Raw(Bytes),
}

impl Span {
    /// A span that begins at `from` and ends at the checkpoint `to`. Events are ranges into `body`. An event whose
    /// payload should be text and is not valid UTF-8 gets a fault.
    #[must_use]
    pub fn new(from: ReadFrom, to: Cursor, body: Bytes, mut events: Vec<Event>) -> Self {
        assert!(u32::try_from(body.len()).is_ok(), "a span is smaller than 4 GiB: pages have a bound");
        let body = if let Ok(text) = ByteString::try_from(body.clone()) {
            Body::Utf8(text)
        } else {
            for event in &mut events {
                let text = matches!(event.encoding, Encoding::Text);
                if text && std::str::from_utf8(slice(&body, &event.data)).is_err() {
                    event.fault = Some("the payload is not valid UTF-8".into());
                }
            }
            Body::Raw(body)
        };
        Self { from, to, body, events: Arc::new(events), picked: None }
    }

    /// The same for a component that is given these fields of its payloads only; whole payloads if none are named.
    #[must_use]
    pub fn picked(mut self, fields: Option<&Fields>) -> Self {
        let Some(fields) = fields else { return self };
        let texts = self.events().map(|event| match event.data() {
            ValueRef::Text(text) => Some(text),
            ValueRef::Bytes(_) => None,
        });
        self.picked = Some(Arc::new(Picked::of(fields, texts)));
        self
    }

    /// The place that it begins at.
    #[must_use]
    pub fn from(&self) -> &ReadFrom {
        &self.from
    }

    /// The checkpoint that ends it.
    #[must_use]
    pub fn to(&self) -> &Cursor {
        &self.to
    }

    /// How many events it has; none if the checkpoint only moves the cursor.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether the checkpoint only moves the cursor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The size of its payloads and lines, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Utf8(text) => text.len(),
            Body::Raw(bytes) => bytes.len(),
        }
    }

    /// The size of what was [picked](Self::picked) of its payloads, in bytes.
    #[must_use]
    pub fn picked_bytes(&self) -> usize {
        self.picked.as_ref().map_or(0, |picked| picked.bytes())
    }

    /// Its events in the order in which they arrived.
    pub fn events(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> {
        self.events.iter().enumerate().map(|(index, event)| EventRef { span: self, index, event })
    }

    /// Its events in a range of places, which may reach past its end.
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = EventRef<'_>> {
        let end = range.end.min(self.events.len());
        let begin = range.start.min(end);
        let events = self.events.get(begin..end).unwrap_or_default();
        events.iter().zip(begin..).map(|(event, index)| EventRef { span: self, index, event })
    }

    /// Some of its events as a span of their own, with the same beginning and end.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.events.len());
        let range = range.start.min(end)..end;
        let picked = self.picked.as_ref().map(|picked| Arc::new(picked.part(range.clone())));
        let events = Arc::new(self.events.get(range).unwrap_or_default().to_vec());
        Self { from: self.from.clone(), to: self.to.clone(), body: self.body.clone(), events, picked }
    }

    /// The event at a place, from 0.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<EventRef<'_>> {
        self.events.get(index).map(|event| EventRef { span: self, index, event })
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(range.start as usize..range.end as usize).expect("an event lies within its span")
}

/// One event of a span.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    span: &'a Span,
    index: usize,
    event: &'a Event,
}

impl<'a> EventRef<'a> {
    /// What a component is given of the payload: all of it, or [fields](Fields).
    #[must_use]
    #[inline]
    pub fn given(&self) -> ValueRef<'a> {
        let picked = self.span.picked.as_ref().and_then(|picked| picked.get(self.index));
        picked.map_or_else(|| self.data(), ValueRef::Text)
    }

    /// The payload. Of an event with a fault that is not text, the bytes as they came.
    #[must_use]
    pub fn data(&self) -> ValueRef<'a> {
        let range = self.event.data.start as usize..self.event.data.end as usize;
        match (&self.span.body, self.event.encoding) {
            (Body::Utf8(text), Encoding::Text) => {
                ValueRef::Text(text.get(range).expect("an event lies within its span"))
            }
            (Body::Raw(bytes), Encoding::Text) => {
                let bytes = slice(bytes, &self.event.data);
                std::str::from_utf8(bytes).map_or(ValueRef::Bytes(bytes), ValueRef::Text)
            }
            (Body::Utf8(text), Encoding::Bytes) => ValueRef::Bytes(slice(text.as_bytes(), &self.event.data)),
            (Body::Raw(bytes), Encoding::Bytes) => ValueRef::Bytes(slice(bytes, &self.event.data)),
        }
    }

    /// What the publisher says about it.
    #[must_use]
    pub fn metadata(&self) -> Option<&'a Metadata> {
        self.event.metadata.as_deref()
    }

    /// Why it cannot be delivered, if it cannot.
    #[must_use]
    pub fn fault(&self) -> Option<&'a str> {
        self.event.fault.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_not_utf8_is_a_fault_of_that_event_alone() {
        let body = Bytes::from_static(b"\"good\"\"b\xffd\"");
        let span = Span::new(
            ReadFrom::First,
            Cursor::new("1").unwrap(),
            body,
            vec![Event::text(0..6), Event::text(6..11), Event::bytes(6..11)],
        );
        let events: Vec<_> = span.events().collect();
        assert_eq!(events[0].data(), ValueRef::Text("\"good\""));
        assert_eq!(events[0].fault(), None);
        assert_eq!(events[1].fault(), Some("the payload is not valid UTF-8"));
        assert_eq!(events[1].data(), ValueRef::Bytes(b"\"b\xffd\""));
        assert_eq!(events[2].fault(), None);
    }
}
