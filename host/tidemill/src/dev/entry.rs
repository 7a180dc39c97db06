//! Entries: what the loop shows, bounded, for people as text and for editors as JSON.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tidemill_pipeline::ValueRef;

use crate::{
    costs::{Costs, KindRow},
    output::middle,
};

/// The longest text that an entry has, in characters.
const CHARS_MAX: usize = 4 * 1024;

/// Something to show. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum Entry {
    BuildStarted { command: String, files: Vec<String> },
    BuildOutput { line: String },
    BuildEnded { ok: bool, how: String, took_ms: f64 },
    Compiling { message: String },
    Started { processor: String, component: String },
    Reloaded(Reloaded),
    Unchanged { processor: String },
    Refused { processor: String, reason: String },
    FirstEvent(FirstEvent),
    Batch(Batch),
    Flood(Flood),
    Failure(Failure),
    Recovered { processor: String, feed: String, partition: String, payload: Cell },
    Log { level: String, processor: String, feed: String, partition: String, line: String },
    Warning { level: String, message: String },
    Idle,
    Summary(Summary),
}

/// A component was replaced.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Reloaded {
    pub(crate) processor: String,
    pub(crate) was: Option<String>,
    pub(crate) is: String,
    /// From the edit until the new component was in its place; none without an edit.
    pub(crate) since_edit_ms: Option<f64>,
    /// The build command's own time.
    pub(crate) build_ms: Option<f64>,
    /// From WebAssembly to machine code.
    pub(crate) compiling_ms: f64,
    /// How long no batch could begin.
    pub(crate) swapping_ms: f64,
    /// What is left of `since-edit-ms`: noticing, reading, keeping and swapping.
    pub(crate) rest_ms: Option<f64>,
}

/// The first batch that a new component computed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FirstEvent {
    pub(crate) processor: String,
    pub(crate) component: String,
    pub(crate) since_edit_ms: f64,
    pub(crate) since_reload_ms: f64,
}

/// A batch that was committed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Batch {
    pub(crate) processor: String,
    pub(crate) feed: String,
    pub(crate) partition: String,
    /// None if it began at the beginning, or at "now".
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) events: u64,
    /// The first of them.
    pub(crate) payloads: Vec<Cell>,
    pub(crate) writes: u64,
    /// The first of them.
    pub(crate) changes: Vec<Change>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) skipped: u64,
    pub(crate) component: Option<String>,
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) applying_ms: f64,
    pub(crate) committing_ms: f64,
}

/// A key that was written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) before: Cell,
    pub(crate) after: Cell,
}

/// An event that was put aside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Parked {
    pub(crate) payload: Cell,
    pub(crate) cause: String,
    pub(crate) reason: String,
}

/// Batches that came too fast to be shown one by one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Flood {
    pub(crate) batches: u64,
    pub(crate) events: u64,
    pub(crate) writes: u64,
    pub(crate) fuel: u64,
    /// Batches and events that were not even counted above: the view was too slow for them.
    pub(crate) missed_batches: u64,
    pub(crate) missed_events: u64,
}

/// A batch that was not applied.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Failure {
    pub(crate) processor: String,
    pub(crate) feed: String,
    pub(crate) partition: String,
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) from: Option<String>,
    /// Where in the batch the event is that is to blame, from 1.
    pub(crate) event: Option<u64>,
    pub(crate) payload: Cell,
    /// What ended the call, as a word.
    pub(crate) cause: Option<String>,
    pub(crate) backtrace: Option<String>,
    /// The command that shows it again, alone.
    pub(crate) alone: Option<String>,
    pub(crate) component: Option<String>,
}

/// What the whole run came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Summary {
    pub(crate) seconds: f64,
    pub(crate) events: u64,
    pub(crate) batches: u64,
    pub(crate) writes: u64,
    pub(crate) parked: u64,
    pub(crate) skipped: u64,
    pub(crate) failures: u64,
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) reloads: Vec<Reloaded>,
    /// What an event costs, by kind; of a batch, each event its share.
    #[serde(rename = "kinds", serialize_with = "kinds")]
    pub(crate) costs: Costs,
}

fn kinds<S: Serializer>(costs: &Costs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(costs.kinds().map(|(kind, costs)| KindRow::new(kind, costs)))
}

/// A value, bounded: text, bytes, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    None,
    Text(String),
    Base64(String),
}

impl Cell {
    pub(crate) fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Text(text) => Self::Text(middle(text, CHARS_MAX).into_owned()),
            ValueRef::Bytes(bytes) => {
                let bytes = bytes.get(..bytes.len().min(CHARS_MAX / 4 * 3)).unwrap_or_default();
                Self::Base64(STANDARD.encode(bytes))
            }
        }
    }

    pub(crate) fn maybe(value: Option<&tidemill_pipeline::Value>) -> Self {
        value.map_or(Self::None, |value| Self::of(value.as_ref()))
    }
}

/// As in the cases of `tidemill test`: text is a string, bytes are `{"base64": "…"}`.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Base64(base64) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", base64)?;
                map.end()
            }
        }
    }
}

/// Milliseconds with two decimals: enough, and no noise.
pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
