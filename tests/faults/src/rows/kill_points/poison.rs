//! Events that are rejected and parked, and given to the component again when the world has changed.

use anyhow::{Result, ensure};
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use tidemill_store::{RequestId, RequestKind};

use super::{
    World,
    request::{ask, run_until},
    wait_for,
};
use crate::{database::Database, journal, trial::holds};

/// Each of the two partitions gets some events that are rejected.
pub(super) const POINTS: &[(&str, u64)] = &[("culprit-found", 2 * POISON), ("parked", 2 * POISON)];
/// All that is parked is retried.
pub(super) const RETRY_POINTS: &[(&str, u64)] = &[("retry-processed", 4), ("settled", 4), ("before-answer", 1)];

const POISON: u64 = 3;
const PARTITIONS: usize = 2;

/// The world in which events are parked. They are rejected as long as the state has the key `lock`.
pub(super) struct Poison {
    project: Project,
    publisher: Publisher,
    /// The payloads that must be parked.
    parked: Vec<(String, String)>,
    number: u64,
}

impl Poison {
    fn database(&self) -> Result<Database> {
        Database::open(&self.project.path().join("data"))
    }

    /// Appends events of which some are rejected, each payload another one.
    fn append(&mut self) {
        for partition in 0..PARTITIONS {
            let lock = format!("lock/{partition}");
            let mut events = vec![format!("{{\"do\":\"put\",\"key\":\"{lock}\",\"value\":\"1\"}}")];
            for _ in 0..POISON {
                self.number += 1;
                let poison = format!("{{\"do\":\"trap-if\",\"key\":\"{lock}\",\"number\":{}}}", self.number);
                self.parked.push((partition.to_string(), poison.clone()));
                events.extend([format!("{{\"number\":{}}}", self.number), poison]);
            }
            events.push(format!("{{\"do\":\"delete\",\"key\":\"{lock}\"}}"));
            self.publisher.append(partition, events);
        }
    }

    /// Runs until everything is at rest, whether or not something was parked in this run.
    fn run_until_idle(&self) -> Result<()> {
        let mut host = self.project.run(&["--until-idle"]);
        let status = host.wait();
        ensure!(matches!(status.code(), Some(0 | 1)), "the host ended with {status}\n{}", host.complaints());
        Ok(())
    }

    /// Compares: every event was counted or is parked, each once.
    fn check(&self) -> Result<()> {
        let database = self.database()?;
        let mut parked: Vec<_> = database.parked("fickle")?;
        let copies: u64 = parked.iter().map(|(_, _, _, copies)| *copies).sum();
        holds!(copies == parked.len() as u64, "{copies} events are parked in {} rows", parked.len());
        let mut found: Vec<_> = parked.drain(..).map(|(_, partition, payload, _)| (partition, payload)).collect();
        let mut wanted = self.parked.clone();
        found.sort();
        wanted.sort();
        holds!(found == wanted, "{} events are parked, not these {}", found.len(), wanted.len());
        let state = database.state("fickle")?;
        for partition in 0..PARTITIONS {
            let name = partition.to_string();
            let events = self.publisher.count(partition);
            let applied = events - wanted.iter().filter(|(at, _)| *at == name).count();
            let count = state.get(&format!("fickle/witness/{name}")).map_or("0", String::as_str);
            holds!(count == applied.to_string(), "partition {name}: {count} events were applied, not {applied}");
            let stands = database.partition("fickle", &name)?;
            let (cursor, position) = stands.map(|stands| (stands.cursor, stands.position)).unwrap_or_default();
            holds!(
                position == events as u64 && cursor == Some(format!("c{events}")),
                "partition {name} stands at {position} with {cursor:?}, not at {events}"
            );
        }
        journal::check(&database, "fickle")?;
        journal::check_places(&database)
    }
}

impl World for Poison {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        let mut project = Project::new(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"witness\"]\non-reject = \"park\"\nbatch-events = 5\n",
            publisher.section("witness")
        ));
        project.put("fickle.wasm", &example("rust", "fickle"));
        project.run_until_idle();
        project.set_environment("TIDEMILL_BREAK", broken);
        let world = Self { project, publisher, parked: Vec::new(), number: 0 };
        journal::begin(&world.database()?)?;
        Ok(world)
    }

    fn project(&mut self) -> &mut Project {
        &mut self.project
    }

    fn prepare(&mut self) -> Result<()> {
        self.append();
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.run_until_idle()?;
        self.check()?;
        let beside = journal::beside_steps(&self.database()?, "fickle")?;
        holds!(beside == 0, "the shared state has changed {beside} times more often than a checkpoint moved");
        Ok(())
    }
}

/// The world in which parked events are retried: there is no lock any more.
pub(super) struct Retry {
    poison: Poison,
    numbers: Vec<i64>,
    request: Option<RequestId>,
    retried: i64,
}

impl World for Retry {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        Ok(Self { poison: Poison::begin(seed, broken)?, numbers: Vec::new(), request: None, retried: 0 })
    }

    fn project(&mut self) -> &mut Project {
        &mut self.poison.project
    }

    fn prepare(&mut self) -> Result<()> {
        self.poison.append();
        self.poison.run_until_idle()?;
        self.poison.check()?;
        self.numbers = self.poison.database()?.parked("fickle")?.into_iter().map(|(number, ..)| number).collect();
        Ok(())
    }

    fn provoke(&mut self, host: &mut Host) -> Result<()> {
        let began = wait_for(host, "the start", |host| Ok(host.logged("the processor starts") > 0))?;
        ensure!(began, "the host ended before it was asked for anything\n{}", host.complaints());
        let parked = self.numbers.clone();
        self.request = Some(ask(&self.poison.project, "fickle", &RequestKind::RetryParked { parked })?);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        if let Some(request) = self.request.take() {
            run_until(&self.poison.project, request, || Ok(true))?;
        }
        self.retried += i64::try_from(self.numbers.len())?;
        self.poison.parked.clear();
        self.poison.check()?;
        // Each retried event is a change of the shared state that moves no checkpoint.
        let beside = journal::beside_steps(&self.poison.database()?, "fickle")?;
        holds!(beside == self.retried, "{} events were retried, and the journal has {beside}", self.retried);
        Ok(())
    }
}
