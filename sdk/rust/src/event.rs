//! The batch and its events, as a processor sees them.

use std::fmt;

use serde::Deserialize;

use crate::contract::types::{self, Value};

/// Events of one partition that are committed together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a>(&'a types::Batch);

impl<'a> Batch<'a> {
    pub(crate) fn new(batch: &'a types::Batch) -> Self {
        Self(batch)
    }

    /// The feed's name in `tidemill.toml`.
    #[must_use]
    pub fn feed(&self) -> &'a str {
        &self.0.feed
    }

    /// The partition within the feed.
    #[must_use]
    pub fn partition(&self) -> &'a str {
        &self.0.partition
    }

    /// The events in the order in which they are applied; at least one.
    #[must_use]
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'a>> + use<'a> {
        let batch = self.0;
        batch.events.iter().enumerate().map(move |(index, fact)| Event { batch, fact, index })
    }
}

/// One fact of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    batch: &'a types::Batch,
    fact: &'a types::Event,
    index: usize,
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
        match &self.fact.data {
            Value::Text(text) => Ok(text),
            Value::Bytes(_) => Err(PayloadError(Fault::Bytes)),
        }
    }

    /// The payload's bytes, whether it is text or not.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match &self.fact.data {
            Value::Text(text) => text.as_bytes(),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// The payload as the contract has it.
    #[must_use]
    pub fn data(&self) -> &'a Value {
        &self.fact.data
    }

    /// The identifier that the publisher gave the event (`CloudEvents` `id`).
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.fact.id.as_deref()
    }

    /// What kind of event it is (`CloudEvents` `type`).
    #[must_use]
    pub fn kind(&self) -> Option<&'a str> {
        self.fact.kind.as_deref()
    }

    /// What the event is about (`CloudEvents` `partitionkey`, else `subject`).
    #[must_use]
    pub fn key(&self) -> Option<&'a str> {
        self.fact.key.as_deref()
    }

    /// When it happened, in microseconds since 1970-01-01T00:00:00Z; negative before that.
    #[must_use]
    pub fn occurred_at(&self) -> Option<i64> {
        self.fact.occurred_at
    }

    /// The publisher's headers, in its order; empty unless the feed's `event-headers` asks for them.
    #[must_use]
    pub fn headers(&self) -> &'a [(String, String)] {
        &self.fact.headers
    }

    /// The first header of this name, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.fact.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The feed that it comes from.
    #[must_use]
    pub fn feed(&self) -> &'a str {
        &self.batch.feed
    }

    /// The partition that it comes from.
    #[must_use]
    pub fn partition(&self) -> &'a str {
        &self.batch.partition
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
