//! What must hold for any bytes from outside, whether they lie in `tests/fuzz/corpus` or are found by a fuzzer.

use std::path::Path;

use tidemill::config::Config;
use tidemill_engine::Description;
use tidemill_feeds::{LineForm, Page, PageBounds, parse_discovery};
use tidemill_pipeline::{PartitionId, ReadFrom, Span};

/// Bounds that a fuzzer can pass.
const BOUNDS: PageBounds = PageBounds { line_bytes_max: 200, span_bytes_max: 600 };

/// A page of a publisher: however it is cut into chunks, the same spans come out.
pub fn page(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    for form in [LineForm::ZeroEventHub(PartitionId::new("0")), LineForm::FeedApi] {
        let whole = read(form.clone(), &[bytes]);
        let (left, right) = bytes.split_at(usize::from(*cut).min(bytes.len()));
        assert_eq!(read(form.clone(), &[left, right]), whole, "cut in two");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(form, &single), whole, "byte by byte");
    }
}

/// The spans of a page in a form that can be compared, and how it ended.
fn read(form: LineForm, chunks: &[&[u8]]) -> (Vec<String>, Option<String>) {
    let mut page = Page::new(form, ReadFrom::First, BOUNDS);
    let mut spans = Vec::new();
    for chunk in chunks {
        page.push(chunk);
        loop {
            match page.next_span() {
                Ok(Some(span)) => spans.push(shown(&span)),
                Ok(None) => break,
                Err(error) => return (spans, Some(error.to_string())),
            }
        }
    }
    match page.finish() {
        Ok(last) => spans.extend(last.as_ref().map(shown)),
        Err(error) => return (spans, Some(error.to_string())),
    }
    (spans, None)
}

fn shown(span: &Span) -> String {
    assert!(!span.to().to_string().is_empty(), "a checkpoint has a cursor");
    let events: Vec<String> =
        span.events().map(|event| format!("{:?} {:?} {:?}", event.data(), event.metadata(), event.fault())).collect();
    format!("{} to {}: {}", span.from(), span.to(), events.join(", "))
}

/// A discovery document: what is understood has a token, and partitions of which none is listed twice.
pub fn discovery(bytes: &[u8]) {
    if let Ok((token, partitions)) = parse_discovery(bytes) {
        assert!(!token.is_empty() && !partitions.is_empty());
        let mut ids: Vec<&str> = partitions.iter().map(|partition| partition.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), partitions.len(), "a partition is listed twice");
    }
}

/// A configuration: it is understood, or every problem has a sentence.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Config::parse(Path::new("tidemill.toml"), text) {
        assert!(!error.to_string().trim().is_empty(), "an error without a sentence");
    }
}

/// A component file: it is described or refused, and nothing of it is compiled.
pub fn component(bytes: &[u8]) {
    match Description::read(bytes) {
        Ok(description) => assert_eq!(description.bytes, bytes.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
