//! The contract's types as they cross: events go in borrowed, writes come out owned.
//!
//! The names and shapes are those of `wit/processor.wit`; wasmtime checks them against each component.

use tidemill_pipeline::{EventRef, Metadata, Value, ValueRef};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::columns::Column;

/// `types.value` on its way in.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Payload<'a> {
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "bytes")]
    Bytes(&'a [u8]),
}

impl<'a> From<ValueRef<'a>> for Payload<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Text(text) => Self::Text(text),
            ValueRef::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Payload<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// `types.event`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Event<'a> {
    data: Payload<'a>,
    headers: &'a [(Box<str>, Box<str>)],
    id: Option<&'a str>,
    kind: Option<&'a str>,
    key: Option<&'a str>,
    #[component(name = "occurred-at")]
    occurred_at: Option<i64>,
}

impl<'a> From<EventRef<'a>> for Event<'a> {
    fn from(event: EventRef<'a>) -> Self {
        let data = event.given().into();
        match event.metadata() {
            None => Self { data, headers: &[], id: None, kind: None, key: None, occurred_at: None },
            Some(Metadata { headers, id, kind, key, occurred_at_us }) => Self {
                data,
                headers,
                id: id.as_deref(),
                kind: kind.as_deref(),
                key: key.as_deref(),
                occurred_at: *occurred_at_us,
            },
        }
    }
}

impl Event<'_> {
    /// The size of the payload.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn occurred_at_us(&self) -> Option<i64> {
        self.occurred_at
    }
}

/// `types.batch`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Batch<'a> {
    pub(crate) feed: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) events: &'a [Event<'a>],
}

/// `bulk-handler.bulk-batch`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct BulkBatch<'a> {
    pub(crate) feed: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) data: &'a Column,
    pub(crate) id: Option<&'a Column>,
    pub(crate) kind: Option<&'a Column>,
    pub(crate) key: Option<&'a Column>,
    #[component(name = "occurred-at")]
    pub(crate) occurred_at: Option<&'a [i64]>,
}

/// What both handlers answer.
pub(crate) type Answer = (Result<(), Failed>,);

/// `types.failure`.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Failed {
    #[component(name = "retry")]
    Retry(Retry),
    #[component(name = "reject")]
    Reject(Reject),
    #[component(name = "halt")]
    Halt(String),
}

/// `types.retry`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Retry {
    #[component(name = "after-ms")]
    pub(crate) after_ms: u64,
    pub(crate) reason: String,
}

/// `types.reject`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Reject {
    pub(crate) index: u32,
    pub(crate) reason: String,
}

/// `types.value` as state holds it.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Stored {
    #[component(name = "text")]
    Text(String),
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
}

impl Stored {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl From<Stored> for Value {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => Self::Text(text),
            Stored::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<Value> for Stored {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// `types.write`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Write {
    pub(crate) key: String,
    pub(crate) value: Option<Stored>,
}

/// `state.range`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct ScanRange {
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

/// `state.entry`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Stored,
}

/// `state.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) more: bool,
}

/// `log.level`.
#[derive(ComponentType, Lift, Lower, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}
