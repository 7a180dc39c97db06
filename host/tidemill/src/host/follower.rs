//! A follower: one processor along one feed. It starts a worker for each partition and starts over when the
//! feed's partitions change.

use std::sync::Arc;

use tidemill_pipeline::{
    Backoff, Exit, Failure, FailureKind, Fetcher, Known, Listed, NewPartition, Order, PartitionId, PartitionKey,
    ReadFrom, Worker, children, plan,
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tracing::Instrument as _;

use super::{
    listing::{FeedListing, Listing},
    running::{Planned, Running},
    wiring,
};
use crate::config::FeedConfig;

/// One processor along one feed.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) running: Arc<Running>,
    pub(crate) feed: Arc<FeedListing>,
    pub(crate) config: FeedConfig,
}

/// How the workers under one listing ended.
enum TermEnd {
    Stopped,
    Changed,
    Superseded(Failure),
}

impl Follower {
    /// Follows until told to stop. Returns the failure if another host took the processor.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> Option<Failure> {
        let mut listings = self.feed.subscribe();
        listings.mark_changed();
        let mut plans = self.running.plans();
        let mut backoff = Backoff::new(wiring::retry_policy());
        loop {
            let listing = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return None,
                listing = newer(&mut listings) => listing,
            };
            match self.term(&listing, &mut listings, &mut plans, &mut stop).await {
                Ok(TermEnd::Stopped) => return None,
                Ok(TermEnd::Superseded(failure)) => return Some(failure),
                Ok(TermEnd::Changed) => backoff.reset(),
                Err(failure) if failure.kind == FailureKind::Superseded => return Some(failure),
                Err(failure) => {
                    self.complain(&failure);
                    listings.mark_changed();
                    tokio::select! {
                        biased;
                        _ = stop.wait_for(|stop| *stop) => return None,
                        () = sleep(backoff.next(failure.retry_after)) => {}
                    }
                }
            }
            self.running.set_planned(&self.feed.name, Planned::Not);
        }
    }

    /// Says why the partitions could not be started, and whether that passes.
    fn complain(&self, failure: &Failure) {
        let (processor, feed) = (&self.running.claim.processor.name, &self.feed.name);
        let Failure { kind, cause, hint, .. } = failure;
        if matches!(kind, FailureKind::Unavailable | FailureKind::Fenced) {
            tracing::warn!(%processor, %feed, cause, hint, "the partitions could not be started");
        } else {
            tracing::error!(%processor, %feed, cause, hint, "the partitions could not be started");
            self.running.set_planned(feed, Planned::Failed);
        }
    }

    /// Runs the partitions of one listing until it changes.
    async fn term(
        &self,
        listing: &Listing,
        listings: &mut watch::Receiver<Listing>,
        plans: &mut watch::Receiver<u64>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<TermEnd, Failure> {
        let mut workers = JoinSet::new();
        let mut started = Vec::new();
        self.start(&listing.partitions, &mut workers, &mut started).await?;
        let end = loop {
            let exit = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break TermEnd::Stopped,
                () = changed(listings, listing) => break TermEnd::Changed,
                Ok(()) = plans.changed() => {
                    listings.mark_changed();
                    break TermEnd::Changed;
                }
                Some(exit) = workers.join_next() => exit,
            };
            match exit {
                Ok(Exit::Finished) => self.start(&listing.partitions, &mut workers, &mut started).await?,
                Ok(Exit::Stopped) => {}
                Ok(Exit::Moved(failure)) => {
                    tracing::info!(feed = %self.feed.name, cause = %failure.cause, "the feed's partitions changed");
                    self.running.set_planned(&self.feed.name, Planned::Not);
                    self.feed.ask_again();
                    break TermEnd::Changed;
                }
                Ok(Exit::Superseded(failure)) => break TermEnd::Superseded(failure),
                Err(error) => {
                    tracing::error!(feed = %self.feed.name, %error, "a worker ended as it never should: this is a bug of Tidemill");
                    return Err(Failure::unavailable(
                        tidemill_pipeline::Stage::Process,
                        "a worker ended as it never should",
                    ));
                }
            }
        };
        self.stop(&mut workers, &started).await;
        Ok(end)
    }

    /// Plans, opens what begins, and starts a worker for each partition that has none.
    async fn start(
        &self,
        listed: &[Listed],
        workers: &mut JoinSet<Exit>,
        started: &mut Vec<PartitionId>,
    ) -> Result<(), Failure> {
        let known = self.running.known(&self.feed.name).await?;
        let known = known.into_iter().map(|(key, checkpoint)| {
            let finished = checkpoint.status == tidemill_pipeline::Status::Finished;
            (key.partition, Known { cursor: checkpoint.read_from.cursor().cloned(), finished })
        });
        let start = self.running.start();
        let plan = plan(listed, &known.collect(), &start);
        let opened = plan.open.iter().map(|(partition, start)| self.new_partition(partition, start.clone()));
        self.running.open(opened.collect()).await?;
        for partition in plan.run {
            if !started.contains(&partition) {
                // One that is no longer listed gets no event any more either.
                let closed = listed.iter().find(|listed| listed.id == partition).is_none_or(|listed| listed.closed);
                workers.spawn(self.worker(&partition, listed, closed));
                started.push(partition);
            }
        }
        // Not earlier: between a finished partition and its children nothing is at rest.
        self.running.settle_finished(&self.feed.name);
        self.running.set_planned(&self.feed.name, Planned::All);
        Ok(())
    }

    fn key(&self, partition: &PartitionId) -> PartitionKey {
        PartitionKey { feed: self.feed.name.clone(), partition: partition.clone() }
    }

    fn new_partition(&self, partition: &PartitionId, start: ReadFrom) -> NewPartition {
        NewPartition { key: self.key(partition), start, feed_identity: self.feed.feed.identity() }
    }

    fn worker(
        &self,
        partition: &PartitionId,
        listed: &[Listed],
        closed: bool,
    ) -> impl Future<Output = Exit> + Send + 'static {
        let key = self.key(partition);
        let children = children(partition, listed).map(|child| self.new_partition(child, ReadFrom::First)).collect();
        let watched = self.running.watch(&key, Order { children, ..Order::default() });
        let settings = wiring::worker_settings(
            key.clone(),
            self.feed.feed.identity(),
            &self.config,
            &self.running.config,
            self.running.observer(),
        );
        let processor = &self.running.claim.processor.name;
        let source = self.feed.feed.source(partition.clone()).read_by(processor.clone());
        let fetch = wiring::fetch_settings(&self.config);
        let fetcher = Fetcher::new(source, fetch, watch::Sender::new(closed).subscribe(), Arc::clone(&watched.monitor));
        let orders = watched.orders.subscribe();
        let lane = self.running.lane(&key);
        let worker = Worker::new(settings, fetcher, lane, self.running.store.clone(), orders, watched.monitor);
        // Of the highest level: else a filter for warnings would take the names from them.
        let span = tracing::error_span!("worker", %processor, feed = %key.feed, partition = %key.partition);
        worker.run().instrument(span)
    }

    /// Lets every worker end after its batch.
    async fn stop(&self, workers: &mut JoinSet<Exit>, started: &[PartitionId]) {
        self.running.tell_partitions(started.iter().map(|partition| self.key(partition)), |order| order.stop = true);
        while let Some(exit) = workers.join_next().await {
            if let Err(error) = exit {
                tracing::error!(feed = %self.feed.name, %error, "a worker ended as it never should: this is a bug of Tidemill");
            }
        }
    }
}

/// The next listing that went well.
async fn newer(listings: &mut watch::Receiver<Listing>) -> Listing {
    loop {
        if listings.changed().await.is_err() {
            // The feed's task is gone: the host is about to end.
            std::future::pending::<()>().await;
        }
        let listing = listings.borrow_and_update().clone();
        if listing.version > 0 && listing.trouble.is_none() {
            return listing;
        }
    }
}

/// Waits for a listing with other partitions.
async fn changed(listings: &mut watch::Receiver<Listing>, current: &Listing) {
    let other = |listing: &Listing| listing.version > current.version && listing.partitions != current.partitions;
    if listings.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
    listings.mark_changed();
}
