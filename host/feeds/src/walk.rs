//! A walk: where a reader is within a page, which may come to it in pieces from several.

use std::num::NonZeroU32;

use tidemill_pipeline::{Ask, ReadFrom, Span};
use tokio::sync::futures::OwnedNotified;

use crate::flight::End;

/// Where a reader is within a page.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) at: ReadFrom,
    pub(crate) page_size: NonZeroU32,
    pub(crate) events: u64,
    /// How many spans it took that were read before.
    pub(crate) taken: usize,
    /// The last answer that the reader was given.
    pub(crate) heard: u64,
}

impl Walk {
    pub(crate) fn new(ask: Ask, heard: u64) -> Self {
        Self { at: ask.from, page_size: ask.page_size, events: 0, taken: 0, heard }
    }

    pub(crate) fn pass(&mut self, span: &Span) {
        self.at = ReadFrom::After(span.to().clone());
        self.events += span.len() as u64;
    }
}

/// What a reader does next.
pub(crate) enum Step<F> {
    /// Takes a span that was read lately.
    Take(Span),
    /// Reads on, for all who joined the page.
    ReadOn(F),
    /// Waits until the page that it joined has moved.
    Wait(OwnedNotified),
    /// The page has ended.
    Ended(End),
}
