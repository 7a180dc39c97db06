//! The site: a project with the shim, and the same checks after every trouble.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use serde_json::Value as Json;

use crate::{disk::Shim, fold, standing, trial::holds};

const PARTITIONS: usize = 2;
const EVENTS: usize = 60;
const BATCH_EVENTS: usize = 10;
/// What is appended at once takes so many commits at least.
pub(super) const COMMITS_OF_AN_APPEND: usize = PARTITIONS * EVENTS / BATCH_EVENTS;
/// A host waits 5 s for a lock, and less than that before it tries again.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// A project, its feed, and its shim.
pub(super) struct Site {
    pub(super) project: Project,
    pub(super) publisher: Publisher,
    pub(super) shim: Shim,
    pub(super) dice: fastrand::Rng,
}

impl Site {
    /// A new one, whose hosts break the rule.
    pub(super) fn new(broken: Option<&str>, mut dice: fastrand::Rng) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, dice.u64(..));
        publisher.set_span(5);
        let mut project = Project::new(&configuration(&publisher, "normal"));
        project.put("ledger.wasm", &example("rust", "ledger"));
        let shim = Shim::under(&mut project, "bsSf")?;
        project.set_environment("TIDEMILL_BREAK", broken);
        Shim::unload(&mut project);
        Ok(Self { project, publisher, shim, dice })
    }

    /// Makes ready for a trouble: everything is applied, no host runs, and the database is a new one, and
    /// every commit is synced, if that is wanted.
    pub(super) fn settle(&mut self, anew: bool, syncs: bool) -> Result<()> {
        let durability = if syncs || self.dice.bool() { "full" } else { "normal" };
        self.project.configure(&configuration(&self.publisher, durability));
        if anew {
            if self.data().exists() {
                fs::remove_dir_all(self.data())?;
            }
        } else {
            self.append();
            self.project.run_until_idle();
        }
        self.append();
        Ok(())
    }

    pub(super) fn data(&self) -> PathBuf {
        self.project.path().join("data")
    }

    /// The database, or with `-wal` and `-shm` what lies beside it.
    pub(super) fn file(&self, ending: &str) -> PathBuf {
        self.data().join(format!("tidemill.db{ending}"))
    }

    /// Takes files away: removes them, or moves them to another name.
    pub(super) fn remove(&self, moved: &str, endings: &[&str]) -> Result<()> {
        for ending in endings {
            let file = self.file(ending);
            match moved {
                _ if !file.exists() => {}
                "" => fs::remove_file(file)?,
                moved => fs::rename(&file, file.with_extension(moved))?,
            }
        }
        Ok(())
    }

    pub(super) fn append(&self) {
        for partition in 0..PARTITIONS {
            self.publisher.append_numbered(partition, EVENTS);
        }
    }

    /// Starts a host with the shim beneath it.
    pub(super) fn run(&mut self) -> Result<Host> {
        Shim::load(&mut self.project)?;
        let host = self.project.run(&[]);
        Shim::unload(&mut self.project);
        Ok(host)
    }

    /// A host with the shim that is at work.
    pub(super) fn run_into_the_work(&mut self) -> Result<Host> {
        let mut host = self.run()?;
        host.wait_for("committed", 1 + self.dice.usize(..3));
        Ok(host)
    }

    pub(super) fn caught_up(&self) -> bool {
        let data = self.data();
        (0..PARTITIONS).all(|partition| standing::position(&data, partition) == self.publisher.count(partition) as u64)
    }

    /// Ends a host, which may have ended already, but not by a crash. Gives its code and what it complained of.
    pub(super) fn end(host: &mut Host) -> Result<(i32, String)> {
        if host.is_running() {
            host.terminate();
        }
        let (status, complaints) = (host.wait(), host.complaints());
        let Some(code @ (0 | 1)) = status.code() else {
            holds!(false, "the host ended with {status}\n{complaints}");
            anyhow::bail!("never reached");
        };
        holds!(!complaints.contains("bug of Tidemill") && !complaints.contains("panicked"), "{complaints}");
        Ok((code, complaints))
    }

    /// The trouble has passed: a run goes to the exact end.
    pub(super) fn check(&self) -> Result<()> {
        let mut host = self.project.run(&["--until-idle"]);
        let status = host.wait();
        holds!(status.success(), "after the trouble a run ends with {status}\n{}", host.complaints());
        fold::check(&self.project, &self.publisher)
    }
}

/// Whether somebody was told what is wrong and what to do: a line of the log with a cause and a hint, or an error with one.
pub(super) fn is_clear(complaints: &str) -> bool {
    complaints.lines().any(|line| match serde_json::from_str::<Json>(line) {
        Ok(line) => line["level"] != "INFO" && line["cause"].is_string() && line["hint"].is_string(),
        Err(_) => line.trim_start().starts_with("hint: "),
    })
}

/// Waits for what must happen in time.
pub(super) fn wait(what: &str, host: &mut Host, mut happens: impl FnMut(&mut Host) -> bool) -> Result<()> {
    let began = Instant::now();
    while !happens(host) {
        holds!(began.elapsed() < WAIT_MAX, "{what}: not within {WAIT_MAX:?}\n{}", host.complaints());
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Whether a partition stands until somebody does something.
pub(super) fn is_stopped(host: &Host) -> bool {
    let stops =
        ["the partition stopped", "the partition stopped, and the store cannot keep that", "the processor stopped"];
    stops.iter().any(|stop| host.logged(stop) > 0)
}

/// Whether anything worse than news was said.
pub(super) fn is_quiet(complaints: &str) -> bool {
    complaints.lines().all(|line| serde_json::from_str::<Json>(line).is_ok_and(|line| line["level"] == "INFO"))
}

/// Whether a path is the database, its log or their shared memory.
pub(super) fn is_of_the_database(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| ["tidemill.db", "tidemill.db-wal", "tidemill.db-shm"].iter().any(|known| name == *known))
}

fn configuration(publisher: &Publisher, durability: &str) -> String {
    format!(
        "{}poll-interval = \"20ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = {BATCH_EVENTS}\ndurability = \"{durability}\"\n",
        publisher.section("witness")
    )
}
