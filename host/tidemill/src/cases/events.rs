//! The events of a case, as spans.

use std::{fs, path::Path};

use anyhow::Context as _;
use bytes::Bytes;
use tidemill_feeds::line_event;
use tidemill_pipeline::{Cursor, Event, Metadata, ReadFrom, Span, Value};

use crate::config::CaseEvents;

/// The spans that a processor would be given: one for each event.
pub(super) fn spans(events: &CaseEvents) -> anyhow::Result<Vec<Span>> {
    match events {
        CaseEvents::Lines(lines) => Ok(of_lines(&Bytes::copy_from_slice(lines.as_bytes()))),
        CaseEvents::File(path) => of_file(path),
        CaseEvents::Events(events) => {
            Ok(events.iter().enumerate().map(|(place, (data, metadata))| of_event(place, data, metadata)).collect())
        }
    }
}

fn of_file(path: &Path) -> anyhow::Result<Vec<Span>> {
    let bytes = fs::read(path).with_context(|| format!("the events {} cannot be read", path.display()))?;
    Ok(of_lines(&Bytes::from(bytes)))
}

/// One event a line. Empty lines at the end are the end of the last one.
fn of_lines(text: &Bytes) -> Vec<Span> {
    let mut end = text.len();
    while text.get(..end).is_some_and(|text| text.ends_with(b"\n") || text.ends_with(b"\r")) {
        end -= 1;
    }
    let text = text.slice(..end);
    if text.is_empty() {
        return Vec::new();
    }
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let span = |(place, line): (usize, &[u8])| {
        let event = line_event(0..u32::try_from(line.len()).unwrap_or(u32::MAX), line);
        span(place, text.slice_ref(line), event)
    };
    lines.enumerate().map(span).collect()
}

fn of_event(place: usize, data: &Value, metadata: &Metadata) -> Span {
    let body = Bytes::copy_from_slice(data.as_ref().as_bytes());
    let range = 0..u32::try_from(body.len()).unwrap_or(u32::MAX);
    let event = match data {
        Value::Text(_) => Event::text(range),
        Value::Bytes(_) => Event::bytes(range),
    };
    span(place, body, event.with_metadata(metadata.clone()))
}

/// The event at a place, from 0, as a span whose cursors are the numbers of the events.
fn span(place: usize, body: Bytes, event: Event) -> Span {
    let cursor = |place: usize| Cursor::new(&place.to_string()).expect("a number is a cursor");
    let from = if place == 0 { ReadFrom::First } else { ReadFrom::After(cursor(place)) };
    Span::new(from, cursor(place + 1), body, vec![event])
}
