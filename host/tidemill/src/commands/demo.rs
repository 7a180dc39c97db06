//! `demo`: the main job with nothing but this binary. A generated feed on loopback, an embedded component, a
//! reload while events flow, and the proof that the result is the fold of the events.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tidemill_pipeline::{Digest, ProcessorId, ProcessorName, StateSpace, Value};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::sleep};

use super::run::{Signals, snapshots};
use crate::{
    cli::DemoArgs,
    config::Config,
    exit::Exit,
    host::{Host, HostOptions, Reader, STATE_VERSION},
    output::{Progress, Table, print},
    serve::{Generated, Options, serve},
};

/// `guest-examples/rust/totals`, as built from its source.
const TOTALS: &[u8] = include_bytes!("../demo/totals.wasm");
const SEED: u64 = 2026;
const USERS: u64 = 1_000;
const PARTITIONS: u32 = 3;
/// No step of the demo takes longer on a machine that works.
const STEP_TIME: Duration = Duration::from_mins(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Shows it all.
pub(super) async fn execute(args: DemoArgs, progress: &Progress) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        () = signals.next() => Ok(Exit::Failed),
        exit = show(args, progress) => exit,
    }
}

async fn show(args: DemoArgs, progress: &Progress) -> anyhow::Result<Exit> {
    let directory =
        tempfile::Builder::new().prefix("tidemill-demo-").tempdir().context("there is no room for the demo's files")?;
    let file = directory.path().join("totals.wasm");
    std::fs::write(&file, TOTALS)?;

    let feed = Publisher::start().await?;
    let config = Config::parse(&directory.path().join("tidemill.toml"), &configuration(&feed.url))?;
    say(&format!(
        "A feed of {} events in {PARTITIONS} partitions is published at {}\nThe component `totals` keeps a sum for each of {USERS} users.\n",
        args.events, feed.url
    ))?;

    // Half of the events, a reload while they flow, the other half.
    let began = Instant::now();
    feed.log.publish(args.events / 2);
    let host = Host::start(&config, HostOptions::default()).await?;
    reach(&host, progress, "the first events", |host| events(host) > 0).await?;
    let first = Digest::of(TOTALS);
    let other = with_a_note(TOTALS, "the same logic, built again");
    let second = Digest::of(&other);
    replace(&file, &other)?;
    reach(&host, progress, "the reload", |host| host.component(&processor()) == Some(second)).await?;
    feed.log.publish(args.events);
    reach(&host, progress, "the last event", |host| events(host) >= args.events && host.at_rest().is_some()).await?;
    let elapsed = began.elapsed();
    progress.clear();
    host.stop(Duration::from_secs(10)).await?;
    let expected = feed.fold(args.events);
    feed.stop().await;

    let reader = Reader::open(&config.data)?;
    let totals = totals(&reader)?;
    ensure!(totals == expected, "the state is not the fold of the events: this is a bug of Tidemill, please report it");
    report(&reader, &totals, args.events, elapsed, (first, second))?;
    Ok(Exit::Done)
}

/// The feed on loopback.
struct Publisher {
    log: Arc<Generated>,
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Publisher {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port of this machine can be listened on")?;
        let url = format!("http://{}/feed", listener.local_addr()?);
        let log = Arc::new(Generated::new(SEED, USERS));
        let (stop, stopped) = oneshot::channel();
        let options = Options { partitions: PARTITIONS, ..Options::default() };
        let server = tokio::spawn(serve(listener, Arc::clone(&log) as _, options, async {
            // Whoever drops the sender wants the end too.
            drop(stopped.await);
        }));
        Ok(Self { log, url, stop, server })
    }

    /// What the state must be: computed from the generator, not from the feed.
    fn fold(&self, events: u64) -> BTreeMap<String, i64> {
        let mut totals = BTreeMap::new();
        for (user, amount) in (0..events).map(|number| self.log.event(number)) {
            *totals.entry(user).or_default() += amount;
        }
        totals
    }

