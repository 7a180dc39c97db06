//! Held: the keys that have parked events. Whatever comes with such a key waits behind them.

use std::collections::{HashMap, HashSet};

use crate::{EventKey, FeedName};

/// The word for the cause of an event that was put behind another one, without being tried.
pub const BEHIND: &str = "behind";

/// The keys of some state that have parked events, by feed: no order is promised between feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    keys: HashMap<FeedName, HashSet<EventKey>>,
    events: u64,
}

impl Held {
    /// One more event of a key is parked.
    pub fn add(&mut self, feed: &FeedName, key: EventKey) {
        self.keys.entry(feed.clone()).or_default().insert(key);
        self.events += 1;
    }

    /// Whether an event of the feed with this key has to wait.
    #[must_use]
    pub fn has(&self, feed: &FeedName, key: &EventKey) -> bool {
        self.keys.get(feed).is_some_and(|keys| keys.contains(key))
    }

    /// Whether any event of the feed may have to wait.
    #[must_use]
    pub fn has_any(&self, feed: &FeedName) -> bool {
        self.keys.contains_key(feed)
    }

    /// How many keys are held.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.values().map(HashSet::len).sum()
    }

    /// How many events with a key are parked.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }
}
