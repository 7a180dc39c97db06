//! The key of an event: events of one key follow each other, and where that matters they wait behind one that was put aside.

use std::fmt;

use serde_json::Value as Json;

use crate::{Digest, EventRef};

/// The longest key that is kept as it is, in bytes. Of a longer one its digest is kept.
const KEY_BYTES_MAX: usize = 256;

/// What becomes of the events behind one that was put aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parking {
    /// They are applied: every event stands for itself.
    #[default]
    Event,
    /// Those of the same key are put behind it, until it is resolved. Others are applied.
    Key(KeyOrder),
}

impl Parking {
    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Key(_) => "key",
        }
    }
}

/// How order is kept within each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOrder {
    /// Where the key stands in the payload, as a JSON pointer (RFC 6901); none for the key that the publisher says.
    pub pointer: Option<String>,
    /// Keys that may have parked events at the same time. The partition halts at one more.
    pub keys_max: usize,
    /// Events with a key that may be parked at the same time. The partition halts at one more.
    pub events_max: u64,
}

impl Default for KeyOrder {
    fn default() -> Self {
        Self { pointer: None, keys_max: 10_000, events_max: 100_000 }
    }
}

impl KeyOrder {
    /// The key of an event. None if nothing says one, or a payload is not the JSON that it should be: then it stands for itself.
    #[must_use]
    pub fn key(&self, event: &EventRef<'_>) -> Option<EventKey> {
        let Some(pointer) = &self.pointer else {
            return event.metadata().and_then(|metadata| metadata.key.as_deref()).and_then(EventKey::new);
        };
        let payload: Json = serde_json::from_slice(event.data().as_bytes()).ok()?;
        match payload.pointer(pointer)? {
            Json::String(text) => EventKey::new(text),
            Json::Number(number) => EventKey::new(&number.to_string()),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

/// A key, never empty and of a bounded length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Box<str>);

impl EventKey {
    /// A key; none of an empty text. What is too long to keep becomes its digest.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        match text.len() {
            0 => None,
            1..=KEY_BYTES_MAX => Some(Self(text.into())),
            _ => Some(Self(format!("sha256:{}", Digest::of(text.as_bytes())).into())),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, Event, Metadata, ReadFrom, Span};

    fn key(pointer: Option<&str>, payload: &str) -> Option<String> {
        let length = u32::try_from(payload.len()).unwrap();
        let metadata = Metadata { key: Some("said".into()), ..Metadata::default() };
        let event = Event::text(0..length).with_metadata(metadata);
        let span = Span::new(ReadFrom::First, Cursor::new("1").unwrap(), payload.to_owned().into(), vec![event]);
        let order = KeyOrder { pointer: pointer.map(str::to_owned), ..KeyOrder::default() };
        order.key(&span.event(0).unwrap()).map(|key| key.to_string())
    }

    #[test]
    fn the_key_is_what_the_publisher_says_or_what_stands_at_the_pointer() {
        assert_eq!(key(None, "anything").as_deref(), Some("said"));
        assert_eq!(key(Some("/user"), r#"{"user":"ada"}"#).as_deref(), Some("ada"));
        assert_eq!(key(Some("/user/id"), r#"{"user":{"id":7}}"#).as_deref(), Some("7"));
        assert_eq!(key(Some("/a~1b/0"), r#"{"a/b":["x"]}"#).as_deref(), Some("x"));
        for none in [r#"{"user":null}"#, r#"{"user":""}"#, r#"{"user":{}}"#, "{}", "not JSON", ""] {
            assert_eq!(key(Some("/user"), none), None, "{none}");
        }
    }

    #[test]
    fn a_long_key_is_kept_as_its_digest_and_stays_the_same_when_it_is_read_again() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        let kept = EventKey::new(&long).unwrap();
        assert!(kept.as_str().starts_with("sha256:") && kept.as_str().len() < 80);
        assert_ne!(kept, EventKey::new(&format!("{long}k")).unwrap());
        assert_eq!(EventKey::new(kept.as_str()), Some(kept));
        assert_eq!(EventKey::new(""), None);
    }
}
