//! Cores: what partitions that have their state apart gain from a second one.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{
    Row, Section, median,
    setting::{Differences, Setting},
};
use crate::{feed::Feed, places::Places, publisher::Publisher};

const FEED: Feed = Feed { payload_bytes: 300, keys: 1_000, partitions: 8, page: 1_000, everybody_first: false };
/// Turns of the example `burner` that take about 20 µs.
const TURNS: usize = 12_000;

/// A way to run.
#[derive(Clone, Copy)]
struct Way {
    title: &'static str,
    partitions: usize,
    one_core: bool,
}

const WAYS: [Way; 3] = [
    Way { title: "8 partitions, all cores", partitions: 8, one_core: false },
    Way { title: "8 partitions, one core", partitions: 8, one_core: true },
    Way { title: "1 partition, one core", partitions: 1, one_core: true },
];

/// What one run took.
struct Sample {
    events: usize,
    seconds: f64,
    cpu_seconds: f64,
    busy: Vec<f64>,
}

/// Runs each way in turn.
pub(super) fn measure(places: &Places, quick: bool) -> Result<Section> {
    let rounds = if quick { 1 } else { 5 };
    let burning = format!("[processors.totals.config]\nturns = {TURNS}");
    let guests = [("burner", burning.as_str(), 80), ("totals", "", 800)];
    let mut rows = Vec::new();
    for (guest, config, pages) in guests {
        let component = places.component("rust", guest)?;
        let mut samples = WAYS.map(|_| Vec::new());
        for _ in 0..rounds {
            for (way, samples) in WAYS.iter().zip(&mut samples) {
                let pages = if quick { 1 } else { pages / way.partitions };
                samples.push(run(places, *way, &component, config, pages)?);
            }
        }
        let rate =
            |samples: &[Sample]| median(&samples.iter().map(|run| run.events as f64 / run.seconds).collect::<Vec<_>>());
        let fastest = rate(&samples[0]);
        for (way, samples) in WAYS.iter().zip(&samples) {
            let of = |figure: &dyn Fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
            let busy = |core: usize| of(&|run| run.busy.get(core).copied().unwrap_or_default() * 100.0);
            let figures = [
                rate(samples),
                fastest.zip(rate(samples)).map(|(fastest, rate)| fastest / rate),
                of(&|run| run.cpu_seconds / run.events as f64 * 1e6),
                of(&|run| run.cpu_seconds / run.seconds),
                busy(0),
                busy(1),
            ];
            rows.push(Row::new(format!("`{guest}`: {}", way.title), figures));
        }
    }
    Ok(Section {
        title: "A second core".into(),
        about: format!(
            "`state = \"partitioned\"`: `burner`, which only computes ({TURNS} turns an event, about 20 µs), and `totals`, \
             from the first request to the last commit. Where there is one core for the host, the publisher may use \
             the other. Medians of {rounds} rounds, in turn. The last two columns are all that runs on a core, the \
             publisher included."
        ),
        columns: [
            "events/s",
            "all cores against it",
            "processor time an event, µs",
            "cores that the host used",
            "core 0 busy, %",
            "core 1 busy, %",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    })
}

fn run(places: &Places, way: Way, component: &Path, config: &str, pages: usize) -> Result<Sample> {
    let feed = Feed { partitions: way.partitions, ..FEED };
    let mut publisher = Publisher::start(&feed, pages)?;
    let url = publisher.url().to_owned();
    let processor = format!("state = \"partitioned\"\n{config}");
    let differences = Differences { processor: &processor, ..Differences::default() };
    let setting = Setting::new(places, (&url, &feed), component, None, differences)?;
    publisher.open(pages)?;
    let all = sched_getaffinity(None)?;
    if way.one_core {
        // The host inherits it.
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).context("there is no core")?);
        sched_setaffinity(None, &one)?;
    }
    let host = setting.run(&["--log-level", "warn"], Stdio::inherit());
    sched_setaffinity(None, &all)?;
    let host = host?;
    let (first, busy, cpu) = loop {
        // Until then its component is compiled.
        if let Some(first) = publisher.seen()?.first_request {
            break (first, Busy::now()?, host.cpu()?);
        }
        host.still_runs()?;
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let committed = setting.wait_for(pages, &host)?;
    let (busy, cpu_seconds) = (busy.shares_until(&Busy::now()?), host.cpu()?.saturating_sub(cpu).as_secs_f64());
    host.end()?;
    let events = pages * feed.page * feed.partitions;
    Ok(Sample { events, seconds: committed.duration_since(first)?.as_secs_f64(), cpu_seconds, busy })
}

/// What each core has done since the system started, in ticks: busy, and all.
struct Busy(Vec<(u64, u64)>);

impl Busy {
    fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read: the benchmark needs Linux")?;
        let core = |line: &str| -> Option<(u64, u64)> {
            let (name, ticks) = line.strip_prefix("cpu")?.split_once(' ')?;
            name.parse::<usize>().ok()?;
            let ticks: Vec<u64> = ticks.split_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
            let (all, idle) = (ticks.iter().sum::<u64>(), ticks.get(3)? + ticks.get(4)?);
            Some((all - idle, all))
        };
        Ok(Self(text.lines().filter_map(core).collect()))
    }

    /// How busy each core was between the two.
    fn shares_until(&self, later: &Self) -> Vec<f64> {
        let share = |(before, after): (&(u64, u64), &(u64, u64))| {
            (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64
        };
        self.0.iter().zip(&later.0).map(share).collect()
    }
}
