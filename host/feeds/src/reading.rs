//! A reading: a page in flight, for all who joined it.

use std::{num::NonZeroU32, sync::Arc};

use tidemill_pipeline::{FailureKind, PageEnd, ReadFrom, Span};
use tokio::sync::Notify;

use crate::{
    flight::End,
    walk::{Step, Walk},
};

/// A page in flight. It goes with the last of those who joined it.
pub(crate) struct Reading<F> {
    pub(crate) number: u64,
    page_size: NonZeroU32,
    /// Where it was asked for from.
    start: ReadFrom,
    /// Up to where it was read.
    pub(crate) at: ReadFrom,
    events: u64,
    /// None while one of the readers has it.
    flight: Option<F>,
    end: Option<(u64, End)>,
    pub(crate) readers: usize,
    moved: Arc<Notify>,
    /// Whether the publisher may say something else by now: nobody joins it, and nothing of it is kept for others.
    forgotten: bool,
}

impl<F> Reading<F> {
    /// A page that was asked for, with one reader.
    pub(crate) fn new(number: u64, walk: &Walk, flight: F) -> Self {
        Self {
            number,
            page_size: walk.page_size,
            start: walk.at.clone(),
            at: walk.at.clone(),
            events: 0,
            flight: Some(flight),
            end: None,
            readers: 1,
            moved: Arc::default(),
            forgotten: false,
        }
    }

    /// What one of its readers does next.
    pub(crate) fn step(&mut self, walk: &mut Walk) -> Step<F> {
        if let Some((number, end)) = &self.end {
            walk.heard = *number;
            return Step::Ended(end.clone());
        }
        match self.flight.take() {
            Some(flight) => Step::ReadOn(flight),
            None => Step::Wait(Arc::clone(&self.moved).notified_owned()),
        }
    }

    /// Whether a reader may join it where it is.
    pub(crate) fn is_open_to(&self, walk: &Walk) -> bool {
        self.end.is_none()
            && !self.forgotten
            && self.at == walk.at
            && self.page_size >= walk.page_size
            // "From now on" is another place each time that it is asked for.
            && walk.at != ReadFrom::Last
            // How a page ends says nothing to one who only came to its end.
            && (walk.taken > 0 || self.start == walk.at)
    }

    /// Whether it will say what is behind a place.
    pub(crate) fn asks(&self, place: &ReadFrom) -> bool {
        self.end.is_none() && !self.forgotten && self.events == 0 && self.at == *place
    }

    /// Whether it goes on.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn forget(&mut self) {
        self.forgotten = true;
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Gives the right to read on back to the others: whoever had it is gone.
    pub(crate) fn give_back(&mut self, flight: F) {
        self.flight = Some(flight);
        self.moved.notify_one();
    }

    /// It was read up to here, and perhaps to its end, which is the answer of this number.
    pub(crate) fn land(&mut self, flight: F, spans: &[Span], answer: u64, end: Option<&End>) {
        if let Some(last) = spans.last() {
            self.at = ReadFrom::After(last.to().clone());
            self.events += spans.iter().map(|span| span.len() as u64).sum::<u64>();
        }
        self.moved.notify_waiters();
        match end {
            Some(end) => self.end = Some((answer, end.clone())),
            None => self.flight = Some(flight),
        }
    }

    /// What its end says to others.
    pub(crate) fn tidings(&self) -> Tidings {
        let Some((_, end)) = self.end.as_ref().filter(|_| self.events == 0) else { return Tidings::None };
        let stayed = self.at == self.start && self.at != ReadFrom::Last;
        match end {
            Ok(PageEnd { tail_events: 0, cut: None }) => Tidings::Calm { stayed },
            Err(failure) if failure.kind == FailureKind::Unavailable => Tidings::Trouble { lasts: stayed },
            Ok(_) | Err(_) => Tidings::Trouble { lasts: false },
        }
    }
}

/// What the end of a page says to those who did not join it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tidings {
    /// Nothing: it had events.
    None,
    /// Nothing is behind the place where it ended, which may be the one where it began.
    Calm {
        /// Whether it ended where it began.
        stayed: bool,
    },
    /// Something is wrong, and may be wrong for others who come to the place.
    Trouble {
        /// Whether others need not ask to hear the same.
        lasts: bool,
    },
}