    async fn stop(self) {
        drop(self.stop);
        // It served to the end; how it closes its sockets does not matter any more.
        drop(self.server.await);
    }
}

fn configuration(url: &str) -> String {
    format!(
        "[feeds.payments]\nurl = \"{url}\"\npoll-interval = \"50ms\"\n\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"payments\"]\n"
    )
}

fn processor() -> ProcessorName {
    ProcessorName::new("totals")
}

fn events(host: &Host) -> u64 {
    host.seen().iter().map(|(_, _, seen)| seen.events).sum()
}

/// Waits, drawing progress, until the host is where it should be.
async fn reach(host: &Host, progress: &Progress, what: &str, there: impl Fn(&Host) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + STEP_TIME;
    while !there(host) {
        ensure!(Instant::now() < deadline, "{what} did not come within {STEP_TIME:?}; the log above says why");
        progress.show(&snapshots(host));
        sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// The same module with a custom section more: another digest, the same behaviour.
fn with_a_note(module: &[u8], note: &str) -> Vec<u8> {
    let section = [&[4][..], b"note", note.as_bytes()].concat();
    let length = u8::try_from(section.len()).expect("the note is short");
    assert!(length < 128, "a length below 128 is one byte of LEB128");
    [module, &[0, length], &section].concat()
}

/// As a compiler's output should be replaced: whole, by rename.
fn replace(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, bytes)?;
    Ok(std::fs::rename(new, file)?)
}

/// The state, as the processor left it.
fn totals(reader: &Reader) -> anyhow::Result<BTreeMap<String, i64>> {
    let id = ProcessorId { name: processor(), version: STATE_VERSION };
    let entries = reader.scan(&id, &StateSpace::Shared, "total/", None, usize::MAX)?;
    let total = |(key, value): (String, Value)| {
        let Value::Text(value) = value else { anyhow::bail!("`{key}` is not text") };
        Ok((key.trim_start_matches("total/").to_owned(), value.parse()?))
    };
    entries.into_iter().map(total).collect()
}

fn report(
    reader: &Reader,
    totals: &BTreeMap<String, i64>,
    events: u64,
    elapsed: Duration,
    components: (Digest, Digest),
) -> anyhow::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / elapsed.as_secs_f64();
    let mut largest: Vec<_> = totals.iter().collect();
    largest.sort_by_key(|(_, total)| std::cmp::Reverse(**total));
    let mut table = Table::new(["key", "value"]);
    for (user, total) in largest.into_iter().take(5) {
        table.row([format!("total/{user}"), total.to_string()]);
    }
    say(&format!(
        "{table}\n… and {} more keys, all equal to the fold of the events: none lost, none applied twice.\n",
        totals.len().saturating_sub(5)
    ))?;
    let mut lineage = Table::new(["partition", "events", "by component"]);
    for partition in reader.status()?.into_iter().flat_map(|processor| processor.partitions) {
        let mut ends: Vec<u64> = partition.lineage.iter().skip(1).map(|stretch| stretch.from_position).collect();
        ends.push(partition.checkpoint.position);
        for (stretch, end) in partition.lineage.iter().zip(ends) {
            lineage.row([
                partition.key.partition.to_string(),
                format!("{} to {end}", stretch.from_position + 1),
                stretch.code.component.short(),
            ]);
        }
    }
    say(&format!(
        "{lineage}\nThe component was replaced while events flowed ({} → {}).\n\
         {events} events in {:.2} s, compiling included: {rate:.0} events/s.\n\n\
         What to try next:\n  \
         tidemill feed serve events.ndjson      publish a file of your own as a feed\n  \
         tidemill inspect FILE.wasm             see what a component can and cannot do\n  \
         tidemill run                           run the processors of tidemill.toml; the README has a tour",
        components.0.short(),
        components.1.short(),
        elapsed.as_secs_f64(),
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(print(&format!("{text}\n"))?)
}
