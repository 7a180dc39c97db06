//! The host: runs the processors of a configuration. It owns every task and every thread.
//!
//! ```text
//!   Host ──▶ listing (one a feed): which partitions does it have?
//!     │
//!     ├────▶ runner (one a processor): claim, component, reloads, requests
//!     │         └──▶ follower (one a feed): starts over when the partitions change
//!     │                 └──▶ worker (one a partition): the straight line
//!     │
//!     └────▶ watcher (files), desk (requests in the database)
//! ```

mod alone;
mod anew;
mod backlog;
mod components;
mod desk;
mod follower;
mod layout;
mod listing;
mod reloader;
mod requests;
mod rest;
mod runner;
mod running;
mod stamp;
mod troubles;
mod vanished;
mod watcher;
mod wiring;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use tidemill_pipeline::{
    Digest, Failure, FeedName, Observer, PartitionKey, ProcessorId, ProcessorName, ReadFrom, Seen,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

pub(crate) use self::{
    alone::execute as execute_alone,
    anew::empty,
    layout::unseen,
    reloader::{Reloaded, Reloader},
    rest::Rest,
    troubles::{Trouble, read as read_troubles},
    wiring::{Feed, Reader, Wiring, compiling, engine_settings, granted, is_long_work, log_level, open_feed},
};
use self::{
    backlog::Backlog,
    components::Components,
    desk::Desk,
    listing::FeedListing,
    runner::{Runner, RunnerState},
    troubles::Watched,
    watcher::Watcher,
};
use crate::config::Config;
pub(crate) use components::{unloadable, unreadable};

/// The version of every processor's state: rebuilding beside the live one is not there yet.
pub(crate) const STATE_VERSION: u32 = 1;

/// How a host is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostOptions {
    /// Feeds whose cursors are taken over although their address changed.
    pub(crate) accept_feed_change: AcceptFeedChange,
    /// Calls of components at the same time; none takes one a core.
    pub(crate) threads: Option<usize>,
    /// Where the partitions of the first discovery begin, in place of what the configuration says.
    pub(crate) start: Option<ReadFrom>,
    /// Who looks on while batches are applied.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// When component files that changed are loaded.
    pub(crate) reload: Reload,
}

/// When component files that changed are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reload {
    /// As soon as they are left alone.
    #[default]
    Watched,
    /// When the [`Reloader`] asks for it.
    Asked,
}

/// Which feeds may have changed their address.
#[derive(Clone, Debug, Default)]
pub(crate) enum AcceptFeedChange {
    /// None.
    #[default]
    None,
    /// These.
    Feeds(Vec<FeedName>),
    /// All.
    All,
}

impl AcceptFeedChange {
    pub(crate) fn accepts(&self, feed: &FeedName) -> bool {
        match self {
            Self::None => false,
            Self::Feeds(feeds) => feeds.contains(feed),
            Self::All => true,
        }
    }
}

/// A host that runs.
pub(crate) struct Host {
    wiring: Arc<Wiring>,
    states: BTreeMap<ProcessorName, watch::Receiver<RunnerState>>,
    listings: Vec<Arc<FeedListing>>,
    reloader: Reloader,
    runners: JoinSet<()>,
    /// What runs beside the runners and is simply dropped at the end.
    others: JoinSet<()>,
    stop: watch::Sender<bool>,
    _watcher: Watcher,
}

