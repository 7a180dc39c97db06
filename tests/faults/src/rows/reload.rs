//! The component's file is replaced under load: by a good one, by all kinds of bad ones, in place and by rename.

use std::{
    fs,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use e2e::{
    guest_host::{example, with_a_note},
    project::{Host, Project},
    publisher::Publisher,
};
use tidemill_pipeline::Digest;

use crate::{
    database::Database,
    fold, journal,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "reload",
    fault: "reload under load: good, bad, good; a truncated file, no component, another contract, none at all, replaced while it \
            is read",
    unit: "replacements",
    invariant: "the old component goes on until a good one is there, which then runs; 0 lost, 0 twice",
    full: 500,
    quick: 14,
    finds: &["old-component-goes-on", "cursor-with-writes"],
    run,
};

const REFUSED: &str = "the changed component does not load; the old one goes on";
const PARTITIONS: usize = 2;
/// Replacements in a project, before another one takes its place.
const REPLACEMENTS_A_PROJECT: u64 = 100;
/// Events that the feed has before the host at least.
const AHEAD: usize = 200;
/// Components that are good: those that were compiled before begin at once.
const GOOD: usize = 5;

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut tally = Tally::default();
    while tally.tried < trial.count {
        let count = REPLACEMENTS_A_PROJECT.min(trial.count - tally.tried);
        let mut load = Load::begin(trial, dice.u64(..))?;
        for _ in 0..count {
            let what = load.replace(&mut dice)?;
            tally.count(what);
            tally.tried += 1;
        }
        load.end()?;
    }
    Ok(tally)
}

/// A host under load, whose component is replaced.
struct Load {
    host: Host,
    project: Project,
    publisher: Publisher,
    database: Database,
    good: Vec<Vec<u8>>,
    /// Which of the good ones runs.
    runs: usize,
    patience: Duration,
}

impl Load {
    fn begin(trial: &Trial, seed: u64) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        publisher.set_span(2);
        let mut project = Project::new(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 2\n",
            publisher.section("witness")
        ));
        let ledger = example("rust", "ledger");
        let good: Vec<_> = (0..GOOD).map(|number| with_a_note(&ledger, &number.to_string())).collect();
        project.put("ledger.wasm", &good[0]);
        project.run_until_idle();
        project.set_environment("TIDEMILL_BREAK", trial.broken);
        let database = Database::open(&project.path().join("data"))?;
        journal::begin(&database)?;
        let host = project.start();
        // Whether something still goes on is soon seen where it is known that it does not.
        let patience = Duration::from_secs(if trial.broken.is_some() { 4 } else { 60 });
        Ok(Self { host, project, publisher, database, good, runs: 0, patience })
    }

    /// Replaces the file, and sees what comes of it.
    fn replace(&mut self, dice: &mut fastrand::Rng) -> Result<&'static str> {
        let file = self.project.path().join("ledger.wasm");
        let next = (self.runs + dice.usize(1..GOOD)) % GOOD;
        let good = self.good[next].clone();
        let what = match dice.u8(..8) {
            0 => {
                self.project.put("ledger.wasm", &good);
                "good, by rename"
            }
            1 => {
                write_in_pieces(&file, &good, dice)?;
                "good, in place and in pieces"
            }
            2 => {
                self.project.put("ledger.wasm", b"this is none, and good comes at once\n");
                thread::sleep(Duration::from_millis(dice.u64(..80)));
                self.project.put("ledger.wasm", &good);
                "bad and then good, before anybody may have looked"
            }
            3 => {
                let whole = 8 + dice.usize(..good.len() / 2);
                self.refuse_file(&good[..whole])?;
                return Ok("truncated");
            }
            4 => {
                self.refuse_file(&dice.u64(..).to_le_bytes())?;
                return Ok("no component");
            }
            5 => {
                self.refuse_file(b"\0asm\x0d\0\x01\0")?;
                return Ok("another contract");
            }
            6 => {
                let bad = vec![b'x'; 5_000];
                self.refuse(|_| write_in_pieces(&file, &bad, dice))?;
                return Ok("bad, in place and in pieces");
            }
            _ => {
                self.refuse(|_| Ok(fs::remove_file(&file)?))?;
                self.project.put("ledger.wasm", &good);
                "gone, and then a good one"
            }
        };
        let wanted = Digest::of(&good).to_string();
        self.wait_for("the good component runs", |load| Ok(load.component()? == wanted))?;
        self.runs = next;
        self.go_on()?;
        Ok(what)
    }

    /// Puts a file there which must be refused.
    fn refuse_file(&mut self, bytes: &[u8]) -> Result<()> {
        self.refuse(|load| {
            load.project.put("ledger.wasm", bytes);
            Ok(())
        })
    }

    /// Does something bad to the file, which must be refused while the component that runs goes on.
    fn refuse(&mut self, bad: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let refused = self.host.logged(REFUSED);
        bad(self)?;
        self.wait_for("the bad file is refused", |load| Ok(load.host.logged(REFUSED) > refused))?;
        self.go_on()?;
        let (runs, wanted) = (self.component()?, Digest::of(&self.good[self.runs]).to_string());
        holds!(runs == wanted, "after a file that does not load, {runs} runs, not {wanted}");
        Ok(())
    }

    fn component(&self) -> Result<String> {
        Ok(self.database.component("ledger")?.unwrap_or_default())
    }

    /// Every partition commits.
    fn go_on(&mut self) -> Result<()> {
        let positions = |load: &Self| -> Result<Vec<u64>> {
            Ok(load.database.partitions("ledger")?.into_iter().map(|stands| stands.position).collect())
        };
        let before = positions(self)?;
        self.wait_for("every partition goes on", |load| {
            Ok(positions(load)?.iter().zip(&before).all(|(now, before)| now > before))
        })
    }

    /// Waits for something to be so, under load.
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        while !is_so(self)? {
            ensure!(self.host.is_running(), "the host has ended\n{}", self.host.complaints());
            holds!(Instant::now() < deadline, "not within {:?}: {what}", self.patience);
            self.feed()?;
            thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    }

    /// Sees to it that there is something to do.
    fn feed(&self) -> Result<()> {
        for stands in self.database.partitions("ledger")? {
            let partition: usize = stands.partition.parse()?;
            let events = self.publisher.count(partition);
            let wanted = usize::try_from(stands.position)? + AHEAD;
            self.publisher.append_numbered(partition, wanted.saturating_sub(events));
        }
        Ok(())
    }

    /// Ends the host and compares everything.
    fn end(mut self) -> Result<()> {
        self.host.terminate();
        let status = self.host.wait();
        ensure!(status.success(), "the host ended with {status}\n{}", self.host.complaints());
        self.project.put("ledger.wasm", &self.good[self.runs]);
        self.project.run_until_idle();
        fold::check_all(&self.database, "ledger", "witness", &self.publisher)?;
        journal::check(&self.database, "ledger")?;
        journal::check_places(&self.database)?;
        let beside = journal::beside_steps(&self.database, "ledger")?;
        holds!(beside == 0, "the shared state has changed {beside} times more often than a checkpoint moved");
        Ok(())
    }
}

/// Writes a file as some compilers do, now and then so slowly that it is read in between.
fn write_in_pieces(path: &Path, bytes: &[u8], dice: &mut fastrand::Rng) -> Result<()> {
    let mut file = fs::File::create(path)?;
    for piece in bytes.chunks(bytes.len().div_ceil(1 + dice.usize(1..5))) {
        file.write_all(piece)?;
        thread::sleep(Duration::from_millis(dice.u64(..50)));
    }
    Ok(())
}
