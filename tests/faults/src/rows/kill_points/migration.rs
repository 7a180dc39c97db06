//! A database that is made, or brought up to date.

use std::fs;

use anyhow::Result;
use e2e::{guest_host::example, project::Project, publisher::Publisher};
use tidemill_store::DATABASE_FILE;

use super::World;
use crate::{database::Database, fold, trial::holds};

/// There is one migration at least.
pub(super) const POINTS: &[(&str, u64)] = &[("before-migration", 1), ("in-migration", 1), ("after-migration", 1)];

/// The world.
pub(super) struct Migration {
    project: Project,
    publisher: Publisher,
    tables: u64,
    schema: u64,
}

const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";

impl World for Migration {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(1, seed);
        let mut project = Project::new(&format!(
            "[feeds.witness]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npoll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\n",
            publisher.url()
        ));
        publisher.append(0, (0..20).map(|number| format!("{{\"number\":{number}}}")));
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.run_until_idle();
        let database = Database::open(&project.path().join("data"))?;
        let (tables, schema) = (database.number(TABLES)?, database.number("PRAGMA user_version")?);
        project.set_environment("TIDEMILL_BREAK", broken);
        Ok(Self { project, publisher, tables, schema })
    }

    fn project(&mut self) -> &mut Project {
        &mut self.project
    }

    /// The database goes, and with it all that it says about the files beside it.
    fn prepare(&mut self) -> Result<()> {
        for ending in ["", "-wal", "-shm"] {
            let file = self.project.path().join("data").join(format!("{DATABASE_FILE}{ending}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        // What was begun is there whole or not at all.
        let database = Database::open(&self.project.path().join("data"))?;
        let (tables, schema) = (database.number(TABLES)?, database.number("PRAGMA user_version")?);
        let whole = if schema == 0 { tables == 0 } else { schema < self.schema || tables == self.tables };
        holds!(whole, "the kill has left {tables} of {} tables in schema {schema}", self.tables);
        drop(database);
        self.project.run_until_idle();
        fold::check(&self.project, &self.publisher)
    }
}
