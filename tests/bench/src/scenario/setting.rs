//! The setting of a scenario: a directory with a project whose code is compiled, and a host that runs in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, ensure};

use crate::{
    child::Child,
    competitor::Project,
    database::{Database, Tables},
    feed::Feed,
    places::Places,
    run::empty,
};

/// How often it is looked whether a commit is there. A look takes some microseconds.
const LOOK_INTERVAL: Duration = Duration::from_micros(100);
/// No wait is longer.
const DEADLINE: Duration = Duration::from_mins(10);

/// A project directory with one processor `totals`.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    places: &'a Places,
    directory: PathBuf,
    partitions: usize,
}

/// What differs from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Differences<'a> {
    /// Lines for the feed.
    pub(super) feed: &'a str,
    /// Lines for the processor.
    pub(super) processor: &'a str,
}

impl<'a> Setting<'a> {
    /// A new directory. If there is a `warm` project, compiled code and database are those of it.
    pub(super) fn new(
        places: &'a Places,
        (url, feed): (&str, &Feed),
        component: &Path,
        warm: Option<&Project>,
        differences: Differences<'_>,
    ) -> Result<Self> {
        let directory = places.kept().join("scenario");
        empty(&directory)?;
        if let Some(warm) = warm {
            warm.copy(&directory)?;
        }
        fs::copy(component, directory.join("component.wasm"))?;
        let configuration = format!(
            "[feeds.payments]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {}\npage-size = {}\n{}\n\
             [processors.totals]\ncomponent = \"component.wasm\"\nfeeds = [\"payments\"]\n{}\n",
            feed.partitions, feed.page, differences.feed, differences.processor
        );
        fs::write(directory.join("tidemill.toml"), configuration)?;
        Ok(Self { places, directory, partitions: feed.partitions })
    }

    /// Puts another component there, whole, as compilers should.
    pub(super) fn replace_component(&self, bytes: &[u8]) -> Result<()> {
        let new = self.directory.join("component.wasm.new");
        fs::write(&new, bytes)?;
        fs::rename(new, self.directory.join("component.wasm"))?;
        Ok(())
    }

    /// Starts `tidemill run`. What it logs goes to `log`.
    pub(super) fn run(&self, arguments: &[&str], log: Stdio) -> Result<Child> {
        let mut command = Project::at(&self.directory).command(self.places, &[&["run"], arguments].concat());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Child::start("tidemill run", &mut command)
    }

    /// Waits until another reader of the database sees every partition at this cursor. Gives when that was.
    pub(super) fn wait_for(&self, cursor: usize, host: &Child) -> Result<SystemTime> {
        let until = Instant::now() + DEADLINE;
        let file = self.directory.join("data/tidemill.db");
        let waiting = |is_there: &dyn Fn() -> Result<bool>| -> Result<()> {
            while !is_there()? {
                host.still_runs()?;
                ensure!(Instant::now() < until, "cursor {cursor} was not reached within {DEADLINE:?}");
                sleep(LOOK_INTERVAL);
            }
            Ok(())
        };
        // A database that is only being made has no tables yet.
        waiting(&|| Ok(database(&file).is_ok_and(|database| database.is_at("", 0).is_ok())))?;
        let database = database(&file)?;
        waiting(&|| database.is_at(&cursor.to_string(), self.partitions))?;
        Ok(SystemTime::now())
    }
}

fn database(file: &Path) -> Result<Database> {
    Database::open(file, Tables::Tidemill)
}

/// Milliseconds between two moments; none before the first.
pub(super) fn milliseconds(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64() * 1_000.0
}
