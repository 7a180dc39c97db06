//! A database that is made, or brought up to date from the oldest schema.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use e2e::{guest_host::example, project::Project, publisher::Publisher};
use rusqlite::Connection;
use tidemill_store::DATABASE_FILE;

use super::World;
use crate::{database::Database, fold, trial::holds};

/// There is one migration at least, whichever schema it begins with.
pub(super) const POINTS: &[(&str, u64)] = &[("before-migration", 1), ("in-migration", 1), ("after-migration", 1)];

/// What an empty file is brought to first.
const OLDEST: &str = include_str!("../../../../../host/store/migrations/0001_first.sql");

/// The world.
pub(super) struct Migration {
    project: Project,
    publisher: Publisher,
    tables: u64,
    schema: u64,
    kills: u64,
}

const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";

impl Migration {
    fn data(&self) -> PathBuf {
        self.project.path().join("data")
    }

    fn append(&self) {
        self.publisher.append_numbered(0, 20);
    }
}

impl World for Migration {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(1, seed);
        let mut project = Project::new(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\n",
            publisher.section("witness")
        ));
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.run_until_idle();
        let database = Database::open(&project.path().join("data"))?;
        let (tables, schema) = (database.number(TABLES)?, database.number("PRAGMA user_version")?);
        project.set_environment("TIDEMILL_BREAK", broken);
        // What the kills begin with is theirs to say.
        let kills = seed % 2;
        Ok(Self { project, publisher, tables, schema, kills })
    }

    fn project(&mut self) -> &mut Project {
        &mut self.project
    }

    /// The database goes, or becomes what the oldest program would have written.
    fn prepare(&mut self) -> Result<()> {
        self.kills += 1;
        self.append();
        let (database, before) = (self.data().join(DATABASE_FILE), self.data().join("before.db"));
        fs::rename(&database, &before)?;
        for ending in ["-wal", "-shm"] {
            let file = self.data().join(format!("{DATABASE_FILE}{ending}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        if self.schema > 1 && self.kills.is_multiple_of(2) { as_the_oldest_has_it(&before, &database) } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<()> {
        // What was begun is there whole or not at all.
        let database = Database::open(&self.data())?;
        let (tables, schema) = (database.number(TABLES)?, database.number("PRAGMA user_version")?);
        let whole = match schema {
            0 => tables == 0,
            schema if schema == self.schema => tables == self.tables,
            _ => tables > 0,
        };
        holds!(whole, "the kill has left {tables} of {} tables in schema {schema}", self.tables);
        drop(database);
        self.project.run_until_idle();
        fold::check(&self.project, &self.publisher)
    }
}

/// Writes what is in a database into a new one of the oldest schema.
fn as_the_oldest_has_it(from: &Path, to: &Path) -> Result<()> {
    let oldest = Connection::open(to)?;
    oldest.execute_batch("PRAGMA foreign_keys = off; PRAGMA journal_mode = wal; PRAGMA synchronous = off;")?;
    oldest.execute_batch(OLDEST)?;
    oldest.execute("ATTACH ?1 AS newer", [from.to_string_lossy()])?;
    let mut statement = oldest.prepare(
        "SELECT name, (SELECT group_concat(name) FROM pragma_table_info(tables.name)) FROM sqlite_schema AS tables
         WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?;
    let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables: Vec<(String, String)> = tables.collect::<rusqlite::Result<_>>()?;
    for (table, columns) in tables {
        oldest.execute_batch(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}"))?;
    }
    let ours: u32 = oldest.query_row("PRAGMA newer.application_id", [], |row| row.get(0))?;
    oldest.pragma_update(None, "application_id", ours)?;
    Ok(oldest.pragma_update(None, "user_version", 1)?)
}
