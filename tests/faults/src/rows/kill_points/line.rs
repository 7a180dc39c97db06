//! The straight line: two processors on a feed, one with shared and one with partitioned state, so that several commits
//! share a transaction.

use anyhow::Result;
use e2e::{guest_host::example, project::Project, publisher::Publisher};

use super::World;
use crate::{database::Database, fold, journal, trial::holds};

/// There are at least eight batches of each processor, and more pages.
pub(super) const POINTS: &[(&str, u64)] = &[
    ("before-fetch", 8),
    ("in-page", 4),
    ("after-fetch", 8),
    ("before-process", 16),
    ("after-process", 16),
    ("before-begin", 10),
    ("after-begin", 10),
    ("state-moved", 16),
    ("before-writes", 16),
    ("after-writes", 16),
    ("after-lineage", 16),
    ("before-commit", 10),
    ("after-commit", 10),
    ("before-reply", 18),
    ("after-reply", 16),
];

const PARTITIONS: usize = 2;
pub(super) const PROCESSORS: [&str; 2] = ["shared", "partitioned"];

/// The world.
pub(super) struct Line {
    pub(super) project: Project,
    pub(super) publisher: Publisher,
}

impl Line {
    fn append(&self) {
        for partition in 0..PARTITIONS {
            self.publisher.append_numbered(partition, 20);
        }
    }

    pub(super) fn database(&self) -> Result<Database> {
        Database::open(&self.project.path().join("data"))
    }

    /// Compares everything.
    pub(super) fn check(&self) -> Result<()> {
        let database = self.database()?;
        for processor in PROCESSORS {
            fold::check_all(&database, processor, "witness", &self.publisher)?;
            journal::check(&database, processor)?;
        }
        journal::check_places(&database)?;
        let beside = journal::beside_steps(&database, "shared")?;
        holds!(beside == 0, "the shared state has changed {beside} times more often than a checkpoint moved");
        Ok(())
    }
}

impl World for Line {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        publisher.set_span(5);
        let processor = |name: &str| {
            format!(
                "[processors.{name}]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nstate = \"{name}\"\nbatch-events = 5\n"
            )
        };
        let project = Project::new(&format!(
            "{}page-size = 10\n\
             poll-interval = \"10ms\"\n{}{}",
            publisher.section("witness"),
            processor("shared"),
            processor("partitioned")
        ));
        project.put("ledger.wasm", &example("rust", "ledger"));
        let world = Self { project, publisher };
        world.append();
        world.project.run_until_idle();
        journal::begin(&world.database()?)?;
        let mut world = world;
        world.project.set_environment("TIDEMILL_BREAK", broken);
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
        self.project.run_until_idle();
        self.check()
    }
}
