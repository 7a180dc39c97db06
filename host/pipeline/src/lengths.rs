//! The lengths of what a batch has read: what its commit replaces need not be looked up once more to be counted.

use std::{collections::HashMap, sync::Arc};

use crate::{Value, write_set::Writes};

/// Bytes of memory for what was read, about. What is read past them is looked up if it is written.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a key takes beside its bytes.
const ROW_BYTES: usize = 64;

/// What a batch knows of a key as its commit finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownLength {
    /// Nothing: it did not read it.
    Unread,
    /// It has no value.
    Absent,
    /// Its value has so many bytes.
    Bytes(usize),
}

/// The lengths of values as a commit finds them, by their keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lengths {
    /// What the commit before writes: it is in the store when this batch is committed.
    recent: Arc<Writes>,
    /// What was read besides.
    known: HashMap<String, KnownLength>,
    bytes: usize,
}

impl Lengths {
    /// Those of what the commit before writes.
    pub(crate) fn over(recent: Arc<Writes>) -> Self {
        Self { recent, ..Self::default() }
    }

    /// Remembers what was read of a key.
    pub(crate) fn remember(&mut self, key: &str, value: Option<&Value>) {
        let bytes = ROW_BYTES + key.len();
        if self.bytes + bytes > BYTES_MAX {
            return;
        }
        if self.known.insert(key.to_owned(), KnownLength::from(value)).is_none() {
            self.bytes += bytes;
        }
    }

    /// What is known of a key.
    pub(crate) fn of(&self, key: &str) -> KnownLength {
        match self.recent.get(key) {
            Some(value) => value.as_ref().into(),
            None => self.known.get(key).copied().unwrap_or(KnownLength::Unread),
        }
    }
}

impl From<Option<&Value>> for KnownLength {
    fn from(value: Option<&Value>) -> Self {
        value.map_or(Self::Absent, |value| Self::Bytes(value.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_commit_before_writes_is_known_without_a_read() {
        let recent = [("a".to_owned(), Some(Value::from("123"))), ("b".to_owned(), None)];
        let mut lengths = Lengths::over(Arc::new(recent.into()));
        lengths.remember("c", Some(&Value::from("1")));
        let known = ["a", "b", "c", "d"].map(|key| lengths.of(key));
        assert_eq!(known, [KnownLength::Bytes(3), KnownLength::Absent, KnownLength::Bytes(1), KnownLength::Unread]);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut lengths = Lengths::default();
        let key = |number: usize| format!("{number:01000}");
        for number in (0..5_000).chain(0..5_000) {
            lengths.remember(&key(number), (number % 2 == 0).then_some(&Value::from("12")));
        }
        let known = [0, 1, 4_999].map(|number| lengths.of(&key(number)));
        assert_eq!(known, [KnownLength::Bytes(2), KnownLength::Absent, KnownLength::Unread]);
        assert_eq!(lengths.known.len(), BYTES_MAX / (1_000 + ROW_BYTES));

        let mut short = Lengths::default();
        (0..100_000).for_each(|number: usize| short.remember(&number.to_string(), None));
        assert!(short.known.len() < BYTES_MAX / ROW_BYTES, "short keys take memory too");
    }
}
