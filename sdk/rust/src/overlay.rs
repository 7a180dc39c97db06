//! The overlay: what a call has read and written so far, so that the host is asked seldom and given everything at once.
//!
//! It is one for all maps and keyed by the whole key, so that two maps over the same keys see each other's writes. A value
//! that was read or changed as a Rust value stays one until it is given to the host or read as another type.

use std::{any::Any, cell::RefCell, mem};

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::{
    contract::types::{Value, Write},
    error::{Error, Result},
    port,
    value::Stored,
};

/// The most bytes of a key.
const KEY_BYTES_MAX: usize = 1024;

/// The slots in the order in which the call came upon them: the same call gives the host the same keys in the same order.
#[derive(Default)]
pub(crate) struct Overlay {
    slots: IndexMap<String, Slot, FxBuildHasher>,
    /// Why what was gathered could not be given to the host. The call fails with it, even if somebody took no notice.
    broken: Option<Error>,
    /// Where keys are put together.
    key: String,
}

struct Slot {
    held: Held,
    /// Whether the host does not know it yet.
    changed: bool,
}

enum Held {
    Nothing,
    Value(Value),
    Typed(Box<dyn Typed>),
    /// To be added to the number that the host has, which nobody has asked for yet.
    Sum(i128),
    /// A closure has it.
    Lent,
}

