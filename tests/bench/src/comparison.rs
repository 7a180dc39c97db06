//! The comparison: round after round, in each of which every competitor of a cell runs once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    cell::Cell,
    competitor::{Assignment, Competitor, Guest, Project, copy},
    feed::{Feed, Totals},
    places::Places,
    publisher::Publisher,
    run::{Sample, Stretch, empty, measure},
};

/// The samples of each competitor, one a round.
pub(crate) type Rounds = BTreeMap<String, Vec<Sample>>;

/// A cell that is measured.
pub(crate) struct Comparison<'a> {
    cell: &'a Cell,
    places: &'a Places,
    quick: bool,
    directory: PathBuf,
    publisher: Publisher,
    /// What the pages come to, by their number.
    totals: BTreeMap<usize, Totals>,
}

impl<'a> Comparison<'a> {
    /// Renders the feed, and brings every state to where the rounds begin.
    pub(crate) fn prepare(cell: &'a Cell, places: &'a Places, quick: bool, rounds: usize) -> Result<Self> {
        let before = cell.pages_before();
        // Rounds that go on have one end, and it is there that the totals are compared.
        let stretches = if cell.goes_on { rounds } else { 1 };
        let ends = cell.competitors.iter().map(|competitor| before + stretches * cell.pages(*competitor, quick));
        let totals: BTreeMap<usize, Totals> = ends.chain([before]).map(|end| (end, cell.feed.totals(0..end))).collect();
        let pages = totals.last_key_value().map_or(0, |(end, _)| *end);
        let directory = places.kept().join("runs").join(cell.name);
        empty(&directory)?;
        let publisher = Publisher::start(&cell.feed, pages)?;
        let mut comparison = Self { cell, places, quick, directory, publisher, totals };
        for competitor in &cell.competitors {
            comparison.prepare_competitor(*competitor)?;
        }
        Ok(comparison)
    }

    /// Makes the directory that a competitor's rounds begin with: its state, and its code in the cache.
    fn prepare_competitor(&mut self, competitor: Competitor) -> Result<()> {
        let directory = self.template(competitor);
        fs::create_dir_all(&directory)?;
        // Everybody's first payments are brought in by the fastest who writes the same.
        let filler = if let Some(guest) = competitor.guest() {
            Project::warm(guest, self.places)?.copy(&directory)?;
            Competitor::Tidemill(Guest::Rust)
        } else {
            Competitor::HandTuned
        };
        let before = self.cell.pages_before();
        if before > 0 {
            self.configure(filler, &directory)?;
            self.measure(filler, &directory, 0, before)?;
        }
        self.configure(competitor, &directory)
    }

    /// Every competitor once, each over a copy of what it begins with. Who begins changes from round to round.
    pub(crate) fn round(&mut self, number: usize, rounds: &mut Rounds) -> Result<()> {
        let mut order = self.cell.competitors.clone();
        order.rotate_left(number % self.cell.competitors.len());
        for competitor in order {
            let (before, pages) = (self.cell.pages_before(), self.cell.pages(competitor, self.quick));
            let mut directory = self.template(competitor);
            let mut begin = before;
            if self.cell.goes_on {
                begin += number * pages;
            } else {
                let copied = self.directory.join("now");
                empty(&copied)?;
                copy(&directory, &copied)?;
                directory = copied;
            }
            let sample = self.measure(competitor, &directory, begin, begin + pages)?;
            rounds.entry(competitor.name()).or_default().push(sample);
        }
        Ok(())
    }

    /// Removes what was made on disk.
    pub(crate) fn end(self) -> Result<()> {
        fs::remove_dir_all(&self.directory)?;
        Ok(())
    }

    fn template(&self, competitor: Competitor) -> PathBuf {
        self.directory.join(competitor.name().replace(' ', "-"))
    }

    fn configure(&self, competitor: Competitor, directory: &Path) -> Result<()> {
        if let Some(guest) = competitor.guest() {
            let fields = (competitor != Competitor::Whole).then_some(Feed::READ);
            Project::make(guest, fields, self.places, &assignment(self.cell, self.publisher.url(), directory))?;
        }
        Ok(())
    }

    fn measure(&mut self, competitor: Competitor, directory: &Path, from: usize, to: usize) -> Result<Sample> {
        let url = self.publisher.url().to_owned();
        let assignment = assignment(self.cell, &url, directory);
        let totals = self.totals.get(&to);
        assert!(totals.is_some() || self.cell.goes_on, "only rounds that go on may leave the check to the last");
        let stretch = Stretch { from, to, totals };
        measure(competitor, self.places, &assignment, &mut self.publisher, stretch)
    }
}

fn assignment<'a>(cell: &'a Cell, url: &'a str, directory: &'a Path) -> Assignment<'a> {
    Assignment { url, feed: &cell.feed, durability: cell.durability, state: cell.state, directory }
}
