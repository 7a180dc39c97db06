//! The witness: what the example `ledger` must have written if each event came once, in its order.

use sha2::{Digest as _, Sha256};

use crate::{project::Project, publisher::Publisher};

/// The hash chain over some events.
#[must_use]
pub fn chain<'a>(events: impl IntoIterator<Item = &'a String>) -> String {
    events.into_iter().fold(String::new(), |chain, event| format!("{:x}", Sha256::digest(chain + event)))
}

/// The hash chains over the first so many events: over none, one, two, and so on to all.
#[must_use]
pub fn chains(events: &[String]) -> Vec<String> {
    let mut chains = vec![String::new()];
    for event in events {
        let before = chains.last().map_or("", String::as_str);
        chains.push(format!("{:x}", Sha256::digest(before.to_owned() + event)));
    }
    chains
}

/// Checks that a ledger has the events of one partition, each once and in order.
#[track_caller]
pub fn assert_ledger(project: &Project, processor: &str, feed: &str, partition: &str, events: &[String]) {
    let state = project.state(processor);
    let read = |name: &str| state.get(&format!("ledger/{feed}/{partition}/{name}")).map_or("", String::as_str);
    assert_eq!(read("count"), events.len().to_string(), "{processor}, {feed}/{partition}");
    assert_eq!(read("chain"), chain(events), "{processor}, {feed}/{partition}");
}

/// Checks that a ledger has all events of a publisher's feed.
#[track_caller]
pub fn assert_whole_ledger(project: &Project, processor: &str, feed: &str, publisher: &Publisher) {
    for partition in 0..publisher.partitions() {
        assert_ledger(project, processor, feed, &partition.to_string(), &publisher.events(partition));
    }
}
