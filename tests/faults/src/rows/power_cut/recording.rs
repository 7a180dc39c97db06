//! A recording: what a host did to its disk, and what it and its operator's commands said, while it worked, stopped, and was killed.

use std::{fmt::Write as _, fs};

use anyhow::Result;
use e2e::{
    guest_host::example,
    project::{Host, Project, wait_until},
    publisher::Publisher,
};

use crate::{
    disk::{Journal, Shim},
    standing,
};

/// How many partitions the feed has.
pub(super) const PARTITIONS: usize = 3;

/// A recording, and the feed that was read.
pub(super) struct Recording {
    pub(super) publisher: Publisher,
    /// Its directory still has what is not in the database: the component, and its compiled code.
    pub(super) project: Project,
    pub(super) journal: Journal,
    /// Where each partition stood when the host began, each time that it did, and at the end.
    pub(super) begins: Vec<[u64; PARTITIONS]>,
}

fn configuration(publisher: &Publisher, durability: &str) -> String {
    let mut text = format!("{}poll-interval = \"20ms\"\n", publisher.section("witness"));
    write!(
        text,
        "[processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 4\ndurability = \"{durability}\"\n"
    )
    .expect("a text can be written to");
    text
}

/// Who records.
struct Recorder {
    project: Project,
    publisher: Publisher,
    events: usize,
    begins: Vec<[u64; PARTITIONS]>,
}

impl Recording {
    /// Records runs with both durabilities, each of so many events a partition: a first one and a long one that end well, one in which
    /// an operator pauses and resumes and which is killed, and one that begins from what it left.
    pub(super) fn make(seed: u64, events: usize, rule: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        publisher.set_span(2);
        let mut project = Project::new(&configuration(&publisher, "normal"));
        project.put("ledger.wasm", &example("rust", "ledger"));
        let shim = Shim::under(&mut project, "bcwtsSurp")?;
        project.set_environment("TIDEMILL_SHIM_FILES", Some("tidemill.db"));
        project.set_environment("TIDEMILL_BREAK", rule);
        let mut recorder = Recorder { project, publisher, events, begins: Vec::new() };
        for durability in ["normal", "full"] {
            recorder.durability(durability);
            let mut host = recorder.begin()?;
            recorder.work(1);
            host.terminate();
            host.wait();
            let host = recorder.begin()?;
            recorder.work(2);
            recorder.answer(durability, "pause");
            recorder.answer(durability, "resume");
            recorder.work(1);
            recorder.append();
            host.kill();
            let mut host = recorder.begin()?;
            recorder.work(1);
            host.terminate();
            host.wait();
        }
        recorder.look()?;
        let Recorder { mut project, publisher, begins, .. } = recorder;
        // What comes now is not recorded.
        Shim::unload(&mut project);
        Ok(Self { publisher, project, journal: shim.journal()?, begins })
    }
}

impl Recorder {
    fn durability(&mut self, durability: &str) {
        self.project.configure(&configuration(&self.publisher, durability));
        self.project.set_environment("TIDEMILL_SHIM_LABEL", Some(durability));
    }

    /// Starts the host, after a look at where everything stands.
    fn begin(&mut self) -> Result<Host> {
        self.look()?;
        Ok(self.project.start())
    }

    /// While no host runs. A copy is looked at: whoever opens the database last, even for reading, may leave files behind.
    fn look(&mut self) -> Result<()> {
        let (data, copy) = (self.project.path().join("data"), tempfile::tempdir()?);
        for name in ["tidemill.db", "tidemill.db-wal"] {
            if data.join(name).exists() {
                fs::copy(data.join(name), copy.path().join(name))?;
            }
        }
        self.begins.push(std::array::from_fn(|partition| standing::position(copy.path(), partition)));
        Ok(())
    }

    /// Appends events and waits until they are applied, so many times.
    fn work(&self, times: usize) {
        let data = self.project.path().join("data");
        for _ in 0..times {
            self.append();
            for partition in 0..PARTITIONS {
                let wanted = self.publisher.count(partition) as u64;
                wait_until("the events are applied", || standing::position(&data, partition) == wanted);
            }
        }
    }

    fn append(&self) {
        for partition in 0..PARTITIONS {
            self.publisher.append_numbered(partition, self.events);
        }
    }

    /// An operator asks, and is answered.
    fn answer(&mut self, durability: &str, command: &str) {
        self.project.set_environment("TIDEMILL_SHIM_LABEL", Some("answer"));
        self.project.ok(&[command, "ledger"]);
        self.project.set_environment("TIDEMILL_SHIM_LABEL", Some(durability));
    }
}
