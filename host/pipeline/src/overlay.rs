//! The overlay: a component's writes over a snapshot of the state.

use std::{collections::btree_map, iter::Peekable, ops::Bound, sync::Arc};

use crate::{
    Change, Failure, Stage, Value, WriteSet, failpoint,
    lengths::Lengths,
    write_set::{Writes, size},
};

/// A consistent view of one processor's state. It is used by one call at a time, on a thread that may block.
pub trait Snapshot: Send {
    /// The value of a key.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure>;

    /// Up to `limit` entries whose keys begin with `prefix` and are greater than `after`, in the order of the bytes of their keys.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure>;
}

/// What a batch may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteBounds {
    /// Keys.
    pub rows_max: usize,
    /// Bytes of keys and values.
    pub bytes_max: usize,
    /// Bytes of one key; a key has at least 1.
    pub key_bytes_max: usize,
}

impl Default for WriteBounds {
    fn default() -> Self {
        Self { rows_max: 100_000, bytes_max: 16 * 1024 * 1024, key_bytes_max: 1024 }
    }
}

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// [`WriteBounds::rows_max`].
    #[error("the batch writes more than {0} keys (limits.write-rows)")]
    Rows(usize),
    /// [`WriteBounds::bytes_max`].
    #[error("the batch writes more than {0} bytes (limits.write-bytes)")]
    Bytes(usize),
    /// [`WriteBounds::key_bytes_max`].
    #[error("a key has {0} bytes; a key has 1 to {1}")]
    Key(usize, usize),
}

/// Writes over a snapshot and the writes of the commit before, in two layers: those of the calls that went well, and those of the call that runs.
pub struct Overlay {
    base: Box<dyn Snapshot>,
    /// Writes that the snapshot has too, or is about to have. They are quicker to look up.
    recent: WriteSet,
    settled: Writes,
    current: Writes,
    bounds: WriteBounds,
    bytes: usize,
    bytes_settled: usize,
    /// What the settled keys had before, if somebody wants to know.
    before: Option<Writes>,
    /// How long the values were that were read.
    lengths: Lengths,
}

impl Overlay {
    /// No writes yet over a snapshot.
    #[must_use]
    pub fn new(base: Box<dyn Snapshot>, bounds: WriteBounds) -> Self {
        Self {
            base,
            recent: WriteSet::default(),
            settled: Writes::new(),
            current: Writes::new(),
            bounds,
            bytes: 0,
            bytes_settled: 0,
            before: None,
            lengths: Lengths::default(),
        }
    }

    /// Looks into these writes before it asks the snapshot. All that the snapshot does not have yet must be among them.
    #[must_use]
    pub fn knowing(mut self, recent: WriteSet) -> Self {
        self.lengths = Lengths::over(Arc::clone(&recent.writes));
        self.recent = recent;
        self
    }

    /// Keeps what the written keys had before, for [`changes`](Self::changes). It costs a read for each of them.
    #[must_use]
    pub fn keeping_before(mut self) -> Self {
        self.before = Some(Writes::new());
        self
    }

