//! `scale`: many processors in one host. What does the publisher see of them, and what do they take while nothing happens?

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Args;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    child::Child, competitor::Project, feed::Feed, goal::Goal, places::Places, publisher::Publisher, results::Results,
};

/// Its name in the results.
pub(crate) const SECTION: &str = "scale";
/// How long a start may take before the run is given up.
const DEADLINE: Duration = Duration::from_mins(5);
/// How often it is looked whether all have begun.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// `scale`
#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// Few processors and short times: does it still run? Nothing is kept.
    #[arg(long)]
    quick: bool,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Scale {
    /// Many processors catch up with one feed.
    pub(crate) sharing: Sharing,
    /// Many processors have nothing to do.
    pub(crate) idle: Idle,
}

/// The requests of many processors against those of one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sharing {
    /// How many there are.
    pub(crate) processors: usize,
    /// The pages of the feed.
    pub(crate) pages: usize,
    /// The requests of one processor.
    pub(crate) of_one: Requests,
    /// The requests of all.
    pub(crate) of_all: Requests,
}

/// What was asked of the publisher.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Requests {
    /// Requests that were answered with a page.
    pub(crate) for_pages: u64,
    /// Requests at the end of the feed, where there is nothing: one an interval for as long as anybody reads.
    pub(crate) at_the_end: u64,
}

/// What idle processors take.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Idle {
    /// How many there are.
    pub(crate) processors: usize,
    /// From the start of the process until the last has its place in the database.
    pub(crate) start_seconds: f64,
    /// Resident memory for each, over that of a host with one.
    pub(crate) kib_each: f64,
    /// Of one core, for all.
    pub(crate) cpu_percent: f64,
    /// Threads of the host.
    pub(crate) threads: u64,
    /// Threads of a host with one processor.
    pub(crate) threads_of_one: u64,
    /// Requests to the publisher in a second.
    pub(crate) requests_per_second: f64,
}

impl Idle {
    /// Threads more than those of a host with one processor.
    fn threads_more(self) -> f64 {
        self.threads as f64 - self.threads_of_one as f64
    }
}

/// Measures, shows and keeps it.
pub(crate) fn scale(arguments: &ScaleArgs) -> Result<()> {
    let places = Places::find()?;
    let scale = if arguments.quick {
        Scale { sharing: sharing(&places, 50, 20)?, idle: idle(&places, 200, Duration::from_secs(3))? }
    } else {
        Scale { sharing: sharing(&places, 1_000, 100)?, idle: idle(&places, 10_000, Duration::from_secs(20))? }
    };
    eprintln!("{}", serde_json::to_string_pretty(&scale)?);
    if !arguments.quick {
        Results::open(&places, false)?.keep(SECTION, &scale)?;
    }
    Ok(())
}

/// The goals that this decides, whether it was measured or not.
pub(crate) fn goals(value: Option<&Value>) -> Result<Vec<Goal>> {
    let scale = value.map(read).transpose()?;
    let idle = scale.as_ref().map(|scale| scale.idle);
    let share =
        scale.as_ref().map(|Scale { sharing, .. }| sharing.of_all.for_pages as f64 / sharing.of_one.for_pages as f64);
    let goal = |what: &str, wanted, unit, got| Goal::at_most(what.to_owned(), wanted, unit, got);
    Ok(vec![
        goal("pages that 1,000 processors on one feed ask for, against those of one", 1.1, "times", share),
        goal("10,000 idle processors: resident memory of each", 64.0, "KiB", idle.map(|idle| idle.kib_each)),
        goal("10,000 idle processors: of one core, all together", 5.0, "%", idle.map(|idle| idle.cpu_percent)),
        goal("10,000 idle processors: more than a host with one", 4.0, "threads", idle.map(Idle::threads_more)),
        goal("10,000 idle processors: start of all", 30.0, "s", idle.map(|idle| idle.start_seconds)),
    ])
}

/// Markdown.
pub(crate) fn text(value: &Value) -> Result<String> {
    let Scale { sharing, idle } = read(value)?;
    Ok(format!(
        "## Many processors in one host\n\nOne run.\n\n\
         {} processors, each with a state of its own, read the same {} pages of a feed with {} requests for a page and {} at the end of the feed until the last was there; one alone needs {} and {}.\n\n\
         {} processors of one component, each configured in its own way, over a feed without news: all have begun after {:.1} s; then each takes \
         {:.0} KiB of resident memory, and all together {:.1} % of one core, {} threads (a host with one processor has {}) and {:.1} requests a second.\n",
        sharing.processors,
        sharing.pages,
        sharing.of_all.for_pages,
        sharing.of_all.at_the_end,
        sharing.of_one.for_pages,
        sharing.of_one.at_the_end,
        idle.processors,
        idle.start_seconds,
        idle.kib_each,
        idle.cpu_percent,
        idle.threads,
        idle.threads_of_one,
        idle.requests_per_second,
    ))
}

