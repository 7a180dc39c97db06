//! The feed of a world: numbered events whose checkpoints fall elsewhere each time a page is asked for.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use tidemill_pipeline::{Ask, Cursor, Event, Failure, Metadata, PageEnd, ReadFrom, Source, Span, SpanSink, Stage};

use super::{Dice, Trouble};

/// The events of one partition, as text. The cursor after the n-th is `n`.
#[derive(Clone, Debug)]
pub struct FeedLog(Arc<Vec<String>>);

impl FeedLog {
    /// A log with these events.
    #[must_use]
    pub fn new(events: Vec<String>) -> Self {
        Self(Arc::new(events))
    }

    /// The events in order.
    #[must_use]
    pub fn events(&self) -> &[String] {
        &self.0
    }
}

/// Reads a log, with trouble.
#[derive(Clone, Debug)]
pub struct Reader {
    /// What is read.
    pub log: FeedLog,
    /// How spans are cut.
    pub dice: Dice,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl Reader {
    fn span(&self, at: usize, events: usize) -> Span {
        let mut body = String::new();
        let mut ranges = Vec::new();
        for event in &self.log.events()[at..at + events] {
            let start = u32::try_from(body.len()).unwrap();
            write!(body, "{event}").unwrap();
            let metadata = Metadata { key: key_of(event).map(Into::into), ..Metadata::default() };
            ranges.push(Event::text(start..u32::try_from(body.len()).unwrap()).with_metadata(metadata));
            body.push('\n');
        }
        let from = if at == 0 { ReadFrom::First } else { ReadFrom::After(cursor(at)) };
        Span::new(from, cursor(at + events), Bytes::from(body), ranges)
    }
}

/// The key of an event `partition-number-…`: one of three, in every partition the same ones. Others have none.
pub(super) fn key_of(event: &str) -> Option<String> {
    let number: usize = event.split('-').nth(1)?.parse().ok()?;
    Some(format!("k{}", number % 3))
}

/// The cursor after so many events.
fn cursor(events: usize) -> Cursor {
    Cursor::new(&events.to_string()).unwrap()
}

impl Source for Reader {
    async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        self.dice.pause(20).await;
        if self.trouble.strikes(10) {
            return Err(Failure::unavailable(Stage::Fetch, "the feed is down"));
        }
        let mut at: usize = match &ask.from {
            ReadFrom::First | ReadFrom::Last => 0,
            ReadFrom::After(cursor) => cursor.as_str().parse().unwrap(),
        };
        for span in 0..=self.dice.below(6) {
            let left = self.log.events().len() - at;
            // A page without an event says that there are none, so the first span has one if there is one.
            let events = self.dice.below(6).max(usize::from(span == 0)).min(left);
            if self.trouble.strikes(5) {
                return Err(Failure::unavailable(Stage::Fetch, "the connection broke"));
            }
            if events == 0 && left == 0 {
                break;
            }
            if spans.push(self.span(at, events)).await.is_err() {
                break;
            }
            at += events;
            self.dice.pause(5).await;
        }
        let cut = self.trouble.strikes(5).then(|| Failure::unavailable(Stage::Fetch, "line 3 is not JSON"));
        Ok(PageEnd { tail_events: 0, cut })
    }
}