    /// The value of a key: the last write to it, else the snapshot's.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        if let Some(written) = self.current.get(key).or_else(|| self.settled.get(key)) {
            return Ok(written.clone());
        }
        if let Some(recent) = self.recent.writes.get(key) {
            return Ok(recent.clone());
        }
        let value = self.base.get(key)?;
        self.lengths.remember(key, value.as_ref());
        Ok(value)
    }

    /// Sets a key, or removes it.
    ///
    /// # Errors
    /// When the write would pass a bound. The overlay is then as it was.
    pub fn write(&mut self, key: String, value: Option<Value>) -> Result<(), WriteError> {
        if key.is_empty() || key.len() > self.bounds.key_bytes_max {
            return Err(WriteError::Key(key.len(), self.bounds.key_bytes_max));
        }
        let before = self.current.get(&key).map_or(0, |old| size(&key, old.as_ref()));
        let bytes = self.bytes - before + size(&key, value.as_ref());
        if bytes > self.bounds.bytes_max {
            return Err(WriteError::Bytes(self.bounds.bytes_max));
        }
        let rows = self.current.len() + self.settled.len();
        if rows >= self.bounds.rows_max && !self.current.contains_key(&key) && !self.settled.contains_key(&key) {
            return Err(WriteError::Rows(self.bounds.rows_max));
        }
        self.bytes = bytes;
        self.current.insert(key, value);
        Ok(())
    }

    /// Up to `limit` entries whose keys begin with `prefix` and are greater than `after`, in the order of the
    /// bytes of their keys, writes included; and whether more remain.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, Value)>, bool), Failure> {
        let mut entries = Vec::new();
        let mut after = after.map(str::to_owned);
        // Deleted keys hide entries of the snapshot, so one page of it may not fill one page of ours.
        loop {
            let wanted = limit - entries.len() + 1;
            let page = self.base.scan(prefix, after.as_deref(), wanted)?;
            let last = if page.len() < wanted { None } else { page.last().map(|(key, _)| key.clone()) };
            let [recent, settled, current] = [&*self.recent.writes, &self.settled, &self.current]
                .map(|writes| range(writes, prefix, after.as_deref()));
            let written = merge(recent, merge(settled, current));
            let written = written.take_while(|(key, _)| last.as_deref().is_none_or(|last| *key <= last));
            let base = page.iter().map(|(key, value)| (key.as_str(), Some(value)));
            for (key, value) in merge(base, written) {
                let Some(value) = value else { continue };
                if entries.len() == limit {
                    return Ok((entries, true));
                }
                entries.push((key.to_owned(), value.clone()));
            }
            match last {
                None => return Ok((entries, false)),
                Some(last) => after = Some(last),
            }
        }
    }

    /// Keeps the writes of the call that went well. Reads the snapshot only if what was before is kept.
    pub fn settle(&mut self) {
        if let Some(before) = &mut self.before {
            for key in self.current.keys().filter(|key| !self.settled.contains_key(*key)) {
                let known = self.recent.writes.get(key).cloned();
                // Who only looks on does not fail a batch: if the state cannot be read, the commit will say so.
                before.insert(key.clone(), known.unwrap_or_else(|| self.base.get(key).unwrap_or_default()));
            }
        }
        if self.settled.is_empty() {
            self.settled = std::mem::take(&mut self.current);
        } else {
            for (key, value) in std::mem::take(&mut self.current) {
                let key_bytes = key.len();
                if let Some(before) = self.settled.insert(key, value) {
                    self.bytes -= key_bytes + before.as_ref().map_or(0, Value::len);
                }
            }
        }
        self.bytes_settled = self.bytes;
    }

    /// Forgets the writes of the call that failed.
    pub fn discard(&mut self) {
        if failpoint::breaks("rejected-writes") {
            return self.settle();
        }
        self.current.clear();
        self.bytes = self.bytes_settled;
    }

    /// Closes the snapshot: nothing more is read. What was written stays.
    pub fn close(&mut self) {
        self.base = Box::new(Closed);
    }

    /// What the calls that went well changed, if what was before is kept; else nothing.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let before = self.before.iter().flatten();
        let change = |(key, before): (&String, &Option<Value>)| {
            let after = self.settled.get(key).cloned().flatten();
            Change { key: key.clone(), before: before.clone(), after }
        };
        before.map(change).collect()
    }

    /// The writes of the calls that went well. The snapshot is closed.
    #[must_use]
    pub fn into_writes(self) -> WriteSet {
        assert!(self.current.is_empty(), "a call is settled or discarded before its writes are taken");
        WriteSet::of(self.settled, self.bytes_settled, self.lengths)
    }
}

/// A snapshot that is closed.
struct Closed;

impl Closed {
    fn read<T>() -> Result<T, Failure> {
        let failure = Failure::broken(Stage::Process, "the state was read after its batch was applied");
        Err(failure.hint("this is a bug of Tidemill: please report it with the log"))
    }
}

impl Snapshot for Closed {
    fn get(&mut self, _: &str) -> Result<Option<Value>, Failure> {
        Self::read()
    }

    fn scan(&mut self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Value)>, Failure> {
        Self::read()
    }
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay")
            .field("settled", &self.settled.len())
            .field("current", &self.current.len())
            .finish_non_exhaustive()
    }
}

fn range<'a>(
    writes: &'a Writes,
    prefix: &'a str,
    after: Option<&'a str>,
) -> impl Iterator<Item = (&'a str, Option<&'a Value>)> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let entries: btree_map::Range<'a, String, Option<Value>> = writes.range::<str, _>((from, Bound::Unbounded));
    entries.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.as_str(), value.as_ref()))
}

