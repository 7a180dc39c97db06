//! Computes for a while over each event, as many `turns` as the configuration says, and counts the events in
//! `events`. For measurements of what runs in parallel.

use std::hint::black_box;

use tidemill_sdk::prelude::*;

/// How many events there were.
const EVENTS: Map<str, i128> = Map::new("");

#[derive(Default)]
struct Burner;

impl Processor for Burner {
    fn apply(&mut self, event: Event<'_>) -> Result {
        let turns: u64 = config::require("turns")?;
        // No turn can begin before the one before it has ended.
        let mixed =
            (0..turns).fold(event.index() as u64, |mixed, turn| (mixed ^ turn).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        black_box(mixed);
        EVENTS.add("events", 1)
    }
}

tidemill_sdk::export!(Burner);
