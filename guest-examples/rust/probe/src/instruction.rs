//! The instructions that an event can be.

use serde::Deserialize;
use tidemill_sdk::{SafeInteger, contract::log};

/// What to do; `into` is the key under which to put what came out.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum Instruction {
    /// Put a text.
    Put { key: String, value: String },
    /// Put bytes.
    PutBytes { key: String, value: Vec<u8> },
    /// Delete a key.
    Delete { key: String },
    /// Change several keys at once.
    Apply { writes: Vec<Change> },
    /// Put the rendering of a value.
    Get { key: String, into: String },
    /// Put the same value, or delete.
    Copy { key: String, into: String },
    /// Put the renderings of several values, a line each.
    GetMany { keys: Vec<String>, into: String },
    /// Put one page of a scan, an entry a line, and whether there is more.
    Scan { prefix: String, after: Option<String>, limit: u32, into: String },
    /// Put the number of entries, however many pages they take.
    Count { prefix: String, limit: u32, into: String },
    /// Add to a number.
    Sum { key: String, amount: SafeInteger },
    /// Put a description of the event.
    Event { into: String },
    /// Put a setting, or delete.
    Config { name: String, into: String },
    /// Put all settings, one a line.
    ConfigAll { into: String },
    /// Write a line to the log.
    Log { level: Level, message: String },
    /// Put whether lines of a level are kept.
    LogEnabled { level: Level, into: String },
    /// Return `reject`, of this event or another.
    Reject { reason: String, index: Option<usize> },
    /// Return `retry`.
    Retry { after_ms: u64, reason: String },
    /// Return `halt`.
    Halt { reason: String },
    /// Panic.
    Throw { message: String },
    /// Count in a global variable, and put it.
    Global { into: String },
    /// Put many rows at once.
    Bulk { prefix: String, rows: usize, bytes: usize },
}

/// A change of one key; without a value it is deleted.
#[derive(Deserialize)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

/// How much a line matters.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}
