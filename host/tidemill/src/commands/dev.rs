//! `dev`: the development loop, until Ctrl-C.

use std::{
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::ensure;
use tidemill_pipeline::{ProcessorName, ReadFrom, quoted};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use super::run::Signals;
use crate::{
    cli::DevArgs,
    config::Config,
    dev::{
        alone::Alone,
        chronicle::Chronicle,
        edits::Edits,
        entry::Entry,
        lookout::Lookout,
        news::News,
        plan::Plan,
        sources::{Sources, absolute},
        text,
        workshop::Workshop,
    },
    exit::{Exit, Misuse},
    host::{Host, HostOptions, Reload, empty, open_feed},
    logging::{GUEST_TARGET, Said, Tap},
};

/// How long the batches that run may take to end.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How often it is looked how far the host is.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Batches, failures and log lines that wait to be shown. What finds no room is only counted.
const BATCHES_MAX: usize = 1_024;
/// Other news that waits to be shown. Whoever tells it waits.
const NEWS_MAX: usize = 64;
/// How long a feed may take to say which partitions it has, when a cursor was given.
const DISCOVERY_TIME: Duration = Duration::from_secs(10);

/// Builds, runs, watches and shows until a signal.
pub(super) async fn execute(args: DevArgs, path: &Path, tap: &Tap) -> anyhow::Result<Exit> {
    let plan = Plan::new(&args, path, Config::load(path)?)?;
    let mut signals = Signals::listen()?;
    if let Some(place @ ReadFrom::After(_)) = &plan.start {
        one_partition(&plan.config, place).await?;
    }
    if args.fresh || args.from.is_some() {
        empty(&plan.config.data).await?;
    }
    let (news, important) = mpsc::channel(NEWS_MAX);
    let (batches, usual) = mpsc::channel(BATCHES_MAX);
    tap.listen({
        let batches = batches.clone();
        move |said| {
            // What finds no room is lost in a flood anyway.
            if wanted(&said) {
                drop(batches.try_send(News::Said(said)));
            }
        }
    });
    let lookout = Arc::new(Lookout::new(batches));
    let alone = Alone::new(plan.config.data.join("failed"), config_option(path));
    let chronicle = Chronicle::new(alone, Arc::clone(&lookout), args.kind_of.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut view = tokio::spawn(show(chronicle, important, usual, args.json, stopped));

    let result = run(&plan, &mut signals, news, lookout, &mut view, path).await;
    // If it has ended by itself, nobody reads any more.
    if stop.send(()).is_ok() {
        view.await??;
    }
    result
}

/// The option that names a configuration other than the usual one.
fn config_option(path: &Path) -> String {
    if path == Path::new("tidemill.toml") {
        String::new()
    } else {
        format!(" -c {}", quoted(&path.display().to_string()))
    }
}

/// Lines that are not shown in another form already.
fn wanted(said: &Said) -> bool {
    let of_batch = said.target == "tidemill_pipeline::worker" && said.stage == "process";
    said.target == GUEST_TARGET || !of_batch
}

/// A cursor is one partition's: there may be no other.
async fn one_partition(config: &Config, place: &ReadFrom) -> anyhow::Result<()> {
    let feeds = config.processors.values().flat_map(|processor| &processor.feeds);
    let feeds: std::collections::BTreeSet<_> = feeds.collect();
    let misuse = |message: String| Misuse {
        message,
        hint: "give `first` or `last`, or name a processor that reads one feed with one partition".to_owned(),
    };
    for name in &feeds {
        let Some(feed) = config.feeds.get(*name) else { continue };
        let feed = open_feed(name, feed)?;
        let discovery = timeout(DISCOVERY_TIME, feed.discover()).await.map_err(|_| {
            anyhow::anyhow!("feed `{name}` did not say within {DISCOVERY_TIME:?} which partitions it has")
        })??;
        let partitions = discovery.partitions.len();
        ensure!(
            feeds.len() == 1 && partitions == 1,
            misuse(format!(
                "{place} belongs to one partition, and there are {} feeds, of which `{name}` has {partitions} partitions",
                feeds.len()
            ))
        );
    }
    Ok(())
}

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// Waits for a job; for ever if there is none.
async fn done(job: &mut Option<Job>) {
    match job {
        Some(work) => {
            work.await;
            *job = None;
        }
        None => std::future::pending().await,
    }
}

async fn run(
    plan: &Plan,
    signals: &mut Signals,
    news: mpsc::Sender<News>,
    lookout: Arc<Lookout>,
    view: &mut JoinHandle<io::Result<()>>,
    path: &Path,
) -> anyhow::Result<Exit> {
    let configuration = absolute(path);
    let mut watched: Vec<Sources> = plan.projects.iter().flat_map(|project| project.sources.clone()).collect();
    watched.push(Sources::new(std::slice::from_ref(&configuration), []));
    let mut edits = Edits::watch(watched)?;
    let colours = io::stdout().is_terminal();
    let mut workshop = Workshop::new(plan.projects.clone(), plan.directory.clone(), colours, news.clone());

    for work in workshop.all() {
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Exit::Done),
            () = work.run(None) => {}
        }
    }
    let options = HostOptions {
        start: plan.start.clone(),
        observer: Some(lookout),
        reload: Reload::Asked,
        ..HostOptions::default()
    };
    let host = Host::start(&plan.config, options).await?;
    let mut looker = Looker { starting: plan.config.processors.keys().cloned().collect(), busy: true };
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut job: Option<Job> = None;
    let end = loop {
        tokio::select! {
            biased;
            () = signals.next() => break Ok(Exit::Done),
            // Nobody reads any more what is shown.
            _ = &mut *view => break Ok(Exit::Done),
            () = done(&mut job) => workshop.ended(),
            edit = edits.next() => {
                if edit.files.contains(&configuration) && news.send(News::Configured(path.to_owned())).await.is_err() {
                    break Ok(Exit::Done);
                }
                workshop.note(&edit);
            }
            _ = looks.tick() => {
                if let Some(failure) = host.store_failure() {
                    break Err(failure.into());
                }
                if host.has_ended() {
                    break Ok(Exit::Failed);
                }
                for found in looker.look(&host) {
                    if news.send(found).await.is_err() {
                        break;
                    }
                }
            }
        }
        if job.is_none()
            && let Some(work) = workshop.next()
        {
            job = Some(Box::pin(work.run(Some(host.reloader()))));
        }
    };
    drop(job);
    tokio::select! {
        biased;
        stopped = host.stop(STOP_TIME) => stopped?,
        () = signals.next() => {}
    }
    end
}