fn read(value: &Value) -> Result<Scale> {
    Ok(serde_json::from_value(value.clone())?)
}

/// Writes the configuration of so many processors, which differ in theirs.
fn configure(places: &Places, directory: &Path, url: &str, processors: usize) -> Result<()> {
    let component = places.totals("rust")?;
    let mut text =
        format!("[feeds.payments]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npage-size = 1000\n");
    for number in 0..processors {
        writeln!(
            text,
            "[processors.p{number}]\ncomponent = \"{}\"\nfeeds = [\"payments\"]\nconfig = {{ tenant = \"{number}\" }}",
            component.display()
        )?;
    }
    fs::write(directory.join("tidemill.toml"), text)?;
    Ok(())
}

fn sharing(places: &Places, processors: usize, pages: usize) -> Result<Sharing> {
    let mut publisher = Publisher::start(&Feed::CENTRE, pages)?;
    let mut requests = |processors| -> Result<Requests> {
        let directory = directory(places)?;
        configure(places, directory.path(), publisher.url(), processors)?;
        publisher.open(pages)?;
        Child::start("the program", &mut Project::at(directory.path()).until_idle(places))?.wait()?;
        let seen = publisher.seen()?;
        Ok(Requests { for_pages: seen.pages, at_the_end: seen.requests - seen.pages })
    };
    Ok(Sharing { processors, pages, of_one: requests(1)?, of_all: requests(processors)? })
}

/// A host with so many processors over an empty feed, once it is calm.
struct Calm {
    start: Duration,
    resident_kib: f64,
    threads: u64,
    cpu_percent: f64,
    requests_per_second: f64,
}

fn idle(places: &Places, processors: usize, time: Duration) -> Result<Idle> {
    let one = calm(places, 1, time / 4)?;
    let all = calm(places, processors, time)?;
    Ok(Idle {
        processors,
        start_seconds: all.start.as_secs_f64(),
        kib_each: (all.resident_kib - one.resident_kib) / (processors - 1) as f64,
        cpu_percent: all.cpu_percent,
        threads: all.threads,
        threads_of_one: one.threads,
        requests_per_second: all.requests_per_second,
    })
}

fn calm(places: &Places, processors: usize, time: Duration) -> Result<Calm> {
    let mut publisher = Publisher::start(&Feed::CENTRE, 1)?;
    let directory = directory(places)?;
    configure(places, directory.path(), publisher.url(), processors)?;
    publisher.open(0)?;
    let mut command = Project::at(directory.path()).command(places, &["run", "--log-level", "warn"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let host = Child::start("the program", &mut command)?;
    while opened(directory.path()).unwrap_or(0) < processors {
        host.still_runs()?;
        ensure!(began.elapsed() < DEADLINE, "{processors} processors have not begun within {DEADLINE:?}");
        sleep(LOOK_INTERVAL);
    }
    let start = began.elapsed();
    // What the start left behind, threads above all, is gone after a while.
    sleep(time / 2);
    let (cpu, asked, since) = (host.cpu()?, publisher.seen()?.requests, Instant::now());
    sleep(time);
    let seconds = since.elapsed().as_secs_f64();
    Ok(Calm {
        start,
        cpu_percent: host.cpu()?.saturating_sub(cpu).as_secs_f64() / seconds * 100.0,
        requests_per_second: (publisher.seen()?.requests - asked) as f64 / seconds,
        resident_kib: host.status("VmRSS")? as f64,
        threads: host.status("Threads")?,
    })
}

/// Partitions that have a place in the database.
fn opened(directory: &Path) -> Result<usize> {
    let file = directory.join("data/tidemill.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let count: i64 = database.query_row("SELECT count(*) FROM checkpoint", [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}

/// An empty directory on the disk of the checkout.
fn directory(places: &Places) -> Result<tempfile::TempDir> {
    fs::create_dir_all(places.kept())?;
    Ok(tempfile::Builder::new().prefix("scale-").tempdir_in(places.kept())?)
}
