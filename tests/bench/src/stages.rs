//! The stages: where the processor time of an event goes, one stage after the other, with nothing beside it.
//!
//! The straight line is gone along by hand here, through the same ports that a worker uses: pages are fetched, their
//! spans become a batch, the component is called, the batch is committed. So the processor time of the whole process
//! between two steps is that of the step. A wall clock would show less: a worker fetches while a component runs.

mod line;

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{competitor::Guest, crossing, feed::Feed, places::Places, publisher::Publisher};

use line::Machinery;

/// The section's name in the results.
pub(crate) const SECTION: &str = "stages";

/// Nanoseconds of processor time an event.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stages {
    /// Asking and receiving.
    pub(crate) fetch: f64,
    /// Putting the bytes into one buffer, and finding lines, envelopes and payloads in it.
    pub(crate) parse: f64,
    /// Calling the component and putting the events into its memory: what a component costs that ignores them.
    pub(crate) cross: f64,
    /// The component's own code, and its host calls without the rows.
    pub(crate) guest: f64,
    /// Reading rows.
    pub(crate) read: f64,
    /// Writing rows.
    pub(crate) write: f64,
    /// Moving the cursor and ending the transaction.
    pub(crate) commit: f64,
}

impl Stages {
    /// What the host itself takes: neither the component nor the rows.
    pub(crate) fn host(&self) -> f64 {
        self.fetch + self.parse + self.cross + self.commit
    }

    /// Field by field the median of some samples.
    fn median(samples: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(field).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            fetch: of(|stages| stages.fetch),
            parse: of(|stages| stages.parse),
            cross: of(|stages| stages.cross),
            guest: of(|stages| stages.guest),
            read: of(|stages| stages.read),
            write: of(|stages| stages.write),
            commit: of(|stages| stages.commit),
        }
    }
}

/// Measures each language at the centre of the comparison.
pub(crate) fn measure(places: &Places, quick: bool) -> Result<Value> {
    let (pages, rounds) = if quick { (4, 1) } else { (100, 5) };
    let feed = Feed { payload_bytes: 300, keys: 1_000, partitions: 1, page: 1_000, everybody_first: false };
    let mut publisher = Publisher::start(&feed, pages)?;
    publisher.open(pages)?;
    let bytes = feed.pages(0, pages);
    let mut stages = BTreeMap::new();
    for guest in Guest::ALL {
        if quick && guest != Guest::Rust {
            continue;
        }
        let machinery =
            Machinery::new(&fs::read(places.totals(guest.folder())?)?, &crossing::ignoring(), guest.instances())?;
        let samples: Result<Vec<_>> = (0..rounds).map(|_| machinery.go(publisher.url(), &bytes)).collect();
        stages.insert(guest.folder().to_owned(), Stages::median(&samples?));
    }
    Ok(serde_json::to_value(stages)?)
}
