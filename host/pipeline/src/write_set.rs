//! The write set: what a batch writes, as it is committed.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Value,
    lengths::{KnownLength, Lengths},
};

/// Keys with their new values; none where they are deleted.
pub(crate) type Writes = BTreeMap<String, Option<Value>>;

/// The writes of a batch, normalised: one a key, in the order of the bytes of their keys. Cheap to clone.
/// Two are equal if they write the same.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    pub(crate) writes: Arc<Writes>,
    bytes: usize,
    lengths: Arc<Lengths>,
}

impl WriteSet {
    /// Writes of so many bytes, and what is known of what they replace.
    pub(crate) fn of(writes: Writes, bytes: usize, lengths: Lengths) -> Self {
        Self { writes: Arc::new(writes), bytes, lengths: Arc::new(lengths) }
    }

    /// The writes, without what was known of what they replace.
    pub(crate) fn made(&self) -> Self {
        Self { writes: Arc::clone(&self.writes), bytes: self.bytes, lengths: Arc::default() }
    }

    /// How many keys it changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The bytes of its keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Each key with its new value, or none where it is deleted, in the order of the bytes of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.writes.iter().map(|(key, value)| (key.as_str(), value.as_ref()))
    }

    /// What is known of a key as the snapshot had it that the batch read. The compare-and-set of a step makes sure that it is so
    /// still.
    #[must_use]
    pub fn length_before(&self, key: &str) -> KnownLength {
        self.lengths.of(key)
    }
}

impl PartialEq for WriteSet {
    fn eq(&self, other: &Self) -> bool {
        self.writes == other.writes
    }
}

impl Eq for WriteSet {}

impl FromIterator<(String, Option<Value>)> for WriteSet {
    fn from_iter<I: IntoIterator<Item = (String, Option<Value>)>>(writes: I) -> Self {
        let writes: Writes = writes.into_iter().collect();
        let bytes = writes.iter().map(|(key, value)| size(key, value.as_ref())).sum();
        Self::of(writes, bytes, Lengths::default())
    }
}

/// The bytes of a write.
pub(crate) fn size(key: &str, value: Option<&Value>) -> usize {
    key.len() + value.map_or(0, Value::len)
}
