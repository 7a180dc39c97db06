//! Just enough JSON to find the members of an object without looking into their values.
//!
//! A value need only be balanced: publishers emit `NaN` and `Infinity`, and what is inside a payload is the
//! component's matter. Every step is bounded: nothing recurses, and brackets are matched in a fixed array of bits.

use std::{borrow::Cow, ops::Range};

/// The deepest nesting of arrays and objects that a payload may have.
pub const DEPTH_MAX: u32 = 512;

/// Bytes of a string that are looked at without a call.
const SHORT_BYTES: usize = 32;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else, or nothing.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A comma, a colon, a quote or a value is missing.
    #[error("it is not JSON")]
    Malformed,
    /// Its closing quote is missing.
    #[error("a string in it does not end")]
    OpenString,
    /// A bracket and its partner.
    #[error("a bracket in it is not closed, or closes another one")]
    Unbalanced,
    /// More than one value.
    #[error("there is something behind its last bracket")]
    Trailing,
}

/// A value that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The place behind it.
    pub end: usize,
    /// How deeply arrays and objects are nested in it, itself included.
    pub depth: u32,
}

/// A member of an object, as places in its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Between the quotes of its key.
    key: Range<usize>,
    /// Whether the key has an escape.
    escaped: bool,
    /// The value without the white space around it.
    pub value: Range<usize>,
    /// How deeply the value is nested.
    pub depth: u32,
}

impl Member {
    /// The key. One that is no valid string has no meaning for us and is empty.
    #[must_use]
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let key = bytes.get(self.key.clone()).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(key);
        }
        let quoted = bytes.get(self.key.start - 1..self.key.end + 1).unwrap_or_default();
        text(quoted).map_or(Cow::Borrowed(&[]), |text| Cow::Owned(text.into_owned().into_bytes()))
    }
}

/// The members of the object that some bytes are, in their order.
#[derive(Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Within,
    Done,
}

impl<'a> Members<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, state: State::Start }
    }

    fn step(&mut self) -> Result<Option<Member>, JsonError> {
        self.at = white(self.bytes, self.at);
        match self.state {
            State::Done => return Ok(None),
            State::Start => {
                self.expect(b'{').ok_or(JsonError::NotAnObject)?;
                self.at = white(self.bytes, self.at);
                if self.expect(b'}').is_some() {
                    return self.end();
                }
            }
            State::Within => {
                if self.expect(b'}').is_some() {
                    return self.end();
                }
                self.expect(b',').ok_or(JsonError::Malformed)?;
                self.at = white(self.bytes, self.at);
            }
        }
        self.state = State::Within;
        self.expect(b'"').ok_or(JsonError::Malformed)?;
        let key = self.at;
        let (end, escaped) = string_end(self.bytes, key)?;
        self.at = end;
        let key = key..end - 1;
        self.at = white(self.bytes, self.at);
        self.expect(b':').ok_or(JsonError::Malformed)?;
        let value = white(self.bytes, self.at);
        let skipped = skip(self.bytes, value)?;
        self.at = skipped.end;
        Ok(Some(Member { key, escaped, value: value..skipped.end, depth: skipped.depth }))
    }

    fn end(&mut self) -> Result<Option<Member>, JsonError> {
        self.state = State::Done;
        if white(self.bytes, self.at) == self.bytes.len() { Ok(None) } else { Err(JsonError::Trailing) }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, JsonError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.state = State::Done;
            self.at = self.bytes.len();
        }
        step.transpose()
    }
}

/// The place of the first byte that is no white space.
#[must_use]
#[inline]
pub fn white(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The text of a JSON string with its quotes, borrowed where it has no escapes.
#[must_use]
pub fn text(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr2(b'\\', b'"', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned)
}

/// Passes over the value that begins at a place.
///
/// # Errors
/// When no value begins there, or what begins does not end.
#[inline]
pub fn skip(bytes: &[u8], at: usize) -> Result<Skipped, JsonError> {
    match bytes.get(at) {
        Some(b'"') => Ok(Skipped { end: string_end(bytes, at + 1)?.0, depth: 0 }),
        Some(b'{' | b'[') => nest_end(bytes, at),
        Some(_) => {
            let mut end = at;
            while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.') = bytes.get(end) {
                end += 1;
            }
            if end > at { Ok(Skipped { end, depth: 0 }) } else { Err(JsonError::Malformed) }
        }
        None => Err(JsonError::Malformed),
    }
}

/// The place behind the closing quote of a string whose first byte behind the opening quote is given, and whether
/// there is an escape before it.
fn string_end(bytes: &[u8], mut at: usize) -> Result<(usize, bool), JsonError> {
    let mut escaped = false;
    loop {
        // Eight bytes at a time: most strings are short, and a call for each costs more than it finds. One that is
        // longer is worth it.
        let long = at + SHORT_BYTES;
        while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            if at >= long {
                at = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default())
                    .map_or(bytes.len(), |found| at + found);
                break;
            }
            let word = u64::from_le_bytes(*chunk);
            let found = equal(word, b'"') | equal(word, b'\\');
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => {
                escaped = true;
                at += 2;
            }
            Some(_) => at += 1,
            None => return Err(JsonError::OpenString),
        }
    }
}

