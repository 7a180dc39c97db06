//! The rest: nothing will happen by itself any more. What did not go well in the run until then.

use std::fmt;

use tidemill_pipeline::{FeedName, PartitionKey, ProcessorName, Status};

/// Names that a line holds. The others are counted.
const NAMED_MAX: usize = 5;

/// What a host at rest leaves for a person to look at.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Partitions that halted, stalled or stopped.
    stopped: Names,
    /// Partitions that an operator paused: what they have not read yet was not applied.
    paused: Names,
    /// Events that were put aside in this run.
    parked: u64,
    /// Processors that do not run: their component does not load, or another host has them.
    not_running: Names,
    /// Processors that run the last component that was accepted, because their file does not load.
    outdated: Names,
    /// Feeds whose partitions a processor could not start, for a reason that will not pass.
    not_started: Names,
    /// Feeds that cannot be discovered, for a reason that will not pass.
    undiscovered: Names,
}

/// Some names, and how many more there are.
#[derive(Debug, Default)]
struct Names {
    named: Vec<String>,
    more: usize,
}

impl Rest {
    /// Whether everything went well.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_calm() && self.outdated.named.is_empty()
    }

    /// Whether all events were applied, be it by a component whose successor was refused.
    pub(crate) fn is_calm(&self) -> bool {
        let Self { stopped, paused, parked, not_running, not_started, undiscovered, outdated: _ } = self;
        let names = [stopped, paused, not_running, not_started, undiscovered];
        *parked == 0 && names.iter().all(|names| names.named.is_empty())
    }

    /// Says in the log why not everything went well.
    pub(crate) fn complain(&self) {
        let Self { stopped, paused, parked, not_running, outdated, not_started, undiscovered } = self;
        let parked = (*parked > 0).then_some(*parked);
        let mut hint = "`tidemill status` shows where everything stands".to_owned();
        if parked.is_some() {
            hint += ", `tidemill parked list` what was put aside";
        }
        if !paused.named.is_empty() {
            hint += ", `tidemill resume` lets what is paused go on";
        }
        if !(not_running.named.is_empty() && outdated.named.is_empty()) {
            hint += ", and the lines above why a component does not load";
        }
        if !not_started.named.is_empty() {
            hint += ", and the lines above why partitions could not be started";
        }
        tracing::error!(
            stopped = stopped.said(),
            paused = paused.said(),
            parked,
            not_running = not_running.said(),
            outdated = outdated.said(),
            not_started = not_started.said(),
            undiscovered = undiscovered.said(),
            hint,
            "the run ends with 1: not everything went well"
        );
    }

    pub(super) fn stopped(&mut self, processor: &ProcessorName, key: &PartitionKey, status: Status) {
        let PartitionKey { feed, partition } = key;
        if status == Status::Paused {
            self.paused.add(format_args!("`{processor}` {feed}/{partition}"));
        } else {
            self.stopped.add(format_args!("`{processor}` {feed}/{partition} ({status})"));
        }
    }

    pub(super) fn parked(&mut self, events: u64) {
        self.parked += events;
    }

    pub(super) fn not_running(&mut self, processor: &ProcessorName) {
        self.not_running.add(format_args!("`{processor}`"));
    }

    pub(super) fn outdated(&mut self, processor: &ProcessorName) {
        self.outdated.add(format_args!("`{processor}`"));
    }

    pub(super) fn not_started(&mut self, processor: &ProcessorName, feed: &FeedName) {
        self.not_started.add(format_args!("`{processor}` {feed}"));
    }

    /// Several processors may wait for it.
    pub(super) fn undiscovered(&mut self, feed: &FeedName) {
        let name = format!("`{feed}`");
        if !self.undiscovered.named.contains(&name) {
            self.undiscovered.add(format_args!("{name}"));
        }
    }
}

impl Names {
    fn add(&mut self, name: fmt::Arguments<'_>) {
        if self.named.len() < NAMED_MAX {
            self.named.push(name.to_string());
        } else {
            self.more += 1;
        }
    }

    /// In words; none if there is none.
    fn said(&self) -> Option<String> {
        let named = self.named.join(", ");
        match (self.named.is_empty(), self.more) {
            (true, _) => None,
            (false, 0) => Some(named),
            (false, more) => Some(format!("{named} and {more} more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_named_and_the_others_are_counted() {
        let mut rest = Rest::default();
        assert!(rest.is_clean());
        assert_eq!(rest.not_running.said(), None);
        (1..=7).for_each(|number| rest.not_running(&ProcessorName::new(format!("p{number}"))));
        assert!(!rest.is_clean());
        assert_eq!(rest.not_running.said().unwrap(), "`p1`, `p2`, `p3`, `p4`, `p5` and 2 more");
        (0..2).for_each(|_| rest.undiscovered(&FeedName::new("orders")));
        assert_eq!(rest.undiscovered.said().unwrap(), "`orders`");
    }
}
