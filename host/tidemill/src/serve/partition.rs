//! Which partition an event belongs to: a matter of the event and the number of partitions alone.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The partition of an event: by the value of its key field, or by the number of its line (from 0).
pub(super) fn partition_of(event: &[u8], line: u64, key: Option<&str>, partitions: u32) -> u32 {
    let chosen = match key.and_then(|key| field(event, key)) {
        Some(value) => hash(value.as_bytes()),
        None => line,
    };
    u32::try_from(chosen % u64::from(partitions.max(1))).unwrap_or(0)
}

/// A field of an object: its text if it is text, else its JSON. None if it is not there.
fn field<'a>(event: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let mut json = serde_json::Deserializer::from_slice(event);
    let raw = json.deserialize_map(Field(name)).ok()??.get();
    if raw.starts_with('"') { serde_json::from_str::<Text<'a>>(raw).ok().map(|text| text.0) } else { Some(raw.into()) }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Field<'n>(&'n str);

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(wanted) = map.next_key_seed(IsName(self.0))? {
            if wanted {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a name is the one that is looked for, without keeping it.
struct IsName<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, name: D) -> Result<bool, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// FNV-1a, folded: short, and the same in every version of this program, which a cursor relies on.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stays_in_its_partition_whatever_its_form() {
        let same = [
            r#"{"user":"ada","amount":3}"#,
            r#"{ "amount" : 4, "user" : "ada" }"#,
            r#"{"user":"\u0061da","x":{"user":"bob"}}"#,
        ];
        let partitions = same.map(|event| partition_of(event.as_bytes(), 1, Some("user"), 1_000));
        assert!(partitions.iter().all(|partition| *partition == partitions[0]), "{partitions:?}");
        assert_ne!(partition_of(br#"{"user":"bob"}"#, 1, Some("user"), 1_000), partitions[0]);
    }

    /// A cursor that was handed out yesterday must mean the same after an update of this program.
    #[test]
    fn the_choice_never_changes() {
        let chosen = ["ada", "bob", "eve", "mallory"]
            .map(|user| partition_of(format!("{{\"user\":\"{user}\"}}").as_bytes(), 0, Some("user"), 8));
        insta::assert_compact_debug_snapshot!(chosen, @"[2, 5, 5, 1]");
    }

    #[test]
    fn the_line_chooses_where_there_is_no_key() {
        for event in ["{}", "[1]", "7", r#"{"users":"ada"}"#] {
            assert_eq!(partition_of(event.as_bytes(), 7, Some("user"), 3), 1, "{event}");
        }
        assert_eq!(partition_of(br#"{"user":"ada"}"#, 5, None, 3), 2);
    }
}
