//! The batch and its events, as a processor sees them.

use std::fmt;

use serde::Deserialize;

use crate::{
    columns,
    contract::{
        BulkBatch,
        types::{self, Value},
    },
};

/// Events of one partition that are committed together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a>(Form<'a>);

/// How the batch crossed. What can be seen of it is the same.
#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Records(&'a types::Batch),
    Columns(&'a BulkBatch),
}

impl<'a> From<&'a types::Batch> for Batch<'a> {
    fn from(batch: &'a types::Batch) -> Self {
        Self(Form::Records(batch))
    }
}

impl<'a> From<&'a BulkBatch> for Batch<'a> {
    fn from(batch: &'a BulkBatch) -> Self {
        Self(Form::Columns(batch))
    }
}

impl<'a> Batch<'a> {
    /// The feed's name in `tidemill.toml`.
    #[must_use]
    pub fn feed(&self) -> &'a str {
        match self.0 {
            Form::Records(batch) => &batch.feed,
            Form::Columns(batch) => &batch.feed,
        }
    }

    /// The partition within the feed.
    #[must_use]
    pub fn partition(&self) -> &'a str {
        match self.0 {
            Form::Records(batch) => &batch.partition,
            Form::Columns(batch) => &batch.partition,
        }
    }

    /// The events in the order in which they are applied; at least one.
    #[must_use]
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'a>> + use<'a> {
        let batch = *self;
        let count = match batch.0 {
            Form::Records(batch) => batch.events.len(),
            Form::Columns(batch) => columns::len(batch),
        };
        (0..count).map(move |index| batch.event(index))
    }

    #[inline]
    fn event(self, index: usize) -> Event<'a> {
        let data = match self.0 {
            Form::Records(batch) => match &batch.events[index].data {
                Value::Text(text) => Payload::Text(text),
                Value::Bytes(bytes) => Payload::Bytes(bytes),
            },
            Form::Columns(batch) => Payload::Text(columns::text(&batch.data, index)),
        };
        Event { batch: self, index, data }
    }
}

/// One fact of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    batch: Batch<'a>,
    index: usize,
    data: Payload<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Payload<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Event<'a> {
    /// The payload, read as a JSON object. Text in it may be borrowed: `Cow<'a, str>` with `#[serde(borrow)]` costs no allocation.
    ///
    /// A list is refused, because serde would take its elements for the fields of a record in their order. Where lists are
    /// expected, read them from the [text](Self::text).
    ///
    /// # Errors
    /// When the payload is bytes, no JSON, or JSON of another shape.
    #[inline]
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, PayloadError> {
        let text = self.text()?;
        if text.trim_ascii_start().starts_with('[') {
            return Err(PayloadError(Fault::List));
        }
        serde_json::from_str(text).map_err(|error| PayloadError(Fault::Json(error)))
    }

    /// The payload as text, exactly as the publisher sent it.
    ///
    /// # Errors
    /// When it is bytes.
    #[inline]
    pub fn text(&self) -> Result<&'a str, PayloadError> {
        match self.data {
            Payload::Text(text) => Ok(text),
            Payload::Bytes(_) => Err(PayloadError(Fault::Bytes)),
        }
    }

    /// The payload's bytes, whether it is text or not.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match self.data {
            Payload::Text(text) => text.as_bytes(),
            Payload::Bytes(bytes) => bytes,
        }
    }

    /// The payload as a value of the state, copied.
    #[must_use]
    pub fn data(&self) -> Value {
        match self.data {
            Payload::Text(text) => Value::Text(text.to_owned()),
            Payload::Bytes(bytes) => Value::Bytes(bytes.to_owned()),
        }
    }

    /// The identifier that the publisher gave the event (`CloudEvents` `id`).
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        match self.batch.0 {
            Form::Records(batch) => batch.events[self.index].id.as_deref(),
            Form::Columns(batch) => columns::text_of(batch.id.as_ref(), self.index),
        }
    }

    /// What kind of event it is (`CloudEvents` `type`).
    #[must_use]
    pub fn kind(&self) -> Option<&'a str> {
        match self.batch.0 {
            Form::Records(batch) => batch.events[self.index].kind.as_deref(),
            Form::Columns(batch) => columns::text_of(batch.kind.as_ref(), self.index),
        }
    }

    /// What the event is about (`CloudEvents` `partitionkey`, else `subject`).
    #[must_use]
    pub fn key(&self) -> Option<&'a str> {
        match self.batch.0 {
            Form::Records(batch) => batch.events[self.index].key.as_deref(),
            Form::Columns(batch) => columns::text_of(batch.key.as_ref(), self.index),
        }
    }

    /// When it happened, in microseconds since 1970-01-01T00:00:00Z; negative before that.
    #[must_use]
    pub fn occurred_at(&self) -> Option<i64> {
        match self.batch.0 {
            Form::Records(batch) => batch.events[self.index].occurred_at,
            Form::Columns(batch) => batch.occurred_at.as_ref().map(|times| times[self.index]),
        }
    }

    /// The publisher's headers, in its order; empty unless the feed's `event-headers` asks for them.
    #[must_use]
    pub fn headers(&self) -> &'a [(String, String)] {
        match self.batch.0 {
            Form::Records(batch) => &batch.events[self.index].headers,
            // Events with headers cross as records.
            Form::Columns(_) => &[],
        }
    }

    /// The first header of this name, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers().iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The feed that it comes from.
    #[must_use]
    pub fn feed(&self) -> &'a str {
        self.batch.feed()
    }

    /// The partition that it comes from.
    #[must_use]
    pub fn partition(&self) -> &'a str {
        self.batch.partition()
    }

    /// Its place in the batch, from 0. How events are cut into batches is not to rely on.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

/// Why a payload could not be read.
#[derive(Debug)]
pub struct PayloadError(Fault);

#[derive(Debug)]
enum Fault {
    Bytes,
    List,
    Json(serde_json::Error),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Bytes => f.write_str("the payload is bytes, not text"),
            Fault::List => f.write_str("a list, expected an object"),
            Fault::Json(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PayloadError {}
