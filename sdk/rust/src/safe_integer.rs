//! The safe integer: a whole number that every JSON reader keeps exactly.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor},
};

/// The largest safe integer, 2^53 - 1.
const MAX: i64 = (1 << 53) - 1;

/// A whole number of at most 2^53 - 1 in magnitude: what JSON can carry between any two languages without a change.
///
/// Take amounts in events as this, and one that other readers would round is refused rather than told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeInteger(i64);

impl SafeInteger {
    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Serialize for SafeInteger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for SafeInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = SafeInteger;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of at most 2^53 - 1")
    }

    #[inline]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SafeInteger, E> {
        if (-MAX..=MAX).contains(&number) {
            return Ok(SafeInteger(number));
        }
        Err(E::invalid_value(Unexpected::Signed(number), &self))
    }

    #[inline]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<SafeInteger, E> {
        let signed = i64::try_from(number).ok().filter(|number| *number <= MAX);
        signed.map(SafeInteger).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<SafeInteger, E> {
        // serde_json reads `-0` so.
        if number == 0.0 && number.is_sign_negative() {
            return Ok(SafeInteger(0));
        }
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}

impl From<SafeInteger> for i64 {
    fn from(number: SafeInteger) -> Self {
        number.0
    }
}

impl From<SafeInteger> for i128 {
    fn from(number: SafeInteger) -> Self {
        number.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_that_every_reader_keeps_are_read() {
        for (text, number) in [("0", 0), ("-0", 0), ("9007199254740991", MAX), ("-9007199254740991", -MAX)] {
            assert_eq!(serde_json::from_str(text).map(SafeInteger::get).ok(), Some(number), "{text}");
        }
        for text in
            ["9007199254740992", "-9007199254740992", "18446744073709551615", "1e400", "3.5", "null", "true", "\"3\""]
        {
            serde_json::from_str::<SafeInteger>(text).expect_err(text);
        }
    }
}
