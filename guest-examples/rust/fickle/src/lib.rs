//! Does what its events tell it, good or bad: `{"do": "trap"}`. For the tests of failure.
//!
//! Every event that passes is counted in `fickle/<feed>/<partition>`; an event without `do` only is counted.
//! Everything here is a function of the batch, the state and the configuration, like in any other processor.

wit_bindgen::generate!({ path: "../../../wit", world: "processor" });

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use exports::tidemill::processor::handler::{Batch, Failure, Guest};
use serde::Deserialize;
use tidemill::processor::config;
use tidemill::processor::log::{self, Level};
use tidemill::processor::state::{self, Range};
use tidemill::processor::types::{Reject, Retry, Value};

/// What an event may ask for.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Deed {
    /// Sets a key.
    Put { key: String, value: String },
    /// Sets a key to bytes.
    PutBytes { key: String, value: Vec<u8> },
    /// Removes a key.
    Delete { key: String },
    /// Sets `rows` keys `bulk/<n>` to `bytes` bytes of text each.
    Bulk { rows: u64, bytes: usize },
    /// Stores the keys with a prefix, separated by spaces, under `into`.
    Scan { prefix: String, into: String },
    /// Returns `reject`, with the event's own place or another one.
    Reject { index: Option<u32> },
    /// Returns `halt`.
    Halt,
    /// Returns `retry`, unless the configuration has the setting `ready`.
    Retry { after_ms: u64 },
    /// Panics, which is a trap.
    Trap,
    /// Traps if the batch has more than `most` events: no event is to blame alone.
    Crowd { most: usize },
    /// Traps if the state has this key: the event before it is as much to blame.
    TrapIf { key: String },
    /// Computes for ever: only the fuel ends it.
    Burn,
    /// Asks the host for ever: only the fuel that host calls cost ends it.
    Pester,
    /// Takes more and more memory.
    Gorge,
    /// Calls itself for ever.
    Recurse,
    /// Writes lines to the log.
    Chatter { lines: u64 },
    /// Stores under `global` how many calls this instance has seen: what no processor should do.
    Remember,
}

static CALLS: AtomicU64 = AtomicU64::new(0);

struct Fickle;

impl Guest for Fickle {
    fn process(batch: Batch) -> Result<(), Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let reject = |index, reason: String| Failure::Reject(Reject { index, reason });
        for (index, event) in (0..).zip(&batch.events) {
            let Value::Text(text) = &event.data else { return Err(reject(index, "the payload is not text".into())) };
            let json: serde_json::Value =
                serde_json::from_str(text).map_err(|error| reject(index, format!("not JSON: {error}")))?;
            if json.get("do").is_some() {
                let deed = Deed::deserialize(json).map_err(|error| reject(index, format!("not a deed: {error}")))?;
                act(deed, index, &batch)?;
            }
        }
        count(&batch)
    }
}

fn act(deed: Deed, index: u32, batch: &Batch) -> Result<(), Failure> {
    match deed {
        Deed::Put { key, value } => state::put(&key, &Value::Text(value)),
        Deed::PutBytes { key, value } => state::put(&key, &Value::Bytes(value)),
        Deed::Delete { key } => state::delete(&key),
        Deed::Bulk { rows, bytes } => {
            let value = Value::Text("x".repeat(bytes));
            (0..rows).for_each(|n| state::put(&format!("bulk/{n}"), &value));
        }
        Deed::Scan { prefix, into } => state::put(&into, &Value::Text(keys(prefix).join(" "))),
        Deed::Reject { index: other } => {
            let reason = "the event asked to be rejected".to_owned();
            return Err(Failure::Reject(Reject { index: other.unwrap_or(index), reason }));
        }
        Deed::Halt => return Err(Failure::Halt("the event asked to halt".to_owned())),
        Deed::Retry { after_ms } => {
            if config::get("ready").is_none() {
                return Err(Failure::Retry(Retry { after_ms, reason: "the setting `ready` is missing".to_owned() }));
            }
        }
        Deed::Trap => panic!("the event asked for a trap"),
        Deed::Crowd { most } => assert!(batch.events.len() <= most, "more than {most} events in the batch"),
        Deed::TrapIf { key } => assert!(state::get(&key).is_none(), "the state has the key {key}"),
        Deed::Burn => for_ever(|n| _ = black_box(n)),
        Deed::Pester => for_ever(|n| drop(state::get(&format!("nothing/{n}")))),
        Deed::Gorge => {
            let mut held = Vec::new();
            for_ever(|n| held.push(black_box(vec![n; 1 << 17])));
        }
        Deed::Recurse => _ = black_box(recurse(index)),
        Deed::Chatter { lines } => (0..lines).for_each(|n| log::write(Level::Info, &format!("line {n}"))),
        Deed::Remember => state::put("global", &Value::Text(CALLS.load(Ordering::Relaxed).to_string())),
    }
    Ok(())
}

fn count(batch: &Batch) -> Result<(), Failure> {
    let key = format!("fickle/{}/{}", batch.feed, batch.partition);
    let before = match state::get(&key) {
        Some(Value::Text(text)) => text.parse().map_err(|error| Failure::Halt(format!("`{key}`: {error}")))?,
        Some(Value::Bytes(_)) => return Err(Failure::Halt(format!("`{key}` is bytes"))),
        None => 0,
    };
    state::put(&key, &Value::Text((before + batch.events.len()).to_string()));
    Ok(())
}

fn keys(prefix: String) -> Vec<String> {
    let mut range = Range { prefix, after: None, limit: 0 };
    let mut keys = Vec::new();
    loop {
        let page = state::scan(&range);
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        if !page.more {
            return keys;
        }
        range.after = keys.last().cloned();
    }
}

fn for_ever(mut deed: impl FnMut(u64)) {
    let mut n = 0;
    loop {
        deed(n);
        n = black_box(n).wrapping_add(1);
    }
}

#[expect(unconditional_recursion, reason = "it is what the event asks for")]
fn recurse(depth: u32) -> u32 {
    black_box(recurse(black_box(depth) + 1)) + 1
}

export!(Fickle);
