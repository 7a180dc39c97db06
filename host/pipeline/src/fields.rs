//! The fields: those members of a JSON object that a component is given; the others stay outside.
//!
//! They are picked where a span is put on the way to its worker: beside the call that runs, and not before the next one.

use std::{ops::Range, sync::Arc};

use bytestring::ByteString;

use crate::json::Members;

/// The room that what is picked of a span begins with.
const TEXT_BYTES: usize = 64;

/// The names of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(Arc<[Field]>);

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: Box<[u8]>,
    /// The name as JSON, with the colon behind it.
    written: Box<str>,
}

impl Field {
    /// Most names differ in their length or their first letter, which costs no call.
    #[inline]
    fn is(&self, name: &[u8]) -> bool {
        self.name.len() == name.len() && self.name.first() == name.first() && *self.name == *name
    }
}

impl Fields {
    /// Fields of these names.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let field = |name: N| {
            let name = name.as_ref();
            Field { name: name.as_bytes().into(), written: format!("{}:", serde_json::Value::from(name)).into() }
        };
        Self(names.into_iter().map(field).collect())
    }

    /// Writes an object of a payload's members behind a text: those of these names, in their order, with the bytes of their
    /// values. Says whether it did: what is no object is left alone.
    #[inline]
    fn pick(&self, payload: &str, into: &mut String) -> bool {
        let begin = into.len();
        let picked = self.members(payload, into).is_some();
        if !picked {
            into.truncate(begin);
        }
        picked
    }

    #[inline]
    fn members(&self, payload: &str, into: &mut String) -> Option<()> {
        let bytes = payload.as_bytes();
        into.push('{');
        let empty = into.len();
        for member in Members::new(bytes) {
            let member = member.ok()?;
            let name = member.key(bytes);
            if let Some(field) = self.0.iter().find(|field| field.is(&name)) {
                into.push_str(&field.written);
                into.push_str(payload.get(member.value)?);
                into.push(',');
            }
        }
        if into.len() > empty {
            into.pop();
        }
        into.push('}');
        Some(())
    }
}

/// What was picked of the payloads of a span.
#[derive(Clone, Debug)]
pub(crate) struct Picked {
    text: ByteString,
    /// Where that of each event lies; none if the event is given whole.
    places: Arc<[Option<Range<u32>>]>,
}

impl Picked {
    /// What is picked of some payloads; none for one that is no text.
    pub(crate) fn of<'a>(fields: &Fields, payloads: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut text = String::with_capacity(TEXT_BYTES);
        let mut pick = |payload: Option<&str>| {
            let begin = u32::try_from(text.len()).ok()?;
            let picked = fields.pick(payload?, &mut text);
            // What is picked is hardly longer than the payload. Should the sum pass 4 GiB, the rest is given whole.
            let end = u32::try_from(text.len()).ok()?;
            picked.then_some(begin..end)
        };
        let places = payloads.map(&mut pick).collect();
        Self { text: text.into(), places }
    }

    /// What was picked of an event's payload, if it was.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let place = self.places.get(index)?.as_ref()?;
        self.text.get(place.start as usize..place.end as usize)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The same for some of the events.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self { text: self.text.clone(), places: self.places.get(range).unwrap_or_default().into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value as Json};

    use super::*;

    #[track_caller]
    fn check(names: &[&str], payload: &str, given: &str) {
        let picked = Picked::of(&Fields::new(names), [Some(payload)].into_iter());
        assert_eq!(picked.get(0).unwrap_or(payload), given, "{names:?} of {payload}");
    }

    #[test]
    fn members_keep_their_order_and_their_bytes_and_the_others_are_left_out() {
        check(&["a", "c"], r#"{"c":1.50,"b":2,"a":"\u00e5"}"#, r#"{"c":1.50,"a":"\u00e5"}"#);
        check(&["a"], " { \"a\" : [ 1,\n {\"b\":2} ] , \"b\":3 } ", "{\"a\":[ 1,\n {\"b\":2} ]}");
        check(&["b"], r#"{"a":{"b":1}}"#, "{}");
        check(&[], r#"{"a":1}"#, "{}");
        check(&["a"], "{}", "{}");
        check(&["a"], r#"{"a":NaN,"b":Infinity}"#, r#"{"a":NaN}"#);
    }

    #[test]
    fn what_is_left_out_is_not_looked_into() {
        check(&["a"], r#"{"a":1,"b":[1 2],"c":tru}"#, r#"{"a":1}"#);
    }

    #[test]
    fn a_name_is_the_same_however_it_is_written() {
        check(&["ab"], r#"{"\u0061b":1,"a":2}"#, r#"{"ab":1}"#);
        check(&["a\"b"], r#"{"a\"b":1}"#, r#"{"a\"b":1}"#);
        check(&["å"], r#"{"\u00e5":1,"å":2}"#, r#"{"å":1,"å":2}"#);
    }

    #[test]
    fn a_member_that_is_there_twice_stays_there_twice() {
        check(&["a"], r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"a":3}"#);
    }

    #[test]
    fn what_is_no_object_is_given_whole() {
        for payload in
            ["", " ", "1", "[{\"a\":1}]", "\"a\"", "null", "{", r#"{"a":1"#, r#"{"a":1}}"#, r#"{"a":1,}"#, "not JSON"]
        {
            check(&["a"], payload, payload);
        }
    }

    #[test]
    fn what_is_no_text_is_given_whole_and_does_not_move_the_others() {
        let picked = Picked::of(
            &Fields::new(["a"]),
            [Some(r#"{"a":1,"b":2}"#), None, Some("[1]"), Some(r#"{"b":3}"#)].into_iter(),
        );
        let all: Vec<_> = (0..5).map(|index| picked.get(index)).collect();
        assert_eq!(all, [Some(r#"{"a":1}"#), None, None, Some("{}"), None]);
        let part = picked.part(2..4);
        assert_eq!([part.get(0), part.get(1), part.get(2)], [None, Some("{}"), None]);
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            ".{0,12}".prop_map(Json::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::hash_map("[ab\"\\\\å\n]{0,2}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_object_is_given_as_a_parser_would_have_picked_it(
            object in proptest::collection::hash_map("[ab\"\\\\å\n]{0,2}", json(), 0..6),
            names in proptest::collection::vec("[ab\"\\\\å\n]{0,2}", 0..4),
            pretty: bool,
        ) {
            let object: Map<String, Json> = object.into_iter().collect();
            let whole = Json::Object(object.clone());
            let payload = if pretty { serde_json::to_string_pretty(&whole).unwrap() } else { whole.to_string() };
            let picked = Picked::of(&Fields::new(&names), [Some(payload.as_str())].into_iter());
            let given: Json = serde_json::from_str(picked.get(0).unwrap()).unwrap();
            let expected: Map<String, Json> = object.into_iter().filter(|(name, _)| names.contains(name)).collect();
            prop_assert_eq!(given, Json::Object(expected));
        }

        #[test]
        fn whatever_is_no_object_for_a_parser_is_given_whole_or_as_an_object(payload in r#"[\{\}\[\]",:\\a1 ]{0,30}"#) {
            let picked = Picked::of(&Fields::new(["a"]), [Some(payload.as_str())].into_iter());
            if let Some(given) = picked.get(0) {
                let object = given.starts_with('{') && given.ends_with('}');
                prop_assert!(object && given.len() <= payload.len().max(2), "{}", given);
            } else {
                prop_assert!(serde_json::from_str::<Map<String, Json>>(&payload).is_err());
            }
        }
    }
}
