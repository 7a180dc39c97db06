//! The pace: how many events a batch may have now, so that it takes about as long as it should.
//!
//! While there is much to catch up with, a large batch costs less an event: fewer commits, and one read and one write
//! for the keys that come again and again. But a reload and a stop wait for the batch that runs, and so do the other
//! partitions of its lane. So batches grow while they are quick, and shrink when they are not.

use std::time::Duration;

use crate::BatchBounds;

/// For the sake of the goal no batch becomes smaller: an instance and a turn on a busy host cost the same for one event.
const EVENTS_LEAST: usize = 100;

/// Events of the first batch: nothing is known of the component yet.
const EVENTS_FIRST: usize = 1_000;

/// Learns from each batch that was applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bounds: BatchBounds,
    goal: Duration,
    events: usize,
}

impl Pace {
    /// Batches within `bounds` that take about `goal` each.
    pub(crate) fn new(bounds: BatchBounds, goal: Duration) -> Self {
        Self { bounds, goal, events: EVENTS_FIRST.min(bounds.events_max) }
    }

    /// How large the next batch may be.
    pub(crate) fn bounds(&self) -> BatchBounds {
        BatchBounds { events_max: self.events, ..self.bounds }
    }

    /// Events were applied in some time, the time that the calls ran. A quick batch that was small because there was no
    /// more to do says nothing about larger ones.
    ///
    /// What does not count is the commit, for on a slow disk batches would become small, and small ones make more commits; nor
    /// that a call waited for a thread, for that would be the other processors' time.
    pub(crate) fn took(&mut self, events: usize, time: Duration) {
        if time > self.goal {
            let fitting = events as u128 * self.goal.as_nanos() / time.as_nanos();
            let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
            self.events = fitting.max(EVENTS_LEAST).min(self.events);
        } else if time.saturating_mul(2) <= self.goal && events.saturating_mul(2) >= self.events {
            self.events = self.events.saturating_mul(2).min(self.bounds.events_max);
        }
    }

    /// A call of so many events met the wall clock, which is far more than a batch should take. Here it may become as
    /// small as it has to: otherwise the partition would stall.
    pub(crate) fn overtime(&mut self, events: usize) {
        self.events = (events / 8).clamp(1, self.events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of a component that takes so long for an event and for a call, until their size stays.
    fn settled(per_call: Duration, per_event: Duration, supply: usize) -> usize {
        let bounds = BatchBounds { events_max: 10_000, bytes_max: 1 };
        let mut pace = Pace::new(bounds, Duration::from_millis(100));
        for _ in 0..50 {
            let events = pace.bounds().events_max.min(supply);
            pace.took(events, per_call + per_event * u32::try_from(events).unwrap());
        }
        pace.bounds().events_max
    }

    #[test]
    fn quick_batches_grow_to_the_bound_and_slow_ones_shrink_to_the_time() {
        let (none, micros) = (Duration::ZERO, Duration::from_micros);
        assert_eq!(settled(none, micros(1), usize::MAX), 10_000);
        let python = settled(micros(5_000), micros(30), usize::MAX);
        assert!((1_500..=3_300).contains(&python), "{python}");
        assert_eq!(settled(none, micros(1_000), usize::MAX), 100);
        assert_eq!(
            settled(micros(500_000), micros(1), usize::MAX),
            100,
            "no batch fits, and smaller ones would not either"
        );
    }

    #[test]
    fn a_call_that_meets_the_wall_clock_makes_the_next_far_smaller_and_quick_ones_grow_again() {
        let bounds = BatchBounds { events_max: 10_000, bytes_max: 1 };
        let mut pace = Pace::new(bounds, Duration::from_millis(100));
        let sizes = [(); 5].map(|()| {
            pace.overtime(pace.bounds().events_max);
            pace.bounds().events_max
        });
        assert_eq!(sizes, [125, 15, 1, 1, 1]);
        pace.took(1, Duration::from_millis(1));
        assert_eq!(pace.bounds().events_max, 2);
    }

    #[test]
    fn few_events_say_nothing_about_many() {
        assert_eq!(settled(Duration::from_millis(3), Duration::ZERO, 5), 1_000);
    }
}
