//! The world of a call: the functions of the contract over a state in memory, for the thread that runs a test.

use std::{cell::RefCell, collections::BTreeMap};

use crate::contract::types::Value;

/// What a call may write, as the engine has it by default.
const ROWS_MAX: usize = 100_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;
const KEY_BYTES_MAX: usize = 1024;

/// A question or a message to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// `get`.
    Get,
    /// `get-many`, of so many keys.
    GetMany(usize),
    /// `scan`.
    Scan,
    /// `apply`, of so many writes.
    Apply(usize),
}

/// What the functions work on.
#[derive(Default)]
pub(crate) struct World {
    pub(super) state: BTreeMap<String, Value>,
    pub(super) config: BTreeMap<String, String>,
    pub(super) lines: Vec<(::log::Level, String)>,
    pub(super) writes: BTreeMap<String, Option<Value>>,
    pub(super) crossings: Vec<Crossing>,
    pub(super) bytes: usize,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Whether a host calls a processor on this thread now.
pub(crate) fn is_hosted() -> bool {
    WORLD.with_borrow(Option::is_some)
}

pub(super) fn enter(world: World) {
    WORLD.set(Some(world));
}

pub(super) fn leave() -> World {
    WORLD.take().unwrap_or_default()
}

fn with<R>(work: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| {
        let world = world.as_mut();
        work(world.expect("no host: call the processor with tidemill_sdk::testing::Host"))
    })
}

/// What ends a call that passes a bound, as a trap does in a component.
pub(super) struct PastABound(pub(super) String);

impl World {
    fn get(&self, key: &str) -> Option<Value> {
        self.writes.get(key).cloned().unwrap_or_else(|| self.state.get(key).cloned())
    }

    fn write(&mut self, key: &str, value: Option<Value>) -> Result<(), PastABound> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(PastABound(format!("a key has {} bytes; a key has 1 to {KEY_BYTES_MAX}", key.len())));
        }
        let size = |value: &Option<Value>| key.len() + value.as_ref().map_or(0, size);
        self.bytes += size(&value);
        if let Some(before) = self.writes.insert(key.to_owned(), value) {
            self.bytes -= size(&before);
        }
        if self.writes.len() > ROWS_MAX {
            return Err(PastABound(format!("the batch writes more than {ROWS_MAX} keys (limits.write-rows)")));
        }
        if self.bytes > BYTES_MAX {
            return Err(PastABound(format!("the batch writes more than {BYTES_MAX} bytes (limits.write-bytes)")));
        }
        Ok(())
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

/// Writes, or ends the call.
fn write(crossing: Crossing, work: impl FnOnce(&mut World) -> Result<(), PastABound>) {
    let written = with(|world| {
        world.crossings.push(crossing);
        work(world)
    });
    if let Err(past) = written {
        std::panic::resume_unwind(Box::new(past));
    }
}

/// The import `state`.
pub(crate) mod state {
    use super::{Crossing, with, write};
    use crate::contract::{
        state::{Entry, Page, Range},
        types::{Value, Write},
    };

    /// The most entries of a page.
    const ENTRIES_MAX: usize = 1_000;

    pub(crate) fn get(key: &str) -> Option<Value> {
        with(|world| {
            world.crossings.push(Crossing::Get);
            world.get(key)
        })
    }

    pub(crate) fn get_many(keys: &[String]) -> Vec<Option<Value>> {
        with(|world| {
            world.crossings.push(Crossing::GetMany(keys.len()));
            keys.iter().map(|key| world.get(key)).collect()
        })
    }

    pub(crate) fn scan(range: &Range) -> Page {
        let limit = if range.limit == 0 { ENTRIES_MAX } else { ENTRIES_MAX.min(range.limit as usize) };
        with(|world| {
            world.crossings.push(Crossing::Scan);
            let mut all = world.state.clone();
            for (key, value) in &world.writes {
                match value {
                    Some(value) => all.insert(key.clone(), value.clone()),
                    None => all.remove(key),
                };
            }
            let after = |key: &str| range.after.as_deref().is_none_or(|after| key > after);
            let mut hits = all.into_iter().filter(|(key, _)| key.starts_with(&range.prefix) && after(key));
            let entries = hits.by_ref().take(limit).map(|(key, value)| Entry { key, value }).collect();
            Page { entries, more: hits.next().is_some() }
        })
    }

    pub(crate) fn apply(writes: &[Write]) {
        write(Crossing::Apply(writes.len()), |world| {
            writes.iter().try_for_each(|write| world.write(&write.key, write.value.clone()))
        });
    }
}

/// The import `config`.
pub(crate) mod config {
    use super::with;

    pub(crate) fn get(name: &str) -> Option<String> {
        with(|world| world.config.get(name).cloned())
    }

    pub(crate) fn get_all() -> Vec<(String, String)> {
        with(|world| world.config.clone().into_iter().collect())
    }
}

/// The import `log`.
pub(crate) mod log {
    use super::with;
    use crate::contract::log::Level;

    pub(crate) fn enabled(_: Level) -> bool {
        true
    }

    pub(crate) fn write(level: Level, message: &str) {
        let level = match level {
            Level::Error => ::log::Level::Error,
            Level::Warn => ::log::Level::Warn,
            Level::Info => ::log::Level::Info,
            Level::Debug => ::log::Level::Debug,
            Level::Trace => ::log::Level::Trace,
        };
        with(|world| world.lines.push((level, message.to_owned())));
    }
}
