//! Keys: how what a map is keyed by becomes text.

use std::{borrow::Cow, fmt::Write};

/// What a [`Map`](crate::Map) can be keyed by: text and whole numbers.
///
/// Entries are visited in the order of the bytes of their keys. Numbers are not padded, so `10` comes before `9`; where the
/// order matters, make a text key of a fixed width: `format!("{n:010}")`.
pub trait Key {
    /// What a scan gives for it.
    type Owned;

    /// Appends it to the map's prefix.
    fn write(&self, key: &mut String);

    /// Reads it from a key without the prefix; none if the text is no such key.
    fn read(text: &str) -> Option<Self::Owned>;
}

impl Key for str {
    type Owned = String;

    #[inline]
    fn write(&self, key: &mut String) {
        key.push_str(self);
    }

    fn read(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

impl Key for String {
    type Owned = Self;

    #[inline]
    fn write(&self, key: &mut String) {
        key.push_str(self);
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Key for Cow<'_, str> {
    type Owned = String;

    #[inline]
    fn write(&self, key: &mut String) {
        key.push_str(self);
    }

    fn read(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Key for $number {
            type Owned = Self;

            fn write(&self, key: &mut String) {
                // A String takes whatever is written to it.
                _ = write!(key, "{self}");
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
