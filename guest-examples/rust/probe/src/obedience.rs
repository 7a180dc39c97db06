//! Obedience: what each instruction does.
//!
//! It asks the host by the contract's own functions, without the maps of the SDK: each of them is tried as it is.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tidemill_sdk::{
    Stored,
    contract::{
        config, log,
        state::{self, Range},
        types::Write,
    },
    prelude::*,
};

use crate::{
    instruction::{Change, Instruction},
    rendering::{count, describe, render},
};

/// What no processor should have: it shows that each call gets a fresh instance.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Does what an event says.
pub(crate) fn obey(instruction: Instruction, event: Event<'_>) -> Result {
    let put = |key: &str, text: String| state::put(key, &Value::Text(text));
    let put_or_delete = |key: &str, value: Option<Value>| match value {
        Some(value) => state::put(key, &value),
        None => state::delete(key),
    };
    match instruction {
        Instruction::Put { key, value } => put(&key, value),
        Instruction::PutBytes { key, value } => state::put(&key, &Value::Bytes(value)),
        Instruction::Delete { key } => state::delete(&key),
        Instruction::Apply { writes } => {
            let write = |Change { key, value }| Write { key, value: value.map(Value::Text) };
            state::apply(&writes.into_iter().map(write).collect::<Vec<_>>());
        }
        Instruction::Get { key, into } => put(&into, render(state::get(&key).as_ref())),
        Instruction::Copy { key, into } => put_or_delete(&into, state::get(&key)),
        Instruction::GetMany { keys, into } => {
            let lines: Vec<_> = state::get_many(&keys).iter().map(|value| render(value.as_ref())).collect();
            put(&into, lines.join("\n"));
        }
        Instruction::Scan { prefix, after, limit, into } => {
            let page = state::scan(&Range { prefix, after, limit });
            let entries = page.entries.iter().map(|entry| format!("{}={}", entry.key, render(Some(&entry.value))));
            let end = if page.more { "more" } else { "end" };
            put(&into, entries.chain([end.to_owned()]).collect::<Vec<_>>().join("\n"));
        }
        Instruction::Count { prefix, limit, into } => put(&into, count(prefix, limit).to_string()),
        Instruction::Sum { key, amount } => {
            let before = state::get(&key).map_or(Ok(0), |value| i128::from_value(&key, &value))?;
            put(&key, (before + i128::from(amount)).to_string());
        }
        Instruction::Event { into } => put(&into, describe(event)),
        Instruction::Config { name, into } => put_or_delete(&into, config::get(&name).map(Value::Text)),
        Instruction::ConfigAll { into } => {
            let lines: Vec<_> = config::get_all().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            put(&into, lines.join("\n"));
        }
        Instruction::Log { level, message } => log::write(level.into(), &message),
        Instruction::LogEnabled { level, into } => put(&into, log::enabled(level.into()).to_string()),
        Instruction::Reject { reason, index } => return Err(Error::reject(reason).at(index.unwrap_or(event.index()))),
        Instruction::Retry { after_ms, reason } => return Err(Error::retry(Duration::from_millis(after_ms), reason)),
        Instruction::Halt { reason } => return Err(Error::halt(reason)),
        Instruction::Throw { message } => panic!("{message}"),
        Instruction::Global { into } => put(&into, (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
        Instruction::Bulk { prefix, rows, bytes } => {
            let value = Some(Value::Text("x".repeat(bytes)));
            let write = |row| Write { key: format!("{prefix}{row:04}"), value: value.clone() };
            state::apply(&(0..rows).map(write).collect::<Vec<_>>());
        }
    }
    Ok(())
}
