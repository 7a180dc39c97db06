//! A readership: all who read one partition of a feed in this process, and what they share.
//!
//! ```text
//!   Reader ─┐ at a place: read lately? ──▶ take it
//!   Reader ─┤             in flight?   ──▶ join it; one of those who joined reads on, the others wait
//!   Reader ─┘             else         ──▶ ask the publisher
//! ```
//!
//! Nobody waits for a slower one: what is kept is bounded, and whoever falls behind it asks for himself. A page in flight
//! belongs to those who joined it, and goes with the last of them.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidemill_pipeline::{Ask, FailureKind, PageEnd, ReadFrom, Span};
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use crate::{
    flight::{End, Flight, Pages},
    recent::Recent,
    rest::{Rest, Resting},
};

/// For so long an answer without news also counts for others who come to its place, and so does a publisher's absence.
/// Nobody is given the same answer twice.
const ANSWER_AGE_MAX: Duration = Duration::from_millis(200);
/// The most spans that a page takes from what was read lately.
const TAKEN_MAX: usize = 16 * 1024;

/// The bytes that a feed may keep of what was read lately: an equal share for each partition that is read.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    partitions: AtomicUsize,
    /// Whether others come, who are not there yet.
    awaited: AtomicBool,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, partitions: AtomicUsize::new(0), awaited: AtomicBool::new(false) }
    }

    /// From now on it is kept what a single reader reads, for others come.
    pub(crate) fn await_others(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    fn is_shared(&self, readers: usize) -> bool {
        readers > 1 || self.awaited.load(Ordering::Relaxed)
    }

    fn share(&self) -> usize {
        self.bytes_max / self.partitions.load(Ordering::Relaxed).max(1)
    }
}

/// All who read one partition.
pub(crate) struct Readership<P: Pages> {
    pages: P,
    room: Arc<Room>,
    state: Mutex<State<P::Flight>>,
}

pub(crate) struct State<F> {
    readers: usize,
    recent: Recent,
    readings: Vec<Reading<F>>,
    pub(crate) rests: Vec<Rest>,
    answered: Option<Answered>,
    /// The last number of a reading or an answer.
    count: u64,
}

/// A page in flight, for all who joined it.
struct Reading<F> {
    number: u64,
    page_size: NonZeroU32,
    /// Where it was asked for from.
    start: ReadFrom,
    /// Up to where it was read.
    at: ReadFrom,
    events: u64,
    /// None while one of the readers has it.
    flight: Option<F>,
    end: Option<(u64, End)>,
    readers: usize,
    moved: Arc<Notify>,
}

/// The last answer that brought nothing.
#[derive(Debug)]
struct Answered {
    number: u64,
    at: ReadFrom,
    since: Instant,
    end: End,
}

/// Where a reader is within a page.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) at: ReadFrom,
    page_size: NonZeroU32,
    events: u64,
    taken: usize,
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

