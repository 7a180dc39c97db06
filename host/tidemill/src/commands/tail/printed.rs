//! How events are printed.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

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
    headers: Option<BTreeMap<&'a str, &'a str>>,
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
    let headers = metadata
        .filter(|metadata| !metadata.headers.is_empty())
        .map(|metadata| metadata.headers.iter().map(|(name, value)| (&**name, &**value)).collect());
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidemill_pipeline::{Cursor, Event, Metadata, ReadFrom};

    use super::*;

    fn printed(form: Form, mut left: u64) -> String {
        let metadata =
            Metadata { headers: vec![("a".into(), "b".into())], id: Some("7".into()), ..Metadata::default() };
        let events = vec![Event::text(0..7).with_metadata(metadata), Event::text(7..10), Event::bytes(10..12)];
        let body = Bytes::from_static(b"{\"x\":1}NaN\xff\x1b");
        let span = Span::new(ReadFrom::First, Cursor::new("9").unwrap(), body, events);
        let mut out = Vec::new();
        form.write(&mut out, &PartitionId::new("3"), &span, &mut left).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn payloads_that_are_json_stay_json_and_others_are_named_for_what_they_are() {
        let lines = [
            r#"{"partition":"3","headers":{"a":"b"},"id":"7","data":{"x":1}}"#,
            r#"{"partition":"3","data-text":"NaN"}"#,
            r#"{"partition":"3","data-base64":"/xs="}"#,
            r#"{"partition":"3","cursor":"9"}"#,
        ];
        assert_eq!(printed(Form::Json, 9), lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn a_span_that_is_cut_has_no_checkpoint() {
        assert_eq!(printed(Form::Json, 2).lines().count(), 2);
        assert!(!printed(Form::Json, 2).contains("cursor"));
    }

    #[test]
    fn payloads_pass_as_they_came_but_for_a_terminal() {
        assert_eq!(printed(Form::Payloads { terminal: false }, 9), "{\"x\":1}\nNaN\n\u{fffd}\u{1b}\n");
        assert_eq!(printed(Form::Payloads { terminal: true }, 9), "{\"x\":1}\nNaN\nbase64:/xs=\n");
    }
}
