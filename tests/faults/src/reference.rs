//! The reference: what a reader makes of a generated feed, by the page on protocols alone.

use crate::generated::{Ending, Generated, Meaning, PAGE_BYTES_MAX, Page};

/// Pages with events and no checkpoint, in a row: up to the first number the worker must go on, from the second on it must have
/// stopped. Between them the protocols' page says only "a few times".
const BARREN: (u32, u32) = (3, 8);

/// What must come of a feed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    /// The cursors that are asked from, in their order; empty for the beginning.
    pub(crate) asked: Vec<String>,
    /// The log after each span: how many events were applied and put aside, and the cursor.
    pub(crate) spans: Vec<(usize, usize, String)>,
    /// The events that are applied.
    pub(crate) log: Vec<String>,
    /// How many are put aside.
    pub(crate) put_aside: usize,
    /// Why the partition must stop, in a word of its message; none if it must go on to the end.
    pub(crate) stops: Option<&'static str>,
    /// From this span on it may stop because a cursor came back after events.
    pub(crate) may_circle_from: Option<usize>,
}

/// Reads a feed. None if the protocols' page leaves open what comes of it.
pub(crate) fn read(feed: &Generated) -> Option<Reference> {
    let mut reference = Reference::default();
    let mut from = String::new();
    let mut barren = 0;
    for page in &feed.pages {
        reference.asked.push(from.clone());
        let spans = reference.spans.len();
        let (tail, end) = reference.page(page, &mut from);
        if let PageEnd::Stop(word) = end {
            reference.stops = Some(word);
            return Some(reference);
        }
        let events = reference.spans.get(spans..).is_some_and(|new| {
            let before =
                spans.checked_sub(1).and_then(|last| reference.spans.get(last)).map_or((0, 0), |at| (at.0, at.1));
            new.last().is_some_and(|at| (at.0, at.1) != before)
        });
        match end {
            PageEnd::Complete if !events && tail > 0 => barren += 1,
            PageEnd::Complete => barren = 0,
            PageEnd::Cut | PageEnd::Stop(_) if events || reference.spans.len() > spans => barren = 0,
            PageEnd::Cut | PageEnd::Stop(_) => {}
        }
        if barren >= BARREN.1 {
            reference.stops = Some("no checkpoint");
            return Some(reference);
        }
    }
    let unclear = longest_barren(feed) > BARREN.0 && reference.stops.is_none();
    if unclear {
        return None;
    }
    if !feed.circle.is_empty() {
        reference.stops = Some("goes in a circle");
        for _ in 0..40 {
            for (_, page) in &feed.circle {
                reference.asked.push(from.clone());
                reference.page(page, &mut from);
            }
        }
    }
    Some(reference)
}

/// More than enough is unclear: how many pages in a row may be such without a checkpoint.
fn longest_barren(feed: &Generated) -> u32 {
    let barren = |page: &Page| {
        page.lines
            .iter()
            .rev()
            .find(|line| !matches!(line, Meaning::Nothing))
            .is_some_and(|line| !matches!(line, Meaning::Checkpoint(_)))
    };
    let mut longest = 0;
    let mut now = 0;
    for page in &feed.pages {
        now = if barren(page) { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

/// How a page ends for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageEnd {
    Complete,
    /// At its last checkpoint; the rest is asked for again.
    Cut,
    Stop(&'static str),
}

impl Reference {
    /// Reads a page: how many events are behind its last checkpoint, and how it ends.
    fn page(&mut self, page: &Page, from: &mut String) -> (usize, PageEnd) {
        let (mut events, mut aside) = (Vec::new(), 0);
        for line in &page.lines {
            match line {
                Meaning::Event(payload) => events.push(payload.clone()),
                Meaning::Undeliverable => aside += 1,
                Meaning::Nothing => {}
                Meaning::Bad => return (events.len() + aside, PageEnd::Cut),
                Meaning::TooLong => return (events.len() + aside, PageEnd::Stop("it is longer than")),
                Meaning::Checkpoint(cursor) => {
                    let moved = !events.is_empty() || aside > 0;
                    let known = self.spans.iter().any(|(_, _, known)| known == cursor);
                    self.log.append(&mut events);
                    self.put_aside += std::mem::take(&mut aside);
                    if known && (moved || cursor != from) {
                        self.may_circle_from.get_or_insert(self.spans.len());
                    }
                    self.spans.push((self.log.len(), self.put_aside, cursor.clone()));
                    from.clone_from(cursor);
                }
            }
        }
        let end = match page.ending {
            Ending::Complete => PageEnd::Complete,
            Ending::BrokenOff => PageEnd::Cut,
            Ending::EndlessLine => PageEnd::Stop("it is longer than"),
            Ending::EndlessLines => PageEnd::Stop("without a checkpoint"),
        };
        debug_assert!(page.bytes.len() < PAGE_BYTES_MAX, "a page that ends is within the bound");
        (events.len() + aside, end)
    }
}
