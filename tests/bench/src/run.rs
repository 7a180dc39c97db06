//! One run of one competitor over a feed: from its first request to its last commit, and whether its totals are right.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    child::Child,
    competitor::{Assignment, Competitor},
    database::Database,
    feed::Totals,
    places::Places,
    publisher::Publisher,
};

/// How long a run may take.
const DEADLINE: Duration = Duration::from_mins(5);
/// How often it is looked whether everything was given out.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What a run took. Everybody is measured in the same way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sample {
    /// How many events were applied.
    pub(crate) events: u64,
    /// From the first request, as the publisher saw it, to the last commit, as another reader of the database saw it.
    pub(crate) seconds: f64,
    /// From the start of the process to its end.
    pub(crate) process_seconds: f64,
    /// Processor time of the process on all cores within `seconds`, to some hundredths of a second.
    pub(crate) cpu_seconds: f64,
    /// Processor time of the publisher meanwhile.
    pub(crate) publisher_cpu_seconds: f64,
    /// Requests that the publisher saw.
    pub(crate) requests: u64,
    /// The most memory that the process had resident; none if it was not seen before it had ended.
    #[serde(default)]
    pub(crate) memory_peak_bytes: Option<u64>,
}

impl Sample {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// A stretch of the feed, and what its end must look like.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    /// The pages of each partition that the database has already.
    pub(crate) from: usize,
    /// The pages of each partition that are there at the end.
    pub(crate) to: usize,
    /// What all of them come to; none to leave the check to a later run.
    pub(crate) totals: Option<&'a Totals>,
}

/// Lets a competitor read a stretch to its end.
pub(crate) fn measure(
    competitor: Competitor,
    places: &Places,
    assignment: &Assignment<'_>,
    publisher: &mut Publisher,
    stretch: Stretch<'_>,
) -> Result<Sample> {
    let run = || -> Result<Sample> {
        let feed = assignment.feed;
        publisher.open(stretch.to)?;
        let publisher_cpu = publisher.cpu()?;
        let until = Instant::now() + DEADLINE;
        let reader = Child::start(&competitor.name(), &mut competitor.command(places, assignment)?)?;
        // Once a process has ended, nothing is known of its memory.
        let peak = || reader.status("VmHWM").ok().map(|kib| kib * 1_024);
        let mut memory_peak_bytes = None;
        let mut cpu_before = None;
        let seen = loop {
            let seen = publisher.seen()?;
            memory_peak_bytes = peak().or(memory_peak_bytes);
            if cpu_before.is_none() && seen.first_request.is_some() {
                cpu_before = Some(reader.cpu()?);
            }
            if seen.last_page.is_some() {
                break seen;
            }
            // It may end between the two questions.
            if reader.still_runs().is_err() {
                ensure!(publisher.seen()?.last_page.is_some(), "it ended before it had asked for the last page");
            }
            ensure!(Instant::now() < until, "the last page was not asked for within {DEADLINE:?}");
            std::thread::sleep(LOOK_INTERVAL);
        };
        let (file, tables) = competitor.database(assignment.directory);
        let database = Database::open(&file, tables)?;
        let committed = database.wait_for(&stretch.to.to_string(), feed.partitions, &reader, until)?;
        memory_peak_bytes = peak().or(memory_peak_bytes);
        // If it has ended by now, this is all that it took.
        let cpu_after = reader.cpu()?;
        let process_seconds = reader.wait()?.as_secs_f64();
        if let Some(wanted) = stretch.totals {
            check(&database.totals(feed.keys)?, wanted)?;
        }
        let first: SystemTime = seen.first_request.context("the last page was asked for, but no page")?;
        Ok(Sample {
            events: ((stretch.to - stretch.from) * feed.page * feed.partitions) as u64,
            seconds: committed.duration_since(first)?.as_secs_f64(),
            process_seconds,
            cpu_seconds: cpu_after.saturating_sub(cpu_before.unwrap_or_default()).as_secs_f64(),
            publisher_cpu_seconds: publisher.cpu()?.saturating_sub(publisher_cpu).as_secs_f64(),
            requests: publisher.seen()?.requests,
            memory_peak_bytes,
        })
    };
    let mut run = run;
    run().with_context(|| format!("{competitor} over {} in {}", assignment.url, assignment.directory.display()))
}

/// An error with the first user whose total is wrong.
fn check(found: &Totals, wanted: &Totals) -> Result<()> {
    if let Some((user, found, wanted)) = found.difference(wanted) {
        anyhow::bail!("the total of `{user}` is {found:?} and should be {wanted:?}: the run does not count");
    }
    Ok(())
}

/// A directory that is empty, whatever was there.
pub(crate) fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    Ok(())
}
