//! The listing of a feed: which partitions it has now. One task a feed asks, however many processors read it.

use std::{sync::Arc, time::Duration};

use tidemill_pipeline::{Backoff, Failure, FailureKind, FeedName, Listed, RetryPolicy};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::wiring::{FEED_API, Feed};
use crate::outage::Outage;

/// How long after a discovery that failed for good it is tried again: a person may have repaired the feed.
const BROKEN_WAIT: Duration = Duration::from_mins(1);

/// What is known of a feed's partitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// Raised by every discovery that went well; 0 before the first.
    pub(crate) version: u64,
    /// The partitions, as last listed.
    pub(crate) partitions: Arc<[Listed]>,
    /// Why the last discovery failed, if it did.
    pub(crate) trouble: Option<Failure>,
}

/// A feed and its listing.
#[derive(Debug)]
pub(crate) struct FeedListing {
    pub(crate) name: FeedName,
    pub(crate) feed: Feed,
    interval: Duration,
    retry: RetryPolicy,
    listing: watch::Sender<Listing>,
    asked: Notify,
}

impl FeedListing {
    pub(crate) fn new(name: FeedName, feed: Feed, interval: Duration, retry: RetryPolicy) -> Self {
        Self { name, feed, interval, retry, listing: watch::Sender::default(), asked: Notify::new() }
    }

    /// The listing, as it changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Listing> {
        self.listing.subscribe()
    }

    /// Asks for another discovery: a partition was answered that the feed's partitions changed.
    pub(crate) fn ask_again(&self) {
        self.asked.notify_one();
    }

    /// Why the last discovery failed, if it did.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        self.listing.borrow().trouble.clone()
    }

    /// Whether the feed cannot be discovered for a reason that will not pass by itself.
    pub(crate) fn is_broken(&self) -> bool {
        let broken = |failure: &Failure| failure.kind != FailureKind::Unavailable;
        self.listing.borrow().trouble.as_ref().is_some_and(broken)
    }

    /// Discovers, and again at intervals and when asked, for as long as it is polled.
    pub(crate) async fn run(&self) {
        let (mut backoff, mut outage) = (Backoff::new(self.retry), Outage::default());
        loop {
            let began = Instant::now();
            let wait = match self.feed.discover().await {
                Ok(discovery) => {
                    outage.end();
                    self.publish(discovery.partitions);
                    // The other protocols have no discovery: asking again would say the same.
                    if discovery.protocol == FEED_API { self.interval } else { Duration::MAX }
                }
                Err(failure) => {
                    let wait = backoff.next(failure.retry_after);
                    let broken = failure.kind != FailureKind::Unavailable;
                    self.complain(failure, &mut outage);
                    sleep(if broken { wait.max(BROKEN_WAIT) } else { wait }).await;
                    continue;
                }
            };
            let again = tokio::select! {
                () = sleep(wait.min(Duration::from_hours(24 * 365))) => false,
                () = self.asked.notified() => true,
            };
            // A publisher may list a token that it refuses at once, for ever: being asked again and again is a failure too.
            if again && began.elapsed() < self.interval {
                sleep(backoff.next(None)).await;
            } else {
                backoff.reset();
            }
        }
    }

    fn publish(&self, partitions: Vec<Listed>) {
        tracing::info!(feed = %self.name, partitions = partitions.len(), "the feed was discovered");
        self.listing.send_modify(|listing| {
            listing.version += 1;
            listing.partitions = partitions.into();
            listing.trouble = None;
        });
    }

    fn complain(&self, failure: Failure, outage: &mut Outage) {
        let (cause, hint) = (&failure.cause, failure.hint.as_deref());
        let passes = failure.kind == FailureKind::Unavailable;
        match outage.failed(&failure) {
            Some(tries) if passes => {
                tracing::warn!(feed = %self.name, %cause, hint, tries, "the feed cannot be discovered now; it is tried again");
            }
            Some(tries) => tracing::error!(feed = %self.name, %cause, hint, tries, "the feed cannot be discovered"),
            None => tracing::debug!(feed = %self.name, %cause, "the feed could not be discovered again"),
        }
        self.listing.send_modify(|listing| listing.trouble = Some(failure));
    }
}
