//! How events are printed.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;
use tidemill_pipeline::{EventRef, PartitionId, Span, ValueRef};

use crate::output::{Named, one_line};

/// What is printed of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The payload, a line each.
    Payloads {
        /// Whether somebody's terminal must come to no harm.
        terminal: bool,
    },
    /// An object a line, checkpoints too.
    Json,
}

/// An event in JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Event<'a> {
    partition: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at_us: Option<i64>,
    /// Why no component would be given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
    /// The payload, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// The payload, if it is not: `NaN`, for one, is none.
    #[serde(flatten)]
    other: Option<Named<'a>>,
}

/// A checkpoint in JSON.
#[derive(Serialize)]
struct Checkpoint<'a> {
    partition: &'a str,
    cursor: &'a str,
}

impl Form {
    /// Writes a span, but not more than `left` events, which are counted down. Its checkpoint follows if all of it was written.
    pub(super) fn write(
        self,
        out: &mut impl Write,
        partition: &PartitionId,
        span: &Span,
        left: &mut u64,
    ) -> io::Result<()> {
        for event in span.events() {
            if *left == 0 {
                return Ok(());
            }
            *left -= 1;
            match self {
                Self::Payloads { terminal: true } => writeln!(out, "{}", one_line(event.data()))?,
                Self::Payloads { terminal: false } => {
                    out.write_all(event.data().as_bytes())?;
                    out.write_all(b"\n")?;
                }
                Self::Json => line(out, &event_of(partition, event))?,
            }
        }
        match self {
            Self::Payloads { .. } => Ok(()),
            Self::Json => line(out, &Checkpoint { partition: partition.as_str(), cursor: span.to().as_str() }),
        }
    }
}

fn line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

fn event_of<'a>(partition: &'a PartitionId, event: EventRef<'a>) -> Event<'a> {
    let data: Option<&RawValue> = match event.data() {
        ValueRef::Text(text) => serde_json::from_str(text).ok(),
        ValueRef::Bytes(_) => None,
    };
    let metadata = event.metadata();
    let headers = metadata.filter(|metadata| !metadata.headers.is_empty()).map(|metadata| {
        metadata.headers.iter().map(|(name, value)| (name.to_string(), value.to_string().into())).collect()
    });
    Event {
        partition: partition.as_str(),
        headers,
        id: metadata.and_then(|metadata| metadata.id.as_deref()),
        kind: metadata.and_then(|metadata| metadata.kind.as_deref()),
        key: metadata.and_then(|metadata| metadata.key.as_deref()),
        occurred_at_us: metadata.and_then(|metadata| metadata.occurred_at_us),
        fault: event.fault(),
        other: data.is_none().then(|| Named { name: "data-text", name_base64: "data-base64", value: event.data() }),
        data,
    }
}
