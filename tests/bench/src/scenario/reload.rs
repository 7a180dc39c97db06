//! Reload: how long a partition's next batch waits because the component is replaced while everything is busy.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Row, Section, quantile,
    setting::{Differences, Setting},
};
use crate::{feed::Feed, places::Places, publisher::Publisher};

const FEED: Feed = Feed { payload_bytes: 100, partitions: 8, page: 100, ..Feed::CENTRE };
/// Turns of the example `burner` that take about 100 µs: batches become as long as `batch-time` lets them.
const TURNS: usize = 60_000;
/// Nothing is waited for longer.
const DEADLINE: Duration = Duration::from_mins(1);

/// Replaces components under load.
pub(super) fn measure(places: &Places, quick: bool) -> Result<Section> {
    let reloads = if quick { 1 } else { 10 };
    let mut rows = Vec::new();
    for (state, partitions) in [("shared", 1), ("shared", 8), ("partitioned", 8)] {
        let Waits { quiet, reloading, swapping } = run(places, state, partitions, reloads)?;
        let figures = [
            quantile(&quiet, 0.5),
            quantile(&quiet, 0.99),
            quantile(&reloading, 0.5),
            quantile(&reloading, 1.0),
            quantile(&swapping, 1.0),
        ];
        rows.push(Row::new(
            format!("{state}, {partitions} partition{}", if partitions == 1 { "" } else { "s" }),
            figures,
        ));
    }
    Ok(Section {
        title: "Reload under load".into(),
        about: format!(
            "`burner`, about 100 µs an event, so that batches take as long as `batch-time` lets them; its file is \
             replaced {reloads} times. A partition waits from the end of a batch's call to the begin of its next one, and \
             where the state is shared also for the batches of the other partitions, whose turn it is; the \
             longest wait of each reload counts, from the first look at the new file until two batches after it \
             runs. The last column is how long it takes until every partition has the new component, the ends of \
             their batches included."
        ),
        columns: [
            "wait without a reload, p50, ms",
            "p99, ms",
            "longest wait of a reload, p50, ms",
            "slowest, ms",
            "slowest swap of all, ms",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    })
}

/// Waits between batches, in milliseconds.
#[derive(Default)]
struct Waits {
    /// Where nothing was reloaded.
    quiet: Vec<f64>,
    /// The longest one of each reload.
    reloading: Vec<f64>,
    /// From a component's being compiled to its being everywhere.
    swapping: Vec<f64>,
}

fn run(places: &Places, state: &str, partitions: usize, reloads: usize) -> Result<Waits> {
    let feed = Feed { partitions, ..FEED };
    // More than is read meanwhile.
    let pages = (reloads + 2) * 1_000 / partitions;
    let mut publisher = Publisher::start(&feed, pages)?;
    publisher.open(pages)?;
    let url = publisher.url().to_owned();
    let component = places.component("rust", "burner")?;
    let processor = format!("state = \"{state}\"\n[processors.totals.config]\nturns = {TURNS}");
    let differences = Differences { processor: &processor, ..Differences::default() };
    let setting = Setting::new(places, (&url, &feed), &component, None, differences)?;
    let mut host = setting.run(&["--log-level", "debug", "--log-format", "json"], Stdio::piped())?;
    let log = lines(host.process().stderr.take().context("it was piped")?);
    let (mut waits, mut ends) = (Waits::default(), BTreeMap::new());
    let component = fs::read(component)?;
    for number in 0..=reloads {
        // Each is another file for the program, and the same for the machine.
        if number > 0 {
            setting.replace_component(&[&component[..], &[0, 6, 4], b"note", &[u8::try_from(number)?]].concat())?;
        }
        let (mut seen, mut swapped, mut longest, mut batches) = (false, number == 0, 0.0_f64, 0);
        while batches < 2 * partitions + 10 {
            let Line { at, message, partition, swapping } =
                log.recv_timeout(DEADLINE).context("nothing was logged any more: the feed was too short")?;
            match message.as_str() {
                // Its call has ended; the store works on its commit while the next one runs.
                "committing" => drop(ends.insert(partition, at)),
                "processing" => {
                    if let Some(end) = ends.remove(&partition) {
                        let wait = (at - end) * 1_000.0;
                        if number > 0 && seen { longest = longest.max(wait) } else { waits.quiet.push(wait) }
                    }
                    batches += usize::from(swapped);
                }
                "the component's file changed; it is loaded beside the running component" => seen = true,
                "the component was reloaded" => {
                    waits.swapping.push(swapping.context("it says how long it took")?);
                    swapped = true;
                }
                "the changed component does not load; the old one goes on" => bail!("the new file does not load"),
                _ => {}
            }
        }
        if number > 0 {
            waits.reloading.push(longest);
        }
    }
    host.end()?;
    Ok(waits)
}

/// A line of the host's log.
struct Line {
    /// Seconds of some day.
    at: f64,
    message: String,
    partition: String,
    swapping: Option<f64>,
}

/// The lines of a log as they come.
fn lines(log: impl std::io::Read + Send + 'static) -> Receiver<Line> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Nobody may listen any more.
            if line_of(&line).is_some_and(|line| sender.send(line).is_err()) {
                eprintln!("the rest of the log is not read");
            }
        }
    });
    receiver
}

fn line_of(line: &str) -> Option<Line> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let time = entry["timestamp"].as_str()?.split_once('T')?.1.trim_end_matches('Z');
    let at = time.split(':').try_fold(0.0, |at, part| Some(at * 60.0 + part.parse::<f64>().ok()?))?;
    let spans = entry["spans"].as_array().into_iter().flatten();
    let partition = spans.filter_map(|span| span["partition"].as_str()).next_back().unwrap_or_default().to_owned();
    let swapping = entry["swapping"].as_str().and_then(milliseconds);
    Some(Line { at, message: entry["message"].as_str()?.to_owned(), partition, swapping })
}

/// A duration as Rust shows it.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|sign: char| !sign.is_ascii_digit() && sign != '.')?);
    let factor = match unit {
        "s" => 1_000.0,
        "ms" => 1.0,
        "µs" => 0.001,
        "ns" => 0.000_001,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
