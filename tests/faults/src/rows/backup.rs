//! A backup while the host writes, put back elsewhere, and continued there.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use tidemill_store::RESTORE_GAP;

use crate::{
    database::Database,
    fold,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "backup",
    fault: "backup while writing, restore, continue",
    unit: "backups",
    invariant: "what is restored is the fold of the events up to its position, with the cursor and the generation of that commit; \
                from there it comes to the fold of all",
    full: 200,
    quick: 6,
    finds: &["backup-of-one-moment", "cursor-with-writes"],
    run,
};

const PARTITIONS: usize = 2;
/// Backups of a project, before another one takes its place.
const BACKUPS_A_PROJECT: u64 = 25;
/// Events of a partition that are there before a backup begins: more than are applied until it is made.
const EVENTS: usize = 800;
/// Events of a batch: as many as of a span, so that each commit moves the position by so many.
const BATCH: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut tally = Tally::default();
    while tally.tried < trial.count {
        let count = BACKUPS_A_PROJECT.min(trial.count - tally.tried);
        let mut office = Office::begin(trial, dice.u64(..))?;
        for _ in 0..count {
            office.back_up(&mut dice, &mut tally)?;
            tally.tried += 1;
        }
    }
    Ok(tally)
}

/// A host that writes, and the place where its backups are restored.
struct Office {
    host: Host,
    project: Project,
    elsewhere: Project,
    publisher: Publisher,
    database: Database,
}

impl Office {
    fn begin(trial: &Trial, seed: u64) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        publisher.set_span(BATCH);
        let configuration = format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = {BATCH}\n",
            publisher.section("witness")
        );
        let [mut project, mut elsewhere] = [Project::new(&configuration), Project::new(&configuration)];
        for project in [&mut project, &mut elsewhere] {
            project.put("ledger.wasm", &example("rust", "ledger"));
            project.set_environment("TIDEMILL_BREAK", trial.broken);
        }
        let host = project.start();
        let database = Database::open(&project.path().join("data"))?;
        Ok(Self { host, project, elsewhere, publisher, database })
    }

    fn positions(&self) -> Result<u64> {
        Ok(self.database.partitions("ledger")?.iter().map(|stands| stands.position).sum())
    }

    fn wait_until(&mut self, position: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.positions()? < position {
            ensure!(self.host.is_running(), "the host has ended\n{}", self.host.complaints());
            ensure!(Instant::now() < deadline, "the host does not go on\n{}", self.host.complaints());
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Makes a backup under load, restores it elsewhere, compares, goes on there to the end, and compares again.
    fn back_up(&mut self, dice: &mut fastrand::Rng, tally: &mut Tally) -> Result<()> {
        for partition in 0..PARTITIONS {
            self.publisher.append_numbered(partition, EVENTS);
        }
        let before = self.positions()? + dice.u64(1..200);
        self.wait_until(before)?;
        let file = self.elsewhere.path().join("backup.db");
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let name = file.to_str().context("a temporary directory has a name in UTF-8")?;
        let (began, before) = (Instant::now(), self.positions()?);
        self.project.ok(&["backup", name]);
        let (took, after) = (began.elapsed(), self.positions()?);
        tally.add("milliseconds that the backups took", u64::try_from(took.as_millis())?);
        tally.add("commits that were made meanwhile", (after - before) / BATCH as u64);

        self.elsewhere.restore(name);
        let restored = Database::open(&self.elsewhere.path().join("data"))?;
        for stands in restored.partitions("ledger")? {
            let at = usize::try_from(stands.position)?;
            let events = self.publisher.events(stands.partition.parse()?);
            holds!(at <= events.len(), "partition {} stands at {at} of {} events", stands.partition, events.len());
            fold::check_events(&restored, "ledger", "witness", &stands.partition, &events[..at])?;
            let (cursor, wanted) = (stands.cursor.unwrap_or_default(), format!("c{at}"));
            holds!(at == 0 || cursor == wanted, "partition {} has the cursor {cursor}, not {wanted}", stands.partition);
            let commits = stands.generation.checked_sub(RESTORE_GAP);
            holds!(
                commits == Some(at.div_ceil(BATCH) as u64),
                "partition {} stands at {at} after {commits:?} commits",
                stands.partition
            );
            tally.add("events that were in the backups", stands.position);
        }
        drop(restored);
        self.elsewhere.run_until_idle();
        fold::check(&self.elsewhere, &self.publisher)
    }
}
