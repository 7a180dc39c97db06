//! A partition that is closed: it is read to its end, and finished together with the opening of its children.

use std::collections::BTreeSet;

use anyhow::Result;
use e2e::{
    feedapi::{FeedApi, Partition},
    guest_host::example,
    project::Project,
};

use super::World;
use crate::{database::Database, fold, journal, trial::holds};

/// Two children are opened.
pub(super) const POINTS: &[(&str, u64)] = &[("before-finish", 1), ("opened", 2), ("after-finish", 1)];

/// The world.
pub(super) struct Finish {
    project: Project,
    feed: FeedApi,
    /// The partition that is closed next.
    leaf: u16,
    partitions: BTreeSet<u16>,
    closed: BTreeSet<u16>,
    events: usize,
}

impl Finish {
    fn database(&self) -> Result<Database> {
        Database::open(&self.project.path().join("data"))
    }

    fn append(&mut self, partition: u16, count: usize) {
        for _ in 0..count {
            self.events += 1;
            self.feed.append(partition, format!("{{\"number\":{}}}", self.events));
        }
    }
}

impl World for Finish {
    fn begin(_seed: u64, broken: Option<&str>) -> Result<Self> {
        let feed = FeedApi::start(&[1]);
        let mut project = Project::new(&format!(
            "[feeds.witness]\nurl = \"{}\"\nprotocol = \"feedapi\"\npoll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 10\n",
            feed.url()
        ));
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.run_until_idle();
        project.set_environment("TIDEMILL_BREAK", broken);
        let (partitions, closed) = (BTreeSet::from([1]), BTreeSet::new());
        let world = Self { project, feed, leaf: 1, partitions, closed, events: 0 };
        journal::begin(&world.database()?)?;
        Ok(world)
    }

    fn project(&mut self) -> &mut Project {
        &mut self.project
    }

    /// The leaf gets some events and is split.
    fn prepare(&mut self) -> Result<()> {
        let (parent, children) = (self.leaf, [2 * self.closed.len() + 2, 2 * self.closed.len() + 3]);
        self.append(parent, 15);
        let mut new = Vec::new();
        for child in children {
            new.push(u16::try_from(child)?);
        }
        self.feed.change(|partitions| {
            if let Some(parent) = partitions.get_mut(&parent) {
                parent.closed = true;
            }
            partitions.extend(new.iter().map(|child| (*child, Partition::after(parent))));
        });
        for child in &new {
            self.append(*child, 15);
        }
        self.closed.insert(parent);
        self.leaf = new[self.events % new.len()];
        self.partitions.extend(new);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.project.run_until_idle();
        let database = self.database()?;
        for partition in &self.partitions {
            let events: Vec<String> = self.feed.events_after(*partition, 0);
            fold::check_events(&database, "ledger", "witness", &partition.to_string(), &events)?;
            let status = database.partition("ledger", &partition.to_string())?.map(|stands| stands.status);
            let wanted = if self.closed.contains(partition) { "finished" } else { "running" };
            holds!(status.as_deref() == Some(wanted), "partition {partition} is {status:?}, not {wanted}");
        }
        journal::check(&database, "ledger")?;
        let beside = journal::beside_steps(&database, "ledger")?;
        holds!(beside == 0, "the shared state has changed {beside} times more often than a checkpoint moved");
        Ok(())
    }
}
