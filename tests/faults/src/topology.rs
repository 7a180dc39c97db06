//! A topology: a FeedAPI feed whose partitions change, and all that its publisher knows of it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use e2e::{
    feedapi::{FeedApi, Partition},
    witness::chain,
};

use crate::trial::{Tally, holds};

/// The processors that follow it: one keeps a chain over the events of each partition, and one traps if the order of a key was
/// not kept.
pub(crate) const PROCESSORS: [&str; 2] = ["ledger", "order"];
const KEYS: usize = 6;

/// Where the partitions of a processor stand: place, position and status.
pub(crate) type Stands = BTreeMap<(String, u16), (u64, u64, String)>;

/// A feed whose partitions change, and what its publisher knows of it.
pub(crate) struct Topology {
    pub(crate) name: String,
    pub(crate) feed: FeedApi,
    dice: fastrand::Rng,
    /// The partition of each key, and how many steps the key has taken.
    of_key: [u16; KEYS],
    steps: [usize; KEYS],
    /// Events in all partitions together: the place of the last one.
    pub(crate) last: u64,
    next: u16,
    /// Partitions that were ever there, with the ancestors whose cursor they take up.
    ancestors: BTreeMap<u16, Vec<u16>>,
    closed: Vec<u16>,
    /// What partitions held that are no longer listed.
    gone: BTreeMap<u16, Vec<(u64, String)>>,
    pub(crate) storms: bool,
}

impl Topology {
    /// A feed with some partitions and events.
    pub(crate) fn begin(number: u64, mut dice: fastrand::Rng, tally: &mut Tally) -> Self {
        let first: Vec<u16> = (0..dice.u16(1..=3)).collect();
        let feed = FeedApi::start(&first);
        if dice.bool() {
            feed.list_numbers();
            tally.count("identifiers as numbers");
        } else {
            tally.count("identifiers as strings");
        }
        let of_key = std::array::from_fn(|key| first[key % first.len()]);
        let next = dice.u16(3..300);
        let ancestors = first.iter().map(|id| (*id, Vec::new())).collect();
        let mut topology = Self {
            name: format!("f{number}"),
            feed,
            dice,
            of_key,
            steps: [0; KEYS],
            last: 0,
            next,
            ancestors,
            closed: Vec::new(),
            gone: BTreeMap::new(),
            storms: false,
        };
        topology.take_steps(4);
        topology
    }

    /// Every key takes so many steps. A step is two events: one that traps if the step after it was seen, and one that makes
    /// this step seen.
    fn take_steps(&mut self, steps: usize) {
        for _ in 0..steps {
            for key in 0..KEYS {
                let (partition, step, name) = (self.of_key[key], self.steps[key], &self.name);
                let seen = |step: usize| format!("{name}/{key}/{step}");
                self.feed
                    .append(partition, format!("{{\"do\":\"trap-if\",\"key\":\"{}\",\"of\":{key}}}", seen(step + 1)));
                self.feed.append(
                    partition,
                    format!("{{\"do\":\"put\",\"key\":\"{}\",\"value\":\"1\",\"of\":{key}}}", seen(step)),
                );
                self.steps[key] += 1;
                self.last += 2;
            }
        }
    }

    /// The partitions that keys are in.
    pub(crate) fn live(&self) -> Vec<u16> {
        let mut live = self.of_key.to_vec();
        live.sort_unstable();
        live.dedup();
        live
    }

    /// A partition that is not there yet: the smallest numbers are parents, too.
    fn new_partition(&mut self, ancestors: &[u16]) -> u16 {
        self.next += self.dice.u16(1..5);
        self.ancestors.insert(self.next, ancestors.to_vec());
        self.next
    }

    /// Gives every second key of some partitions to one of two others.
    fn move_keys(&mut self, from: &[u16], to: &[u16]) {
        let mut turn = 0;
        for of in &mut self.of_key {
            if from.contains(of) {
                *of = to[turn % to.len()];
                turn += 1;
            }
        }
    }

