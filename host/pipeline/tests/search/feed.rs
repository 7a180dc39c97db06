//! A feed from a vector: its spans are always cut the same way.

use std::time::Duration;

use tidemill_pipeline::{Ask, Cursor, Event, Failure, Metadata, PageEnd, ReadFrom, Source, Span, SpanSink};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The component applies it.
    Fine,
    /// The component rejects it.
    Poison,
    /// The component is never given it.
    Undeliverable,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) kind: Kind,
    pub(crate) letter: usize,
}

impl Given {
    /// Its payload. Payloads have different lengths, and say what becomes of them.
    pub(crate) fn payload(self) -> String {
        let kind = match self.kind {
            Kind::Fine => "fine",
            Kind::Poison => "poison",
            Kind::Undeliverable => "undeliverable",
        };
        format!("{kind}{}", "-".repeat(self.letter))
    }
}

/// The place behind so many spans.
pub(crate) fn place(spans: usize) -> ReadFrom {
    if spans == 0 { ReadFrom::First } else { ReadFrom::After(cursor(spans)) }
}

/// The cursor behind so many spans; at least 1.
pub(crate) fn cursor(spans: usize) -> Cursor {
    Cursor::new(&spans.to_string()).unwrap()
}

/// How long a page takes. Time is paused: any wait lets everybody who is ready go first.
const PAGE: Duration = Duration::from_millis(1);

/// Reads spans. A page has all that are left.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) spans: Vec<Vec<Given>>,
    /// Whether everything can be delivered after all.
    pub(crate) repaired: bool,
}

impl Source for Reader {
    async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        tokio::time::sleep(PAGE).await;
        let at = ask.from.cursor().map_or(0, |cursor| cursor.as_str().parse().unwrap());
        for (number, events) in self.spans.iter().enumerate().skip(at) {
            if spans.push(span(number, events, self.repaired)).await.is_err() {
                break;
            }
        }
        Ok(PageEnd::default())
    }
}

/// A span of these events. Those that cannot be delivered have a fault, unless that was repaired.
pub(crate) fn span(number: usize, events: &[Given], repaired: bool) -> Span {
    let mut body = String::new();
    let mut ranges = Vec::new();
    for event in events {
        let start = u32::try_from(body.len()).unwrap();
        body.push_str(&event.payload());
        // A letter is a key, but for the first, which is none.
        let key = (event.letter > 0).then(|| "-".repeat(event.letter).into());
        let range = Event::text(start..u32::try_from(body.len()).unwrap());
        let range = range.with_metadata(Metadata { key, ..Metadata::default() });
        let faulty = event.kind == Kind::Undeliverable && !repaired;
        ranges.push(if faulty { range.with_fault("it is not JSON") } else { range });
    }
    Span::new(place(number), cursor(number + 1), body.into(), ranges)
}
