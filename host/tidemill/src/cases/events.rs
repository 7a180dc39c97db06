//! The events of a case, as spans.

use bytes::Bytes;
use tidemill_feeds::line_event;
use tidemill_pipeline::{Cursor, Event, Metadata, PartitionKey, ReadFrom, Span, Value};

use super::file_events::FileEvents;
use crate::config::{CaseEvents, CaseFile};

/// The spans that a processor would be given, each with where it comes from: one for each event, except where a recording
/// says otherwise.
pub(super) fn spans(file: &CaseFile) -> anyhow::Result<Vec<(PartitionKey, Span)>> {
    let here = |span| (file.key.clone(), span);
    match &file.events {
        CaseEvents::Lines(lines) => {
            Ok(of_lines(&Bytes::copy_from_slice(lines.as_bytes())).into_iter().map(here).collect())
        }
        CaseEvents::File(path) => {
            // To open a pipe would wait for its writer, and a device need not end.
            let metadata = std::fs::metadata(path);
            let regular = metadata.map_or(true, |metadata| metadata.is_file());
            anyhow::ensure!(regular, "the events {} cannot be read: it is not a regular file", path.display());
            FileEvents::open(path, &file.key)?.collect()
        }
        CaseEvents::Events(events) => {
            let spans = events.iter().enumerate().map(|(place, (data, metadata))| of_event(place, data, metadata));
            Ok(spans.map(here).collect())
        }
    }
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
pub(super) fn span(place: usize, body: Bytes, event: Event) -> Span {
    let cursor = |place: usize| Cursor::new(&place.to_string()).expect("a number is a cursor");
    let from = if place == 0 { ReadFrom::First } else { ReadFrom::After(cursor(place)) };
    Span::new(from, cursor(place + 1), body, vec![event])
}