/// A Rust value that can become the host's.
trait Typed: Any {
    fn to_value(&self) -> Result<Value>;
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<V: Stored> Typed for V {
    fn to_value(&self) -> Result<Value> {
        Stored::to_value(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

thread_local! {
    static OVERLAY: RefCell<Overlay> = RefCell::default();
}

/// Works on the overlay of the call that runs. `write_key` puts the key together.
pub(crate) fn at<R>(
    write_key: impl FnOnce(&mut String),
    work: impl FnOnce(&mut Overlay, &str) -> Result<R>,
) -> Result<R> {
    OVERLAY.with_borrow_mut(|overlay| {
        let mut key = mem::take(&mut overlay.key);
        key.clear();
        write_key(&mut key);
        let result = if key.is_empty() || key.len() > KEY_BYTES_MAX {
            Err(Error::reject(format_args!("a key has {} bytes; a key has 1 to {KEY_BYTES_MAX}", key.len())))
        } else {
            work(overlay, &key)
        };
        overlay.key = key;
        result
    })
}

/// Forgets everything: a call begins, or has failed.
pub(crate) fn clear() {
    OVERLAY.with_borrow_mut(|overlay| {
        overlay.slots.clear();
        overlay.broken = None;
    });
}

/// Gives the host what changed, in one crossing, and forgets what was read.
pub(crate) fn flush() -> Result {
    OVERLAY.with_borrow_mut(Overlay::flush)
}

/// Reads the keys that are not known yet in one crossing.
pub(crate) fn fetch(keys: Vec<String>) {
    OVERLAY.with_borrow_mut(|overlay| overlay.fetch(keys));
}

impl Overlay {
    /// The value of a key.
    pub(crate) fn get<V: Stored>(&mut self, key: &str) -> Result<Option<V>> {
        let held = &mut self.load(key)?.held;
        if let Held::Typed(typed) = held {
            *held = Held::Value(typed.to_value()?);
        }
        match held {
            Held::Value(value) => V::from_value(key, value).map(Some),
            Held::Nothing | Held::Typed(_) | Held::Sum(_) | Held::Lent => Ok(None),
        }
    }

    pub(crate) fn contains(&mut self, key: &str) -> Result<bool> {
        Ok(!matches!(self.load(key)?.held, Held::Nothing))
    }

    /// Sets a key, or removes it.
    pub(crate) fn set<V: Stored>(&mut self, key: &str, value: Option<V>) -> Result {
        let held = value.map_or(Held::Nothing, |value| Held::Typed(Box::new(value)));
        if let Some(slot) = self.slots.get_mut(key) {
            if let Held::Sum(_) = slot.held {
                // A state that is no number must be found out, however events are cut into batches.
                self.load(key)?;
            }
            self.put(key, held);
            return Ok(());
        }
        self.slots.insert(key.to_owned(), Slot { held, changed: true });
        Ok(())
    }

    /// Adds to a number, without asking the host for it before the call ends.
    #[inline]
    pub(crate) fn add(&mut self, key: &str, amount: i128) -> Result {
        match self.slots.get_mut(key) {
            Some(Slot { held: Held::Sum(sum), .. }) => {
                *sum = sum.checked_add(amount).ok_or_else(too_large)?;
                Ok(())
            }
            Some(_) => {
                let before = self.take::<i128>(key)?.unwrap_or(0);
                self.give(key, before.checked_add(amount).ok_or_else(too_large)?);
                Ok(())
            }
            None => {
                self.slots.insert(key.to_owned(), Slot { held: Held::Sum(amount), changed: true });
                Ok(())
            }
        }
    }

    /// Takes a value out to be changed. It must be given back before anybody else asks for it.
    pub(crate) fn take<V: Stored>(&mut self, key: &str) -> Result<Option<V>> {
        let slot = self.load(key)?;
        let taken = match mem::replace(&mut slot.held, Held::Lent) {
            Held::Value(value) => match V::from_value(key, &value) {
                Ok(taken) => taken,
                Err(error) => {
                    slot.held = Held::Value(value);
                    return Err(error);
                }
            },
            Held::Typed(typed) if typed.as_any().is::<V>() => {
                return Ok(typed.into_any().downcast::<V>().ok().map(|value| *value));
            }
            Held::Typed(typed) => match typed.to_value().and_then(|value| V::from_value(key, &value)) {
                Ok(taken) => taken,
                Err(error) => {
                    slot.held = Held::Typed(typed);
                    return Err(error);
                }
            },
            Held::Nothing | Held::Sum(_) | Held::Lent => return Ok(None),
        };
        Ok(Some(taken))
    }

    /// Gives back what was taken.
    pub(crate) fn give<V: Stored>(&mut self, key: &str, value: V) {
        self.put(key, Held::Typed(Box::new(value)));
    }

    fn put(&mut self, key: &str, held: Held) {
        let slot = Slot { held, changed: true };
        match self.slots.get_mut(key) {
            Some(place) => *place = slot,
            None => _ = self.slots.insert(key.to_owned(), slot),
        }
    }

    /// The slot of a key, with its value.
    fn load(&mut self, key: &str) -> Result<&mut Slot> {
        let index = if let Some(index) = self.slots.get_index_of(key) {
            index
        } else {
            let held = port::state::get(key).map_or(Held::Nothing, Held::Value);
            self.slots.insert_full(key.to_owned(), Slot { held, changed: false }).0
        };
        let slot = &mut self.slots[index];
        match slot.held {
            Held::Sum(sum) => {
                let total = total(key, port::state::get(key).as_ref(), sum)?;
                slot.held = Held::Typed(Box::new(total));
            }
            Held::Lent => return Err(Error::reject(format_args!("`{key}` is used within its own update"))),
            Held::Nothing | Held::Value(_) | Held::Typed(_) => {}
        }
        Ok(slot)
    }

    fn fetch(&mut self, mut keys: Vec<String>) {
        keys.retain(|key| !key.is_empty() && !self.slots.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return;
        }
        let values = port::state::get_many(&keys);
        for (key, value) in keys.into_iter().zip(values) {
            self.slots.insert(key, Slot { held: value.map_or(Held::Nothing, Held::Value), changed: false });
        }
    }

    fn flush(&mut self) -> Result {
        if let Some(error) = &self.broken {
            return Err(error.again());
        }
        self.give_all().inspect_err(|error| self.broken = Some(error.again()))
    }

    fn give_all(&mut self) -> Result {
        let slots = mem::take(&mut self.slots);
        let mut writes = Vec::with_capacity(slots.len());
        let (mut sums, mut unread) = (Vec::new(), Vec::new());
        for (key, slot) in slots {
            let value = match slot.held {
                _ if !slot.changed => continue,
                Held::Sum(sum) => {
                    sums.push(sum);
                    unread.push(key);
                    continue;
                }
                Held::Nothing => None,
                Held::Value(value) => Some(value),
                Held::Typed(typed) => Some(typed.to_value()?),
                Held::Lent => return Err(Error::reject(format_args!("a scan within the update of `{key}`"))),
            };
            writes.push(Write { key, value });
        }
        if !unread.is_empty() {
            let values = port::state::get_many(&unread);
            for ((key, before), sum) in unread.into_iter().zip(values).zip(sums) {
                let value = Some(Value::Text(total(&key, before.as_ref(), sum)?.to_string()));
                writes.push(Write { key, value });
            }
        }
        if !writes.is_empty() {
            port::state::apply(&writes);
        }
        Ok(())
    }
}

fn total(key: &str, before: Option<&Value>, sum: i128) -> Result<i128> {
    let before = before.map_or(Ok(0), |value| i128::from_value(key, value))?;
    before.checked_add(sum).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::reject("a sum needs more than 128 bits")
}