/// Sees how far the host is.
struct Looker {
    /// Processors that have not begun.
    starting: Vec<ProcessorName>,
    /// Whether there is something to do, as far as was told.
    busy: bool,
}

impl Looker {
    fn look(&mut self, host: &Host) -> Vec<News> {
        let mut news = Vec::new();
        self.starting.retain(|name| match host.component(name) {
            Some(component) => {
                news.push(News::Started(name.clone(), component));
                false
            }
            None => true,
        });
        if self.busy && self.starting.is_empty() && host.at_rest().is_some_and(|rest| rest.is_calm()) {
            self.busy = false;
            news.push(News::Idle);
        }
        news
    }
}

/// Shows what happens until it is told to end, and then what it came to.
async fn show(
    mut chronicle: Chronicle,
    mut important: mpsc::Receiver<News>,
    mut usual: mpsc::Receiver<News>,
    json: bool,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        let news = tokio::select! {
            biased;
            Some(news) = important.recv() => news,
            // Before the batches: in a flood there is always another one.
            _ = seconds.tick() => News::Tick,
            Some(news) = usual.recv() => news,
            _ = &mut stopped => break,
        };
        print(&chronicle.tell(news), json)?;
    }
    while let Ok(news) = important.try_recv().or_else(|_| usual.try_recv()) {
        print(&chronicle.tell(news), json)?;
    }
    print(&chronicle.end(), json)
}

fn print(entries: &[Entry], json: bool) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    if json {
        let mut stdout = io::stdout().lock();
        for entry in entries {
            serde_json::to_writer(&mut stdout, entry)?;
            stdout.write_all(b"\n")?;
        }
        return stdout.flush();
    }
    // Without colours where nobody sees them, or somebody does not want them.
    let mut stdout = anstream::stdout().lock();
    for entry in entries {
        stdout.write_all(text::lines(entry).as_bytes())?;
    }
    stdout.flush()
}