impl Host {
    /// Takes the data directory and starts everything.
    ///
    /// # Errors
    /// When the data directory is taken or unusable, its database was emptied, a feed's settings cannot be used, or state is kept that would not be
    /// seen ([`Misuse`](crate::exit::Misuse)). A component that does
    /// not load is no error: its processor waits for another file.
    pub(crate) async fn start(config: &Config, options: HostOptions) -> anyhow::Result<Self> {
        let (data, watched) = (config.data.clone(), options.reload == Reload::Watched);
        let (layouts, reload) = (layout::layouts(config), options.reload);
        let open = move || {
            vanished::look(&data)?;
            let wiring = Wiring::open(&data, options)?;
            if let Err(error) = layout::require(&data, &layouts, reload) {
                if let Err(failure) = wiring.store.close() {
                    tracing::warn!(cause = %failure, "the database could not be closed");
                }
                return Err(error);
            }
            Ok((wiring, Backlog::read(&data)))
        };
        let (wiring, mut backlogs) = tokio::task::spawn_blocking(open).await??;
        let wiring = Arc::new(wiring);
        let components = Arc::new(
            Components::new(&config.data, Arc::clone(&wiring)).context("the components' directory cannot be made")?,
        );
        let mut listings = BTreeMap::new();
        for (name, feed) in &config.feeds {
            let readers = config.processors.values().filter(|processor| processor.feeds.contains(name)).count();
            if readers == 0 {
                continue;
            }
            let opened = open_feed(name, feed)?;
            if readers > 1 {
                opened.await_others();
            }
            let listing = FeedListing::new(name.clone(), opened, feed.discovery_interval, wiring::retry_policy());
            listings.insert(name, Arc::new(listing));
        }
        let files = config.processors.values().map(|processor| processor.component.as_path());
        let watching = Watcher::start(files.filter(|_| watched))?;
        let stop = watch::Sender::new(false);
        let (mut runners, mut others, mut states, mut desk) =
            (JoinSet::new(), JoinSet::new(), BTreeMap::new(), Desk::new(Arc::clone(&wiring)));
        let mut reloader = Reloader::default();
        for (name, processor) in &config.processors {
            let state = watch::Sender::new(RunnerState::default());
            states.insert(name.clone(), state.subscribe());
            let (requests, inbox) = mpsc::channel(1);
            desk.serve(name.clone(), requests);
            let feeds = processor
                .feeds
                .iter()
                .filter_map(|feed| Some((Arc::clone(listings.get(feed)?), config.feeds.get(feed)?.clone())));
            let runner = Runner {
                id: ProcessorId { name: name.clone(), version: STATE_VERSION },
                config: processor.clone(),
                feeds: feeds.collect(),
                backlog: backlogs.remove(name),
                wiring: Arc::clone(&wiring),
                components: Arc::clone(&components),
                files: watched.then(|| watching.changes(&processor.component)),
                asked: reloader.serve(name.clone()),
                requests: inbox,
                stop: stop.subscribe(),
                state,
            };
            runners.spawn(runner.run());
        }
        let listings: Vec<_> = listings.into_values().collect();
        for listing in &listings {
            let listing = Arc::clone(listing);
            others.spawn(async move { listing.run().await });
        }
        others.spawn(desk.run());
        let watched = Watched { states: states.clone(), listings: listings.clone() };
        others.spawn(troubles::keep(config.data.clone(), watched));
        Ok(Self { wiring, states, listings, reloader, runners, others, stop, _watcher: watching })
    }

    /// Where each partition stands, by processor.
    pub(crate) fn seen(&self) -> Vec<(ProcessorName, PartitionKey, Seen)> {
        let of = |(name, state): (&ProcessorName, &watch::Receiver<RunnerState>)| match &*state.borrow() {
            RunnerState::Running(running) => {
                running.seen().into_iter().map(|(key, seen)| (name.clone(), key, seen)).collect()
            }
            RunnerState::Loading(_) | RunnerState::Unloadable(_) | RunnerState::Ended(_) => Vec::new(),
        };
        self.states.iter().flat_map(of).collect()
    }

    /// Asks the processors to load their components again. It outlives the host, and is then told nothing.
    pub(crate) fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// The component that a processor runs now.
    pub(crate) fn component(&self, processor: &ProcessorName) -> Option<Digest> {
        match &*self.states.get(processor)?.borrow() {
            RunnerState::Running(running) => Some(running.component().digest()),
            RunnerState::Loading(_) | RunnerState::Unloadable(_) | RunnerState::Ended(_) => None,
        }
    }

    /// Whether nothing will happen by itself any more; and if so, what did not go well in this run.
    pub(crate) fn at_rest(&self) -> Option<Rest> {
        // A feed that cannot be discovered for a reason that will not pass keeps nobody waiting.
        let broken = |feed: &FeedName| self.listings.iter().any(|listing| listing.name == *feed && listing.is_broken());
        let mut rest = Rest::default();
        for (processor, state) in &self.states {
            match &*state.borrow() {
                RunnerState::Loading(_) => return None,
                RunnerState::Running(running) => {
                    if !running.at_rest(broken, &mut rest) {
                        return None;
                    }
                }
                RunnerState::Unloadable(_) | RunnerState::Ended(_) => rest.not_running(processor),
            }
        }
        Some(rest)
    }

    /// Why the store has stopped for good, if it has: nothing that runs can go on.
    pub(crate) fn store_failure(&self) -> Option<Failure> {
        self.wiring.store.has_stopped()
    }

    /// Whether every processor has ended by itself: each was taken by another host.
    pub(crate) fn has_ended(&self) -> bool {
        !self.states.is_empty() && self.states.values().all(|state| matches!(*state.borrow(), RunnerState::Ended(_)))
    }

    /// Stops: every worker ends after its batch; past the deadline they are dropped, which loses nothing that
    /// was committed.
    pub(crate) async fn stop(mut self, deadline: Duration) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        let all = async {
            while let Some(result) = self.runners.join_next().await {
                report(result);
            }
        };
        if timeout(deadline, all).await.is_err() {
            tracing::warn!(?deadline, "a batch did not end in time; it is dropped and will be done again");
        }
        self.runners.shutdown().await;
        self.others.shutdown().await;
        let wiring = Arc::clone(&self.wiring);
        let close = move || {
            wiring.forget_troubles();
            wiring.store.close()
        };
        tokio::task::spawn_blocking(close).await??;
        Ok(())
    }
}

fn report(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a runner ended as it never should: this is a bug of Tidemill");
    }
}

/// Makes the data directory, for its owner alone.
fn make_data_directory(data: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data directory {} cannot be made", data.display()))
}
