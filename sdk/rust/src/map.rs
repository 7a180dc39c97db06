//! The typed map: a part of the processor's state.

use std::{collections::VecDeque, fmt, marker::PhantomData};

use crate::{
    contract::{state::Range, types::Value},
    error::{Error, Result},
    key::Key,
    overlay::{self, Overlay},
    port,
    value::Stored,
};

/// The keys of the state that begin with a prefix, from `K` to `V`. It is a name for them and holds nothing: make it a constant.
///
/// ```
/// # use tidemill_sdk::prelude::*;
/// const TOTALS: Map<str, i128> = Map::new("total/");
/// ```
///
/// Reads see the writes before them, whichever map made them. Writes are gathered and given to the host in one crossing when
/// the last event of the batch has been applied, so a key that many events change is written once.
pub struct Map<K: ?Sized, V> {
    prefix: &'static str,
    entry: PhantomData<fn(&K) -> V>,
}

impl<K: Key + ?Sized, V: Stored> Map<K, V> {
    /// The keys that begin with this prefix. Choose it so that no other map's prefix begins with it: `total/`, `customer/`.
    #[must_use]
    pub const fn new(prefix: &'static str) -> Self {
        Self { prefix, entry: PhantomData }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// A halt, when what is stored cannot be read as `V`; a rejection, when the key is empty or too long.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        overlay::at(|text| self.write_key(key, text), Overlay::get)
    }

    /// Whether there is a value, without reading it as `V`.
    ///
    /// # Errors
    /// A rejection, when the key is empty or too long.
    pub fn contains(&self, key: &K) -> Result<bool> {
        overlay::at(|text| self.write_key(key, text), Overlay::contains)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// A rejection, when the key is empty or longer than 1,024 bytes with its prefix.
    pub fn put(&self, key: &K, value: V) -> Result {
        overlay::at(|text| self.write_key(key, text), |overlay, key| overlay.set(key, Some(value)))
    }

    /// Removes a key. One that is not there is no error.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&self, key: &K) -> Result {
        overlay::at(|text| self.write_key(key, text), |overlay, key| overlay.set(key, None::<V>))
    }

    /// Changes a value in its place, beginning with the default where there is none.
    ///
    /// The quickest way to change a value that several events of a batch change: it is read and written once. What the change
    /// returns is returned; the change itself may not use this key by another way.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn update<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Result<R>
    where
        V: Default,
    {
        let value = overlay::at(|text| self.write_key(key, text), Overlay::take::<V>)?;
        let mut value = value.unwrap_or_default();
        let result = change(&mut value);
        overlay::at(
            |text| self.write_key(key, text),
            |overlay, key| {
                overlay.give(key, value);
                Ok(result)
            },
        )
    }

    /// Reads several keys in one crossing, so that what follows finds them at hand.
    pub fn fetch<'k>(&self, keys: impl IntoIterator<Item = &'k K>)
    where
        K: 'k,
    {
        let text = |key| {
            let mut text = String::new();
            self.write_key(key, &mut text);
            text
        };
        overlay::fetch(keys.into_iter().map(text).collect());
    }

    /// The entries in the order of the bytes of their keys, read page by page. Writes made before a page is read are in it.
    #[must_use]
    pub fn entries(&self) -> Entries<K, V> {
        self.entries_from("")
    }

    /// The entries whose keys begin with this text after the map's own prefix.
    #[must_use]
    pub fn entries_from(&self, beginning: &str) -> Entries<K, V> {
        Entries {
            range: Some(Range { prefix: format!("{}{beginning}", self.prefix), after: None, limit: 0 }),
            prefix: self.prefix.len(),
            page: VecDeque::new(),
            entry: PhantomData,
        }
    }

    #[inline]
    fn write_key(&self, key: &K, text: &mut String) {
        text.push_str(self.prefix);
        key.write(text);
    }
}

impl<K: Key + ?Sized> Map<K, i128> {
    /// Adds to a number, beginning with 0. The numbers of all keys that were only added to are read in one crossing at the end of
    /// the batch: the quickest way to keep totals and counts. 128 bits hold every sum of amounts of 64.
    ///
    /// # Errors
    /// As [`put`](Self::put); and a rejection when the sum needs more than 128 bits. That what is stored is no number is found
    /// at the end of the batch, and halts.
    #[inline]
    pub fn add(&self, key: &K, amount: impl Into<i128>) -> Result {
        let amount = amount.into();
        overlay::at(|text| self.write_key(key, text), |overlay, key| overlay.add(key, amount))
    }
}

impl<K: ?Sized, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized, V> Copy for Map<K, V> {}

impl<K: ?Sized, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.prefix).finish()
    }
}

/// The entries of a map, as [`Map::entries`] gives them.
pub struct Entries<K: ?Sized, V> {
    /// What remains, unless it is nothing.
    range: Option<Range>,
    /// The bytes of the map's prefix.
    prefix: usize,
    page: VecDeque<(String, Value)>,
    entry: PhantomData<fn(&K) -> V>,
}

impl<K: Key + ?Sized, V: Stored> Entries<K, V> {
    fn turn(&mut self, mut range: Range) -> Result {
        overlay::flush()?;
        let page = port::state::scan(&range);
        self.page = page.entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
        if page.more
            && let Some((last, _)) = self.page.back()
        {
            range.after = Some(last.clone());
            self.range = Some(range);
        }
        Ok(())
    }
}

impl<K: Key + ?Sized, V: Stored> Iterator for Entries<K, V> {
    type Item = Result<(K::Owned, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Some(range) = self.range.take()
            && let Err(error) = self.turn(range)
        {
            return Some(Err(error));
        }
        let (key, value) = self.page.pop_front()?;
        let owned = key.get(self.prefix..).and_then(K::read);
        let owned = owned.ok_or_else(|| Error::halt(format_args!("the key `{key}` is not one of its map")));
        Some(owned.and_then(|owned| Ok((owned, V::from_value(&key, &value)?))))
    }
}

impl<K: ?Sized, V> fmt::Debug for Entries<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("page", &self.page.len())
            .field("more", &self.range.is_some())
            .finish_non_exhaustive()
    }
}
