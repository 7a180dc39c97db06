//! `run`: runs the processors of the configuration.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tidemill_pipeline::Failure;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use super::tail::configured;
use crate::{
    cli::RunArgs,
    config::Config,
    exit::Exit,
    host::{AcceptFeedChange, Host, HostOptions, Rest},
    output::{Progress, Snapshot},
};

/// How long the batches that run may take to end after a first signal.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How often progress is drawn, and looked whether everything has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How often it is looked whether everything is at rest, where somebody waits for that.
const REST_INTERVAL: Duration = Duration::from_millis(2);
/// Looks at many partitions take long: between two of them there is so many times as much time as one takes.
const REST_LOOK_SHARE: u32 = 20;
/// Signals within this time of the first are the same one: `timeout` and terminals signal a process and its group.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// Why a host is stopped.
enum End {
    /// Everything is at rest, or every processor has ended by itself.
    Rest(Rest),
    Signal,
    /// The store has stopped for good: nothing can be written any more.
    StoreStopped(Failure),
}

/// Runs until a signal, or until everything is at rest.
pub(super) async fn execute(args: RunArgs, config: &Path, progress: &Progress) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let mut signals = Signals::listen()?;
    let accept_feed_change = match args.accept_feed_change {
        None => AcceptFeedChange::None,
        Some(feeds) if feeds.is_empty() => AcceptFeedChange::All,
        Some(feeds) => {
            feeds.iter().try_for_each(|feed| configured(&config, feed).map(drop))?;
            AcceptFeedChange::Feeds(feeds)
        }
    };
    let began = Instant::now();
    let host = Host::start(&config, HostOptions { accept_feed_change, ..HostOptions::default() }).await?;
    let end = watch(&host, &mut signals, args.until_idle, progress).await;
    progress.clear();
    let events: u64 = host.seen().iter().map(|(_, _, seen)| seen.events).sum();
    let elapsed = began.elapsed();
    tokio::select! {
        biased;
        stopped = host.stop(STOP_TIME) => {
            if let End::StoreStopped(failure) = &end {
                return Err(failure.clone().into());
            }
            stopped?;
        }
        () = signals.next() => {
            tracing::warn!("stopped at once by a second signal; what was not committed will be done again");
            return Ok(Exit::Failed);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / elapsed.as_secs_f64();
    let seconds = (elapsed.as_secs_f64() * 100.0).round() / 100.0;
    tracing::info!(events, seconds, events_per_second = rate.round(), "the host ended");
    Ok(match end {
        End::Rest(rest) if !rest.is_clean() => {
            rest.complain();
            Exit::Failed
        }
        End::Rest(_) | End::Signal => Exit::Done,
        End::StoreStopped(_) => Exit::Failed,
    })
}

async fn watch(host: &Host, signals: &mut Signals, until_idle: bool, progress: &Progress) -> End {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One for all turns of the loop: a new one would look at once, at every turn.
    let rest = rest(host);
    tokio::pin!(rest);
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                tracing::info!("stopping after the batches that run; a second signal stops at once");
                return End::Signal;
            }
            rest = &mut rest, if until_idle => return End::Rest(rest),
            _ = looks.tick() => {}
        }
        if progress.is_drawn() {
            progress.show(&snapshots(host));
        }
        if let Some(failure) = host.store_failure() {
            return End::StoreStopped(failure);
        }
        if host.has_ended()
            && let Some(rest) = host.at_rest()
        {
            return End::Rest(rest);
        }
    }
}

/// Waits until everything is at rest, and gives what did not go well. A store that stopped is no rest.
async fn rest(host: &Host) -> Rest {
    loop {
        let began = Instant::now();
        if host.store_failure().is_none()
            && let Some(rest) = host.at_rest()
        {
            return rest;
        }
        sleep((began.elapsed() * REST_LOOK_SHARE).max(REST_INTERVAL)).await;
    }
}

/// Where everything stands, for a terminal.
pub(super) fn snapshots(host: &Host) -> Vec<Snapshot> {
    let seen = host.seen().into_iter().filter_map(|(processor, key, seen)| {
        let status = seen.checkpoint.as_ref()?.status;
        // A feed offers no count of what is ahead; all that can be known is that nothing is.
        let lag = seen.idle.then(|| "0".to_owned());
        Some(Snapshot { processor, key, events: seen.events, lag, status })
    });
    seen.collect()
}

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// When the last one came that counted.
    last: Option<Instant>,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, last: None })
    }

    /// Waits for the next of them that is not a repetition of the last.
    pub(super) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            if self.last.is_none_or(|last| last.elapsed() >= SAME_SIGNAL) {
                self.last = Some(Instant::now());
                return;
            }
        }
    }
}