    /// Something changes. Gives what it was.
    pub(crate) fn change(&mut self) -> &'static str {
        let live = self.live();
        let parent = live[self.dice.usize(..live.len())];
        // Those that were read to their end are taken off the list after a while.
        let finished: Vec<u16> = self.closed.clone();
        if self.dice.bool() {
            for id in finished {
                self.take_off(id);
            }
        }
        let what = match self.dice.u8(..8) {
            0 | 1 => {
                self.backlog();
                let children = [self.new_partition(&[]), self.new_partition(&[])];
                self.close(&[parent], parent, &children);
                "splits by closed parents"
            }
            2 | 3 => {
                self.backlog();
                let stranger = self.next + 1_000;
                let ancestors = if self.dice.bool() { vec![parent] } else { vec![stranger, parent] };
                let children = [self.new_partition(&ancestors), self.new_partition(&ancestors)];
                self.move_history(&[parent], &children, &ancestors);
                "splits by moved history"
            }
            4 if live.len() > 1 => {
                let other = *live.iter().find(|id| **id != parent).unwrap_or(&parent);
                let child = self.new_partition(&[]);
                self.close(&[parent, other], parent, &[child]);
                "merges by closed parents"
            }
            5 if live.len() > 1 => {
                let other = *live.iter().find(|id| **id != parent).unwrap_or(&parent);
                let ancestors = [other, parent];
                let child = self.new_partition(&ancestors);
                self.move_history(&ancestors, &[child], &ancestors);
                "merges by moved history"
            }
            6 => {
                self.feed.change(|_| ());
                self.feed.set_storm(true);
                self.storms = true;
                "storms of 409"
            }
            _ => {
                self.backlog();
                self.feed.change(|_| ());
                "new tokens"
            }
        };
        let steps = self.dice.usize(1..6);
        self.take_steps(steps);
        what
    }

    /// What is there and not yet read when something changes.
    fn backlog(&mut self) {
        let steps = self.dice.usize(..12);
        self.take_steps(steps);
    }

    fn close(&mut self, parents: &[u16], parent: u16, children: &[u16]) {
        self.feed.change(|partitions| {
            for parent in parents {
                partitions.get_mut(parent).expect("it is listed").closed = true;
            }
            partitions.extend(children.iter().map(|child| (*child, Partition::after(parent))));
        });
        self.closed.extend(parents);
        self.move_keys(parents, children);
    }

    fn move_history(&mut self, parents: &[u16], children: &[u16], ancestors: &[u16]) {
        self.move_keys(parents, children);
        let of = |event: &str| {
            let event: serde_json::Value = serde_json::from_str(event).expect("it was made here");
            usize::try_from(event["of"].as_u64().expect("it was made here")).expect("a small number")
        };
        let mut history: Vec<(u64, String)> = Vec::new();
        for parent in parents {
            let events = self.feed.history(*parent);
            history.extend(events.iter().cloned());
            self.gone.insert(*parent, events);
        }
        history.sort();
        let of_key = self.of_key;
        self.feed.change(|partitions| {
            for parent in parents {
                drop(partitions.remove(parent));
            }
            for child in children {
                let share = history.iter().filter(|(_, event)| of_key[of(event)] == *child).cloned().collect();
                partitions.insert(*child, Partition::of_history(ancestors, share));
            }
        });
    }

    fn take_off(&mut self, id: u16) {
        self.closed.retain(|closed| *closed != id);
        self.gone.insert(id, self.feed.history(id));
        self.feed.change(|partitions| drop(partitions.remove(&id)));
    }

    /// Its tokens are good again.
    pub(crate) fn end_storm(&mut self) {
        self.feed.set_storm(false);
        self.storms = false;
    }

    /// What is not read to its end yet, if something is not.
    pub(crate) fn missing(&self, stands: &Stands) -> Option<String> {
        let stands = |id: u16| stands.get(&(self.name.clone(), id));
        let behind = |id: &u16| stands(*id).is_none_or(|(place, ..)| *place < self.last);
        let unfinished = |id: &u16| stands(*id).is_none_or(|(.., status)| status != "finished");
        let open = self.live().into_iter().find(|id| behind(id));
        let missing = open.or_else(|| self.closed.iter().copied().find(unfinished))?;
        Some(format!("{}, partition {missing} ({:?}, {} events)", self.name, stands(missing), self.last))
    }

    /// Each event was applied once, and each key's steps in their order.
    pub(crate) fn check(
        &self,
        ledger: &BTreeMap<String, String>,
        order: &BTreeMap<String, String>,
        all: &[Stands; 2],
    ) -> Result<()> {
        let name = &self.name;
        for (processor, stands) in PROCESSORS.iter().zip(all) {
            let mut places: Vec<u64> = Vec::new();
            for (id, ancestors) in &self.ancestors {
                let at = |id: u16| stands.get(&(name.clone(), id));
                let (end, position, _) =
                    at(*id).with_context(|| format!("{processor}: {name}, partition {id} was never opened"))?;
                // Where its nearest ancestor stood that was read.
                let begin = ancestors.iter().find_map(|ancestor| at(*ancestor)).map_or(0, |(place, ..)| *place);
                let events = self.gone.get(id).cloned().unwrap_or_else(|| self.feed.history(*id));
                let due: Vec<(u64, String)> =
                    events.into_iter().filter(|(place, _)| *place > begin && place <= end).collect();
                holds!(
                    *position == due.len() as u64,
                    "{processor}: {name}, partition {id}: {position} events, not {}",
                    due.len()
                );
                places.extend(due.iter().map(|(place, _)| *place));
                if *processor == "ledger" && !due.is_empty() {
                    let events: Vec<String> = due.into_iter().map(|(_, event)| event).collect();
                    let kept = ledger.get(&format!("ledger/{name}/{id}/chain"));
                    holds!(kept == Some(&chain(&events)), "{name}, partition {id}: not these events in their order");
                }
            }
            places.sort_unstable();
            let wanted: Vec<u64> = (1..=self.last).collect();
            holds!(places == wanted, "{processor}: {name}: of {} events {} were applied", self.last, places.len());
        }
        for (key, steps) in self.steps.iter().enumerate() {
            let lost = (0..*steps).find(|step| !order.contains_key(&format!("{name}/{key}/{step}")));
            holds!(lost.is_none(), "{name}: step {lost:?} of key {key} is lost");
        }
        Ok(())
    }
}
