//! Cores: what partitions that have their state apart gain from a second one.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{
    Row, Section,
    setting::{Differences, Setting},
};
use crate::{feed::Feed, median::median, places::Places, publisher::Publisher};

/// Turns of the example `burner` that take about 20 µs.
const TURNS: usize = 12_000;

/// A way to run.
#[derive(Clone, Copy)]
struct Way {
    title: &'static str,
    partitions: usize,
    /// How many cores the host may use, of those that there are.
    cores: usize,
}

const WAYS: [Way; 3] = [
    Way { title: "8 partitions, two cores", partitions: 8, cores: 2 },
    Way { title: "8 partitions, one core", partitions: 8, cores: 1 },
    Way { title: "1 partition, one core", partitions: 1, cores: 1 },
];

/// What one run took.
struct Sample {
    events: usize,
    seconds: f64,
    cpu_seconds: f64,
    busy: Vec<f64>,
}

impl Sample {
    /// Events a second.
    fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
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
        let two_cores = &samples[0];
        for (way, samples) in WAYS.iter().zip(&samples) {
            let of = |figure: &dyn Fn(&Sample) -> f64| Some(median(samples.iter().map(figure)));
            let busy = |core: usize| of(&|run| run.busy.get(core).copied().unwrap_or_default() * 100.0);
            // Within each round, for the machine is not as fast in all of them.
            let ratios = two_cores.iter().zip(samples).map(|(two, this)| two.rate() / this.rate());
            let figures = [
                of(&Sample::rate),
                Some(median(ratios)),
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
             from the first request to the last commit. The host may use two cores or one of them, the publisher all \
             that the machine has. Medians of {rounds} rounds, in turn; ratios are taken within each round. The last \
             two columns are all that runs on a core, the publisher included."
        ),
        columns: [
            "events/s",
            "two cores against it",
            "processor time an event, µs",
            "cores that the host used",
            "first core busy, %",
            "second core busy, %",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    })
}

fn run(places: &Places, way: Way, component: &Path, config: &str, pages: usize) -> Result<Sample> {
    let feed = Feed { partitions: way.partitions, ..Feed::CENTRE };
    let mut publisher = Publisher::start(&feed, pages)?;
    let url = publisher.url().to_owned();
    let processor = format!("state = \"partitioned\"\n{config}");
    let differences = Differences { processor: &processor, ..Differences::default() };
    let setting = Setting::new(places, (&url, &feed), component, None, differences)?;
    publisher.open(pages)?;
    let all = sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).take(2).collect();
    ensure!(cores.len() == 2, "two cores are compared with one\nhint: the benchmark needs a machine with two");
    let mut some = CpuSet::new();
    cores.iter().take(way.cores).for_each(|core| some.set(*core));
    // The host inherits it.
    sched_setaffinity(None, &some)?;
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
    let shares = busy.shares_until(&Busy::now()?);
    let busy = cores.iter().map(|core| shares.get(*core).copied().unwrap_or_default()).collect();
    let cpu_seconds = host.cpu()?.saturating_sub(cpu).as_secs_f64();
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
