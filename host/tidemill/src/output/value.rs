//! Values as they are shown: exact in JSON and in pipes, harmless on a terminal.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tidemill_pipeline::ValueRef;

use super::safe;

/// A value in JSON: `"NAME": "…"` for text, `"NAME-base64": "…"` for bytes. To be flattened into its object.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The field's name for text.
    pub name: &'static str,
    /// The field's name for bytes.
    pub name_base64: &'static str,
    /// The value.
    pub value: ValueRef<'a>,
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.value {
            ValueRef::Text(text) => map.serialize_entry(self.name, text)?,
            ValueRef::Bytes(bytes) => map.serialize_entry(self.name_base64, &STANDARD.encode(bytes))?,
        }
        map.end()
    }
}

/// A value on one line, for people: text as it is, but for what would break the line or steer the terminal; bytes
/// as base64 behind the word.
#[must_use]
pub fn one_line(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => safe(text).replace('\n', "\\n").replace('\t', "\\t"),
        ValueRef::Bytes(bytes) => format!("base64:{}", STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_told_apart() {
        let json = |value| serde_json::to_string(&Named { name: "value", name_base64: "value-base64", value }).unwrap();
        assert_eq!(json(ValueRef::Text("{\"a\": 1}")), r#"{"value":"{\"a\": 1}"}"#);
        assert_eq!(json(ValueRef::Bytes(b"\xff\x00")), r#"{"value-base64":"/wA="}"#);
        assert_eq!(one_line(ValueRef::Text("a\nb\u{1b}")), "a\\nb\\u{1b}");
        assert_eq!(one_line(ValueRef::Bytes(b"\xff\x00")), "base64:/wA=");
    }
}
