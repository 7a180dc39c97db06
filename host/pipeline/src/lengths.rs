//! The lengths of what a batch has read: what its commit replaces need not be looked up once more to be counted.

use std::collections::HashMap;

use crate::Value;

/// Bytes of keys that are remembered. What is read past them is looked up if it is written.
const KEY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a batch knows of a key as its snapshot has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownLength {
    /// Nothing: it did not read it.
    Unread,
    /// It has no value.
    Absent,
    /// Its value has so many bytes.
    Bytes(usize),
}

/// The lengths of values in a snapshot, by their keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lengths {
    known: HashMap<String, KnownLength>,
    key_bytes: usize,
}

impl Lengths {
    /// Remembers what a key has in the snapshot.
    pub(crate) fn remember(&mut self, key: &str, value: Option<&Value>) {
        if self.key_bytes + key.len() > KEY_BYTES_MAX {
            return;
        }
        let known = value.map_or(KnownLength::Absent, |value| KnownLength::Bytes(value.len()));
        if self.known.insert(key.to_owned(), known).is_none() {
            self.key_bytes += key.len();
        }
    }

    /// What is known of a key.
    pub(crate) fn of(&self, key: &str) -> KnownLength {
        self.known.get(key).copied().unwrap_or(KnownLength::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut lengths = Lengths::default();
        let key = |number: usize| format!("{number:01000}");
        for number in (0..5_000).chain(0..5_000) {
            lengths.remember(&key(number), (number % 2 == 0).then_some(&Value::from("12")));
        }
        let known = [0, 1, 4_999].map(|number| lengths.of(&key(number)));
        assert_eq!(known, [KnownLength::Bytes(2), KnownLength::Absent, KnownLength::Unread]);
        assert_eq!(lengths.known.len(), KEY_BYTES_MAX / 1_000);
    }
}
