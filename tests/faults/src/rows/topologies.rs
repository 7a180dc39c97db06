//! The partitions of many FeedAPI feeds change while one host follows them all: splits and merges, by closed parents and by
//! history that moves, new tokens, and tokens that are refused for a while.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use e2e::{
    guest_host::example,
    project::{Host, Project},
};

use crate::{
    database::Database,
    row::Row,
    topology::{PROCESSORS, Stands, Topology},
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "topologies",
    fault: "FeedAPI: storms of 409, new tokens, splits and merges by closed parents and by moved history, a partition 0 that is \
            a parent, identifiers as numbers and as strings",
    unit: "topologies",
    invariant: "the order of every key is kept; each event is there once; a cursor of an ancestor is taken up where it stood",
    full: 2_000,
    quick: 10,
    finds: &["parents-first"],
    run,
};

/// The feeds of a host, and how often each changes.
const FEEDS_A_HOST: u64 = 50;
const CHANGES: usize = 4;
/// How long all feeds of a host may take to come to rest after a change.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a publisher refuses its own tokens.
const STORM: Duration = Duration::from_millis(400);

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut tally = Tally::default();
    while tally.tried < trial.count {
        let feeds = FEEDS_A_HOST.min(trial.count - tally.tried);
        let feeds = (0..feeds).map(|number| Topology::begin(number, dice.fork(), &mut tally)).collect();
        World::begin(trial, feeds)?.live(&mut tally)?;
    }
    Ok(tally)
}

/// A host and its feeds.
struct World {
    project: Project,
    host: Host,
    database: Database,
    feeds: Vec<Topology>,
}

impl World {
    fn begin(trial: &Trial, feeds: Vec<Topology>) -> Result<Self> {
        let mut configuration = String::new();
        for feed in &feeds {
            let Topology { name, feed, .. } = feed;
            write!(
                configuration,
                "[feeds.{name}]\nurl = \"{}\"\nprotocol = \"feedapi\"\npoll-interval = \"100ms\"\ndiscovery-interval = \"500ms\"\n",
                feed.url()
            )?;
        }
        let names = feeds.iter().map(|feed| format!("\"{}\"", feed.name)).collect::<Vec<_>>().join(", ");
        // One that traps if the order of a key was not kept, and one that keeps a chain over the events of each partition.
        for (name, component) in PROCESSORS.iter().zip(["ledger", "fickle"]) {
            write!(configuration, "[processors.{name}]\ncomponent = \"{component}.wasm\"\nfeeds = [{names}]\n")?;
        }
        let mut project = Project::new(&configuration);
        project.set_environment("TIDEMILL_BREAK", trial.broken);
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.put("fickle.wasm", &example("rust", "fickle"));
        let host = project.start();
        let database = Database::open(&project.path().join("data"))?;
        Ok(Self { project, host, database, feeds })
    }

    fn live(mut self, tally: &mut Tally) -> Result<()> {
        self.rest()?;
        for _ in 0..CHANGES {
            for feed in &mut self.feeds {
                let known: Vec<u16> = feed.live();
                let change = feed.change();
                tally.count(change);
                if known.contains(&0) && !feed.live().contains(&0) {
                    tally.count("changes of partition 0");
                }
            }
            if self.feeds.iter().any(|feed| feed.storms) {
                thread::sleep(STORM);
                self.feeds.iter_mut().for_each(Topology::end_storm);
            }
            self.rest()?;
        }
        self.host.terminate();
        let ended = self.host.wait();
        holds!(ended.success(), "the host ended with {ended}: {}", self.host.complaints());
        let ledger = self.database.state("ledger")?;
        let order = self.database.state("order")?;
        let stands = [self.stands("ledger")?, self.stands("order")?];
        for feed in &self.feeds {
            feed.check(&ledger, &order, &stands)?;
            tally.tried += 1;
            tally.add("events", feed.last);
            tally.add("answers of 409", feed.feed.asked().iter().filter(|asked| asked.events.is_none()).count() as u64);
            tally.add("discoveries", feed.feed.discoveries() as u64);
        }
        drop(self.project);
        Ok(())
    }

    /// Waits until everything is read.
    fn rest(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut missing = None;
            for processor in PROCESSORS {
                let stands = self.stands(processor)?;
                let stopped = stands
                    .iter()
                    .find(|(_, (_, _, status))| !["starting", "running", "finished"].contains(&status.as_str()));
                holds!(stopped.is_none(), "{processor}: {stopped:?}: {}", self.host.complaints());
                missing = missing.or(self.feeds.iter().find_map(|feed| feed.missing(&stands)));
            }
            let Some(missing) = missing else { return Ok(()) };
            holds!(began.elapsed() < PATIENCE, "{missing} is not read: {}", self.host.complaints());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn stands(&self, processor: &str) -> Result<Stands> {
        let question = "SELECT feed, partition, cursor, position, status FROM checkpoint WHERE processor = ?1";
        let mut statement = self.database.0.prepare_cached(question)?;
        let mut rows = statement.query([processor])?;
        let mut stands = Stands::new();
        while let Some(row) = rows.next()? {
            let (feed, partition): (String, String) = (row.get(0)?, row.get(1)?);
            let (cursor, position, status): (Option<String>, i64, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let place = cursor.map_or(Ok(0), |cursor| cursor.trim_start_matches('e').parse())?;
            stands.insert((feed, partition.parse()?), (place, position.cast_unsigned(), status));
        }
        Ok(stands)
    }
}
