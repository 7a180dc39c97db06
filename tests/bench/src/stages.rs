//! The stages: where the processor time of an event goes, one stage after the other, with nothing beside it.
//!
//! The straight line is gone along by hand here, through the same ports that a worker uses: pages are fetched, their
//! spans become a batch, the component is called, the batch is committed. So the processor time of the whole process
//! between two steps is that of the step. A wall clock would show less: a worker fetches while a component runs.

mod line;

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tidemill_engine::Description;

use crate::{
    competitor::Guest, crossing, feed::Feed, goal::Goal, median::median, places::Places, publisher::Publisher,
};

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
    /// Picking the fields that the component is given.
    pub(crate) pick: f64,
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
    /// What the host itself takes: all but the component's own code and the rows that are written.
    pub(crate) fn host(&self) -> f64 {
        self.fetch + self.parse + self.pick + self.cross + self.read + self.commit
    }

    /// Field by field the median of some samples.
    fn median(samples: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(samples.iter().map(field));
        Self {
            fetch: of(|stages| stages.fetch),
            parse: of(|stages| stages.parse),
            pick: of(|stages| stages.pick),
            cross: of(|stages| stages.cross),
            guest: of(|stages| stages.guest),
            read: of(|stages| stages.read),
            write: of(|stages| stages.write),
            commit: of(|stages| stages.commit),
        }
    }
}

/// What was measured, by language.
pub(crate) type ByLanguage = BTreeMap<String, Stages>;

/// Measures each language at the centre of the comparison.
pub(crate) fn measure(places: &Places, quick: bool) -> Result<ByLanguage> {
    let (pages, rounds) = if quick { (4, 1) } else { (100, 5) };
    let mut publisher = Publisher::start(&Feed::CENTRE, pages)?;
    publisher.open(pages)?;
    let bytes = Feed::CENTRE.pages(0, pages);
    let mut stages = ByLanguage::new();
    for guest in Guest::ALL {
        if quick && guest != Guest::Rust {
            continue;
        }
        let component = fs::read(places.totals(guest.folder())?)?;
        // Its events cross as they do to the component.
        let bulk = Description::read(&component)?.exports.iter().any(|name| name.contains("bulk-handler"));
        let ignoring = if bulk { crossing::ignoring_bulk() } else { crossing::ignoring() };
        let machinery = Machinery::new(&component, &ignoring, guest.instances())?;
        let samples: Result<Vec<_>> = (0..rounds).map(|_| machinery.go(publisher.url(), &bytes)).collect();
        stages.insert(guest.folder().to_owned(), Stages::median(&samples?));
    }
    Ok(stages)
}

/// The goal, of Rust: the host does the same for every language.
pub(crate) fn goals(stages: &ByLanguage) -> Vec<Goal> {
    let rust = stages.get(Guest::Rust.folder()).map(Stages::host);
    vec![Goal::at_most(
        "the host's own CPU an event: fetch, parse, pick, cross, read, commit".to_owned(),
        600.0,
        "ns",
        rust,
    )]
}

/// Markdown: a row for each language.
pub(crate) fn text(stages: &ByLanguage) -> String {
    let mut text = "## Where the time of an event goes\n\nProcessor time in nanoseconds, at 300 B, 1 k keys, pages of 1,000, in batches of 10,000 events. The straight line is gone\n\
        along by hand, one stage after the other, so that nothing runs beside it; a worker fetches while a component runs. *Fetch* is asking and\n\
        receiving; *parse* is finding lines, envelopes and payloads; *pick* is finding the fields that the component is given; *cross* is what a component costs that ignores its events; *guest* is all that\n\
        the component does more than that, but for the rows; *read* and *write* are SQLite's rows; *commit* is moving the cursor and ending the transaction.\n\
        Host calls and the overlay are in *guest*: their price is in the section on the crossing.\n\n\
        | | fetch | parse | pick | cross | guest | read | write | commit | host: all but guest and write |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for (language, stages) in stages {
        let Stages { fetch, parse, pick, cross, guest, read, write, commit } = stages;
        writeln!(
            text,
            "| {language} | {fetch:.0} | {parse:.0} | {pick:.0} | {cross:.0} | {guest:.0} | {read:.0} | {write:.0} | {commit:.0} | {:.0} |",
            stages.host()
        )
        .expect("text takes everything");
    }
    text
}
