//! An event of a test.

use serde::Serialize;

use crate::contract::types::{Event, Value};

/// An event: a text is its payload, and the rest of the envelope may be added.
///
/// ```
/// # use tidemill_sdk::testing::TestEvent;
/// let event = TestEvent::from(r#"{"amount": 3}"#).id("e1").header("trace", "abc");
/// # let _ = event;
/// ```
#[derive(Clone, Debug)]
pub struct TestEvent(pub(super) Event);

impl TestEvent {
    /// An event whose payload is this as JSON.
    #[must_use]
    pub fn json(payload: &impl Serialize) -> Self {
        Self::from(serde_json::to_string(payload).expect("a test's payload can be written as JSON"))
    }

    /// Sets what the publisher calls it.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.0.id = Some(id.into());
        self
    }

    /// Sets what kind of event it is.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.0.kind = Some(kind.into());
        self
    }

    /// Sets what it is about.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// Sets when it happened, in microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn occurred_at(mut self, micros: i64) -> Self {
        self.0.occurred_at = Some(micros);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }
}

impl From<Value> for TestEvent {
    fn from(data: Value) -> Self {
        Self(Event { data, headers: Vec::new(), id: None, kind: None, key: None, occurred_at: None })
    }
}

impl From<String> for TestEvent {
    fn from(text: String) -> Self {
        Value::Text(text).into()
    }
}

impl From<&str> for TestEvent {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&[u8]> for TestEvent {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(bytes.to_vec()).into()
    }
}