/// The high bit of the lowest byte that equals another; bits above that one may be wrong.
fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let difference = word ^ (LOW * u64::from(byte));
    difference.wrapping_sub(LOW) & !difference & (LOW << 7)
}

/// The place behind the bracket that closes the one at a place. Beyond the deepest nesting brackets are only counted.
fn nest_end(bytes: &[u8], mut at: usize) -> Result<Skipped, JsonError> {
    let mut brackets = Brackets { objects: [0; DEPTH_MAX as usize / 64], depth: 0 };
    let mut deepest = 0;
    loop {
        at = match bytes.get(at) {
            Some(b'"') => string_end(bytes, at + 1)?.0,
            Some(b'{') => {
                brackets.open(true);
                deepest = deepest.max(brackets.depth);
                at + 1
            }
            Some(b'[') => {
                brackets.open(false);
                deepest = deepest.max(brackets.depth);
                at + 1
            }
            Some(close @ (b'}' | b']')) => {
                if !brackets.close(*close == b'}') {
                    return Err(JsonError::Unbalanced);
                }
                if brackets.depth == 0 {
                    return Ok(Skipped { end: at + 1, depth: deepest });
                }
                at + 1
            }
            Some(_) => at + 1,
            None => return Err(JsonError::Unbalanced),
        };
    }
}

/// Which brackets are open.
struct Brackets {
    objects: [u64; DEPTH_MAX as usize / 64],
    depth: u32,
}

impl Brackets {
    fn open(&mut self, object: bool) {
        if let Some(word) = self.objects.get_mut(self.depth as usize / 64) {
            let bit = 1 << (self.depth % 64);
            *word = if object { *word | bit } else { *word & !bit };
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self, object: bool) -> bool {
        self.depth -= 1;
        let word = self.objects.get(self.depth as usize / 64);
        word.is_none_or(|word| (word >> (self.depth % 64) & 1 == 1) == object)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn members(text: &str) -> Result<Vec<(String, String)>, JsonError> {
        let bytes = text.as_bytes();
        let pair = |member: Member| {
            let key = String::from_utf8(member.key(bytes).into_owned()).unwrap();
            (key, text[member.value].to_owned())
        };
        Members::new(bytes).map(|member| member.map(pair)).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(members(text), Ok(expected), "{text}");
    }

    #[test]
    fn members_are_found_whatever_their_values_hold() {
        check("{}", &[]);
        check(" { } \r", &[]);
        check(r#"{"a":1}"#, &[("a", "1")]);
        check(r#"{ "a" : 1 , "b":{"c":[1,"}]"]} }"#, &[("a", "1"), ("b", r#"{"c":[1,"}]"]}"#)]);
        check(r#"{"a":"x\"y\\","b":-1.5e+3}"#, &[("a", r#""x\"y\\""#), ("b", "-1.5e+3")]);
        check(r#"{"\u0061b":null}"#, &[("ab", "null")]);
        check(r#"{"a":NaN,"b":[Infinity,-Infinity]}"#, &[("a", "NaN"), ("b", "[Infinity,-Infinity]")]);
        check(r#"{"a":1,"a":2}"#, &[("a", "1"), ("a", "2")]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, error) in [
            ("Internal server error", JsonError::NotAnObject),
            ("", JsonError::NotAnObject),
            ("[1]", JsonError::NotAnObject),
            ("{", JsonError::Malformed),
            (r#"{"a"}"#, JsonError::Malformed),
            (r#"{"a":}"#, JsonError::Malformed),
            (r#"{"a":1,}"#, JsonError::Malformed),
            (r#"{"a":1 2}"#, JsonError::Malformed),
            (r#"{"a":"x}"#, JsonError::OpenString),
            (r#"{"a":"x\"#, JsonError::OpenString),
            (r#"{"a":[}"#, JsonError::Unbalanced),
            (r#"{"a":{"b":1}"#, JsonError::Malformed),
            (r#"{"a":1}}"#, JsonError::Trailing),
        ] {
            assert_eq!(members(text), Err(error), "{text}");
        }
    }

    #[test]
    fn nesting_is_counted_and_costs_no_stack() {
        for depth in [1u32, 511, 512, 513, 100_000] {
            let text = "[".repeat(depth as usize) + &"]".repeat(depth as usize);
            assert_eq!(skip(text.as_bytes(), 0), Ok(Skipped { end: text.len(), depth }));
        }
        assert_eq!(skip(b"[{]}", 0), Err(JsonError::Unbalanced));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::btree_map(".*", inner, 0..8)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_that_serde_json_finds(
            object in prop::collection::btree_map(".*", any_json(), 0..8), pretty: bool,
        ) {
            let object = serde_json::Value::Object(object.into_iter().collect());
            let text = if pretty { format!("{object:#}") } else { object.to_string() };
            let found = members(&text).unwrap();
            let expected: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(found.len(), expected.len());
            for (key, value) in found {
                prop_assert_eq!(value, expected[&key].get());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            for member in Members::new(&bytes).flatten() {
                prop_assert!(member.key(&bytes).len() <= bytes.len());
            }
        }

        #[test]
        fn bytes_that_look_like_json_never_panic(text in r#"[\{\}\[\]",:\\a1 ]{0,40}"#) {
            let accepted = members(&text).is_ok();
            if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok() {
                prop_assert!(accepted);
            }
        }
    }
}
