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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidemill_pipeline::{Ask, PageEnd, ReadFrom, Span};
use tokio::time::Instant;

use crate::{
    flight::{End, Flight, Pages},
    reading::{Reading, Tidings},
    recent::Recent,
    rest::{News, Rest, Resting},
    room::Room,
    seat::Seat,
    walk::{Step, Walk},
};

/// For so long an answer without news also counts for others who come to its place, and so does a publisher's absence.
/// Nobody is given the same answer twice.
const ANSWER_AGE_MAX: Duration = Duration::from_millis(200);
/// The most spans that a page takes from what was read lately.
const TAKEN_MAX: usize = 16 * 1024;

/// All who read one partition.
pub(crate) struct Readership<P: Pages> {
    pages: P,
    room: Arc<Room>,
    state: Mutex<State<P::Flight>>,
}

pub(crate) struct State<F> {
    readers: usize,
    recent: Recent,
    pub(crate) readings: Vec<Reading<F>>,
    pub(crate) rests: Vec<Rest>,
    answered: Option<Answered>,
    /// The last number of a reading or an answer.
    count: u64,
}

/// The last answer that brought nothing.
#[derive(Debug)]
struct Answered {
    number: u64,
    at: ReadFrom,
    since: Instant,
    end: End,
}

impl<P: Pages> Readership<P> {
    pub(crate) fn new(pages: P, room: Arc<Room>) -> Self {
        room.enter();
        let state = State {
            readers: 0,
            recent: Recent::new(Arc::clone(&room)),
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
            state.let_go();
        }
    }

    /// Asks the publisher again for whatever is read next. Pages in flight go on for those who joined them.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.let_go();
        state.readings.iter_mut().for_each(Reading::forget);
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
            if let Some(reading) = state.readings.iter_mut().find(|reading| reading.is_open_to(walk)) {
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
    pub(crate) fn landed(&self, number: u64, flight: P::Flight, spans: &[Span], end: Option<End>) {
        let mut state = self.state();
        state.count += 1;
        let (answer, shared) = (state.count, self.room.is_shared(state.readers));
        let Some(reading) = state.readings.iter_mut().find(|known| known.number == number) else { return };
        reading.land(flight, spans, answer, end.as_ref());
        let (at, tidings, forgotten) = (reading.at.clone(), reading.tidings(), reading.is_forgotten());
        if shared && !forgotten {
            for span in spans {
                state.recent.keep(span);
            }
        }
        state.ring(|rest| spans.iter().any(|span| span.from() == rest.place() && is_news(span)), None);
        let Some(end) = end else { return };
        state.recent.tidy();
        let lasts = match tidings {
            Tidings::Calm { stayed } if !forgotten => {
                state.hand_over(&at, Some(Instant::now()));
                stayed
            }
            Tidings::Trouble { lasts } if !forgotten => {
                let news = News { answer, end: end.clone() };
                state.ring(|rest| *rest.place() == at, Some(&news));
                lasts
            }
            // It says nothing, or nothing that counts any more: somebody else asks.
            Tidings::None | Tidings::Calm { .. } | Tidings::Trouble { .. } => {
                state.hand_over(&at, None);
                false
            }
        };
        if shared && lasts {
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

impl<F: Flight> State<F> {
    /// Lets go of what was read lately.
    fn let_go(&mut self) {
        self.recent.clear();
        self.answered = None;
    }

    pub(crate) fn was_read(&self, place: &ReadFrom) -> bool {
        self.recent.after(place).is_some()
    }

    /// Whether somebody asks what is behind a place.
    pub(crate) fn is_asked(&self, place: &ReadFrom) -> bool {
        self.readings.iter().any(|reading| reading.asks(place))
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
        let flight = pages.ask(Ask { from: walk.at.clone(), page_size: walk.page_size });
        self.readings.push(Reading::new(self.count, walk, flight));
        self.count
    }

    /// Wakes those who rest somewhere: there is something to be had.
    fn ring(&mut self, whom: impl Fn(&Rest) -> bool, news: Option<&News>) {
        self.rests.retain(|rest| {
            let rings = whom(rest);
            if rings {
                rest.ring(news.cloned());
            }
            !rings
        });
    }

    /// Lets one of those who rest at a place see to it that it is asked again.
    pub(crate) fn hand_over(&mut self, place: &ReadFrom, said: Option<Instant>) {
        if let Some(rest) = self.rests.iter_mut().find(|rest| rest.place() == place) {
            rest.hand_over(said);
        }
    }
}

impl<P: Pages> Drop for Readership<P> {
    fn drop(&mut self) {
        self.room.leave();
    }
}