impl<P: Pages> Readership<P> {
    pub(crate) fn new(pages: P, room: Arc<Room>) -> Self {
        room.partitions.fetch_add(1, Ordering::Relaxed);
        let state = State {
            readers: 0,
            recent: Recent::default(),
            readings: Vec::new(),
            rests: Vec::new(),
            answered: None,
            count: 0,
        };
        Self { pages, room, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<P::Flight>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more reader. Gives the number of the last answer: what was said before the reader came does not count for it, for
    /// its partition may have been closed since.
    pub(crate) fn enter(&self) -> u64 {
        let mut state = self.state();
        state.readers += 1;
        state.count
    }

    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.readers -= 1;
        if !self.room.is_shared(state.readers) {
            state.forget();
        }
    }

    /// Asks the publisher again for whatever is read next.
    pub(crate) fn forget(&self) {
        self.state().forget();
    }

    /// What a reader does next at the place where it is. A seat is a page that it joined.
    pub(crate) fn step(&self, walk: &mut Walk, seat: &mut Seat<'_, P>) -> Step<P::Flight> {
        loop {
            let mut state = self.state();
            if walk.taken >= TAKEN_MAX {
                return Step::Ended(Ok(PageEnd::default()));
            }
            if let Some(span) = state.recent.after(&walk.at) {
                walk.taken += 1;
                return Step::Take(span.clone());
            }
            let joined = seat.number.and_then(|number| state.readings.iter_mut().find(|known| known.number == number));
            match joined {
                Some(reading) if reading.at == walk.at => return reading.step(walk),
                Some(_) => {
                    drop(state);
                    seat.leave();
                    continue;
                }
                None => {}
            }
            let open = |reading: &&mut Reading<_>| {
                reading.end.is_none()
                    && reading.at == walk.at
                    && reading.page_size >= walk.page_size
                    // "From now on" is another place each time that it is asked for.
                    && walk.at != ReadFrom::Last
                    // How a page ends says nothing to one who only came to its end.
                    && (walk.taken > 0 || reading.start == walk.at)
            };
            if let Some(reading) = state.readings.iter_mut().find(open) {
                reading.readers += 1;
                seat.number = Some(reading.number);
                return reading.step(walk);
            }
            if walk.events > 0 {
                return Step::Ended(Ok(PageEnd::default()));
            }
            if let Some(end) = state.answered(walk) {
                return Step::Ended(end);
            }
            seat.number = Some(state.ask(&self.pages, walk));
        }
    }

    /// What a reader was given of the page that it reads for all.
    fn landed(&self, number: u64, flight: P::Flight, spans: &[Span], end: Option<End>) {
        let mut state = self.state();
        let shared = self.room.is_shared(state.readers);
        for span in spans.iter().filter(|_| shared) {
            state.recent.keep(span, self.room.share());
        }
        state.ring(|rest| spans.iter().any(|span| span.from() == rest.place() && is_news(span)), None);
        state.count += 1;
        let answer = state.count;
        let Some(reading) = state.readings.iter_mut().find(|known| known.number == number) else { return };
        if let Some(last) = spans.last() {
            reading.at = ReadFrom::After(last.to().clone());
            reading.events += spans.iter().map(|span| span.len() as u64).sum::<u64>();
        }
        reading.moved.notify_waiters();
        let Some(end) = end else {
            reading.flight = Some(flight);
            return;
        };
        reading.end = Some((answer, end.clone()));
        let (at, without_events, stayed) = (reading.at.clone(), reading.events == 0, reading.at == reading.start);
        state.recent.tidy();
        if !without_events {
            state.hand_over(&at, None);
            return;
        }
        let calm = matches!(end, Ok(PageEnd { tail_events: 0, cut: None }));
        let away = matches!(&end, Err(failure) if failure.kind == FailureKind::Unavailable);
        if calm {
            state.hand_over(&at, Some(Instant::now()));
        } else {
            state.ring(|rest| *rest.place() == at, Some(&end));
        }
        if shared && stayed && (calm || away) && at != ReadFrom::Last {
            state.answered = Some(Answered { number: answer, at, since: Instant::now(), end });
        }
    }

    /// Rests at a place, with all others who do.
    pub(crate) fn rest<'a>(&'a self, place: &ReadFrom) -> Resting<'a, P> {
        Resting::begin(self, place)
    }
}

/// Whether a span says more than that nothing is behind the place where it begins.
fn is_news(span: &Span) -> bool {
    span.from().cursor() != Some(span.to()) || !span.is_empty()
}

impl<F> Reading<F> {
    fn step(&mut self, walk: &mut Walk) -> Step<F> {
        if let Some((number, end)) = &self.end {
            walk.heard = *number;
            return Step::Ended(end.clone());
        }
        match self.flight.take() {
            Some(flight) => Step::ReadOn(flight),
            None => Step::Wait(Arc::clone(&self.moved).notified_owned()),
        }
    }
}

impl<F: Flight> State<F> {
    fn forget(&mut self) {
        self.recent = Recent::default();
        self.answered = None;
    }

    pub(crate) fn was_read(&self, place: &ReadFrom) -> bool {
        self.recent.after(place).is_some()
    }