/// Two ordered runs as one; where both have a key, the upper one wins.
fn merge<'a, T>(
    lower: impl Iterator<Item = (&'a str, T)>,
    upper: impl Iterator<Item = (&'a str, T)>,
) -> impl Iterator<Item = (&'a str, T)> {
    struct Merge<L: Iterator, U: Iterator>(Peekable<L>, Peekable<U>);

    impl<'a, T, L: Iterator<Item = (&'a str, T)>, U: Iterator<Item = (&'a str, T)>> Iterator for Merge<L, U> {
        type Item = (&'a str, T);

        fn next(&mut self) -> Option<Self::Item> {
            let order = match (self.0.peek(), self.1.peek()) {
                (Some((lower, _)), Some((upper, _))) => lower.cmp(upper),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, _) => std::cmp::Ordering::Greater,
            };
            match order {
                std::cmp::Ordering::Less => self.0.next(),
                std::cmp::Ordering::Equal => {
                    self.0.next();
                    self.1.next()
                }
                std::cmp::Ordering::Greater => self.1.next(),
            }
        }
    }

    Merge(lower.peekable(), upper.peekable())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    struct Fixed(BTreeMap<String, Value>);

    impl Snapshot for Fixed {
        fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
            Ok(self.0.get(key).cloned())
        }

        fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
            let hit = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            Ok(self
                .0
                .iter()
                .filter(|(key, _)| hit(key))
                .take(limit)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect())
        }
    }

    fn key() -> impl Strategy<Value = String> {
        "[ab]{1,3}"
    }

    fn writes() -> impl Strategy<Value = Vec<(String, Option<u8>)>> {
        prop::collection::vec((key(), any::<Option<u8>>()), 0..30)
    }

    fn value(byte: u8) -> Value {
        Value::Bytes(vec![byte])
    }

    proptest! {
        #[test]
        fn reads_over_an_overlay_are_reads_of_the_applied_writes(
            base in prop::collection::btree_map(key(), any::<u8>(), 0..20),
            recent in writes(), had in any::<bool>(), settled in writes(), dropped in writes(), current in writes(),
            prefix in "[ab]{0,2}", after in proptest::option::of("[ab]{0,3}"), limit in 1usize..6,
        ) {
            let base: BTreeMap<_, _> = base.into_iter().map(|(key, byte)| (key, value(byte))).collect();
            let recent: WriteSet = recent.into_iter().map(|(key, byte)| (key, byte.map(value))).collect();
            let mut model = base.clone();
            for (key, value) in recent.iter() {
                match value {
                    Some(value) => model.insert(key.to_owned(), value.clone()),
                    None => model.remove(key),
                };
            }
            // The commit of the recent writes may end while the batch is applied.
            let base = if had { model.clone() } else { base };
            let mut overlay = Overlay::new(Box::new(Fixed(base)), WriteBounds::default()).knowing(recent);
            let apply = |overlay: &mut Overlay, writes: &[(String, Option<u8>)]| {
                for (key, byte) in writes {
                    overlay.write(key.clone(), byte.map(value)).unwrap();
                }
            };
            for (key, byte) in settled.iter().chain(&current) {
                match byte {
                    Some(byte) => model.insert(key.clone(), value(*byte)),
                    None => model.remove(key),
                };
            }
            apply(&mut overlay, &settled);
            overlay.settle();
            apply(&mut overlay, &dropped);
            overlay.discard();
            apply(&mut overlay, &current);

            let mut expected = Fixed(model);
            let all = expected.scan(&prefix, after.as_deref(), usize::MAX).unwrap();
            let (page, more) = overlay.scan(&prefix, after.as_deref(), limit).unwrap();
            prop_assert_eq!(&page[..], &all[..limit.min(all.len())]);
            prop_assert_eq!(more, all.len() > limit);
            for key in ["a", "b", "ab", "bbb"] {
                prop_assert_eq!(overlay.get(key).unwrap(), expected.get(key).unwrap());
            }
        }
    }

    #[test]
    fn what_was_before_is_that_of_the_snapshot_whatever_was_written_in_between() {
        let base = BTreeMap::from([("a".to_owned(), Value::from("1")), ("b".to_owned(), Value::from("2"))]);
        let mut overlay = Overlay::new(Box::new(Fixed(base)), WriteBounds::default()).keeping_before();
        overlay.write("a".into(), Some("10".into())).unwrap();
        overlay.write("c".into(), Some("30".into())).unwrap();
        overlay.settle();
        overlay.write("d".into(), Some("40".into())).unwrap();
        overlay.discard();
        overlay.write("a".into(), Some("100".into())).unwrap();
        overlay.write("b".into(), None).unwrap();
        overlay.settle();
        let change = |key: &str, before: Option<&str>, after: Option<&str>| Change {
            key: key.to_owned(),
            before: before.map(Value::from),
            after: after.map(Value::from),
        };
        let expected =
            [change("a", Some("1"), Some("100")), change("b", Some("2"), None), change("c", None, Some("30"))];
        assert_eq!(overlay.changes(), expected);
    }

    #[test]
    fn a_write_past_a_bound_changes_nothing() {
        let bounds = WriteBounds { rows_max: 2, bytes_max: 10, key_bytes_max: 4 };
        let mut overlay = Overlay::new(Box::new(Fixed(BTreeMap::new())), bounds);
        overlay.write("a".into(), Some("12".into())).unwrap();
        overlay.write("a".into(), Some("123".into())).unwrap();
        assert_eq!(overlay.write("b".into(), Some("123456".into())), Err(WriteError::Bytes(10)));
        overlay.write("b".into(), Some("1234".into())).unwrap();
        assert_eq!(overlay.write("c".into(), None), Err(WriteError::Rows(2)));
        assert_eq!(overlay.write(String::new(), None), Err(WriteError::Key(0, 4)));
        assert_eq!(overlay.write("abcde".into(), None), Err(WriteError::Key(5, 4)));
        overlay.settle();
        let written = overlay.into_writes();
        assert_eq!(
            written.iter().collect::<Vec<_>>(),
            [("a", Some(&Value::from("123"))), ("b", Some(&Value::from("1234")))]
        );
    }
}
