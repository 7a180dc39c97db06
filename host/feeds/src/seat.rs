//! A seat: a reader's part in a page in flight, and the right to read on.

use tidemill_pipeline::Span;

use crate::{
    flight::{Flight as _, Pages},
    readership::Readership,
};

/// A reader's part in a page in flight. When the last one goes, so does the page.
pub(crate) struct Seat<'a, P: Pages> {
    readership: &'a Readership<P>,
    /// The page that it joined.
    pub(crate) number: Option<u64>,
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

    /// Leaves the page, if it joined one.
    pub(crate) fn leave(&mut self) {
        let Some(number) = self.number.take() else { return };
        let mut state = self.readership.state();
        let Some(place) = state.readings.iter().position(|reading| reading.number == number) else { return };
        let Some(reading) = state.readings.get_mut(place) else { return };
        reading.readers -= 1;
        if reading.readers > 0 {
            return;
        }
        let gone = state.readings.swap_remove(place);
        if gone.is_in_flight() {
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
            reading.give_back(flight);
        }
    }
}