    /// Whether somebody asks what is behind a place.
    pub(crate) fn is_asked(&self, place: &ReadFrom) -> bool {
        self.readings.iter().any(|reading| reading.end.is_none() && reading.events == 0 && reading.at == *place)
    }

    /// The last answer, if it is one for this place and young enough.
    fn answered(&mut self, walk: &mut Walk) -> Option<End> {
        let answered = self.answered.as_ref()?;
        let counts =
            answered.number > walk.heard && answered.at == walk.at && answered.since.elapsed() < ANSWER_AGE_MAX;
        let (end, since) = (answered.end.clone(), answered.since);
        if !counts {
            return None;
        }
        walk.heard = answered.number;
        self.hand_over(&walk.at, Some(since));
        Some(end)
    }

    fn ask<P: Pages<Flight = F>>(&mut self, pages: &P, walk: &Walk) -> u64 {
        self.count += 1;
        let (at, page_size) = (walk.at.clone(), walk.page_size);
        let flight = pages.ask(Ask { from: at.clone(), page_size });
        self.readings.push(Reading {
            number: self.count,
            page_size,
            start: at.clone(),
            at,
            events: 0,
            flight: Some(flight),
            end: None,
            readers: 1,
            moved: Arc::default(),
        });
        self.count
    }

    /// Wakes those who rest somewhere: there is something to be had.
    fn ring(&mut self, whom: impl Fn(&Rest) -> bool, end: Option<&End>) {
        self.rests.retain(|rest| {
            let rings = whom(rest);
            if rings {
                rest.ring(end.cloned());
            }
            !rings
        });
    }

    /// Lets one of those who rest at a place see to it that it is asked again.
    fn hand_over(&mut self, place: &ReadFrom, said: Option<Instant>) {
        if let Some(rest) = self.rests.iter_mut().find(|rest| rest.place() == place) {
            rest.hand_over(said);
        }
    }
}

/// A reader's part in a page in flight. When the last one goes, so does the page.
pub(crate) struct Seat<'a, P: Pages> {
    readership: &'a Readership<P>,
    number: Option<u64>,
}

impl<'a, P: Pages> Seat<'a, P> {
    /// No page yet.
    pub(crate) fn none(readership: &'a Readership<P>) -> Self {
        Self { readership, number: None }
    }

    /// Reads on, for all who joined. May be dropped at any moment: then another of them does.
    pub(crate) async fn read_on(&self, flight: P::Flight) -> Vec<Span> {
        let mut pen = Pen { seat: self, flight: Some(flight) };
        let mut spans = Vec::new();
        let end = match &mut pen.flight {
            Some(flight) => flight.next(&mut spans).await,
            None => None,
        };
        if let (Some(flight), Some(number)) = (pen.flight.take(), self.number) {
            self.readership.landed(number, flight, &spans, end);
        }
        spans
    }

    fn leave(&mut self) {
        let Some(number) = self.number.take() else { return };
        let mut state = self.readership.state();
        let Some(place) = state.readings.iter().position(|reading| reading.number == number) else { return };
        let Some(reading) = state.readings.get_mut(place) else { return };
        reading.readers -= 1;
        if reading.readers > 0 {
            return;
        }
        let gone = state.readings.swap_remove(place);
        if gone.end.is_none() {
            state.hand_over(&gone.at, None);
        }
        // A connection may end with it: not under the lock.
        drop(state);
        drop(gone);
    }
}

impl<P: Pages> Drop for Seat<'_, P> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The right to read on. It is given back when dropped, and somebody else takes it.
struct Pen<'a, 'b, P: Pages> {
    seat: &'a Seat<'b, P>,
    flight: Option<P::Flight>,
}

impl<P: Pages> Drop for Pen<'_, '_, P> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let mut state = self.seat.readership.state();
        let number = self.seat.number;
        if let Some(reading) = state.readings.iter_mut().find(|known| Some(known.number) == number) {
            reading.flight = Some(flight);
            reading.moved.notify_one();
        }
    }
}

impl<P: Pages> Drop for Readership<P> {
    fn drop(&mut self) {
        self.room.partitions.fetch_sub(1, Ordering::Relaxed);
    }
}
