//! Several hosts on one data directory: refused by the lock, or let in because the lock was stolen; paused and resumed.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use rustix::process::{Pid, Signal, kill_process};
use tidemill_store::DataLock;

use crate::{
    database::Database,
    fold, journal,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "hosts",
    fault: "two to four hosts on one data directory: with the lock, with the lock stolen, paused (SIGSTOP) and resumed",
    unit: "commits",
    invariant: "every commit moves the cursor and the position together; no epoch commits after a later one; 0 lost, 0 twice; \
                whoever is refused or loses says who holds it",
    full: 10_000,
    quick: 300,
    finds: &["compare-and-set"],
    run,
};

const PARTITIONS: usize = 2;
const HOSTS_MAX: usize = 4;
/// Events that the feed has before the hosts at least.
const AHEAD: usize = 100;
/// A host that is paused may hold the database: then the others wait, until it goes on.
const STANDSTILL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_mins(1);

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut crowd = Crowd::begin(trial)?;
    crowd.steal()?;
    while crowd.commits()? < trial.count {
        crowd.feed()?;
        match dice.u8(..10) {
            0 | 1 => crowd.be_refused()?,
            2..=4 => crowd.steal()?,
            5..=7 => {
                thread::sleep(Duration::from_micros(dice.u64(..5_000)));
                crowd.pause(crowd.hosts.len() - 1)?;
                crowd.steal()?;
                crowd.wait_for_commits(dice.u64(1..20))?;
                crowd.resume(dice.usize(..crowd.hosts.len()))?;
            }
            8 => crowd.pause(dice.usize(..crowd.hosts.len()))?,
            _ => crowd.resume(dice.usize(..crowd.hosts.len()))?,
        }
        crowd.wait_for_commits(dice.u64(5..60))?;
        crowd.see_who_ended()?;
        journal::check_places(&crowd.database)?;
    }
    crowd.end()
}

/// One of the hosts.
struct Member {
    host: Host,
    paused: bool,
}

/// The hosts, oldest first: the last one has the processor.
struct Crowd {
    hosts: Vec<Member>,
    /// Every process that was one of them.
    processes: Vec<u32>,
    project: Project,
    publisher: Publisher,
    database: Database,
    tally: Tally,
}

impl Crowd {
    fn begin(trial: &Trial) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, trial.seed);
        publisher.set_span(1);
        let mut project = Project::new(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 1\n",
            publisher.section("witness")
        ));
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.run_until_idle();
        project.set_environment("TIDEMILL_BREAK", trial.broken);
        let database = Database::open(&project.path().join("data"))?;
        journal::begin(&database)?;
        let (hosts, processes, tally) = (Vec::new(), Vec::new(), Tally::default());
        Ok(Self { hosts, processes, project, publisher, database, tally })
    }

    fn commits(&self) -> Result<u64> {
        self.database.number("SELECT coalesce(max(step), 0) FROM journal")
    }

    /// Sees to it that there is something to do.
    fn feed(&self) -> Result<()> {
        let stands = self.database.partitions("ledger")?;
        for partition in 0..PARTITIONS {
            let at = stands.iter().find(|stands| stands.partition == partition.to_string());
            let at = at.map_or(0, |stands| stands.position);
            let events = self.publisher.count(partition);
            let wanted = usize::try_from(at)? + AHEAD;
            self.publisher.append_numbered(partition, wanted.saturating_sub(events));
        }
        Ok(())
    }

    /// Starts a host beside the others, which must be refused with the name of the one that has the lock.
    fn be_refused(&mut self) -> Result<()> {
        let mut host = self.project.run(&[]);
        let status = host.wait();
        let (said, holder) = (host.complaints(), self.processes.last().copied().unwrap_or_default());
        holds!(
            !status.success() && said.contains(&format!("in use by process {holder} ")),
            "a host beside process {holder} ended with {status} and said: {said}"
        );
        self.tally.count("hosts that the lock refused");
        Ok(())
    }

    /// Takes the lock's file away, and starts a host, which takes the processor.
    fn steal(&mut self) -> Result<()> {
        if self.hosts.len() == HOSTS_MAX {
            self.lose_oldest()?;
        }
        let lock = self.project.path().join("data").join(DataLock::FILE);
        if lock.exists() {
            fs::remove_file(lock)?;
        }
        let mut host = self.project.run(&[]);
        let began = Instant::now();
        while host.logged("the processor starts") == 0 {
            ensure!(host.is_running(), "a host with a lock of its own ended\n{}", host.complaints());
            ensure!(began.elapsed() < PATIENCE, "a host did not start\n{}", host.complaints());
            if began.elapsed() > STANDSTILL {
                self.resume_all()?;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.processes.push(host.id());
        self.hosts.push(Member { host, paused: false });
        self.tally.count("hosts that took the processor");
        Ok(())
    }

    fn pause(&mut self, index: usize) -> Result<()> {
        let member = &mut self.hosts[index];
        if !member.paused {
            signal(&member.host, Signal::STOP)?;
            member.paused = true;
            self.tally.count("pauses");
        }
        Ok(())
    }

    fn resume(&mut self, index: usize) -> Result<()> {
        let member = &mut self.hosts[index];
        if member.paused {
            signal(&member.host, Signal::CONT)?;
            member.paused = false;
        }
        Ok(())
    }

    fn resume_all(&mut self) -> Result<()> {
        (0..self.hosts.len()).try_for_each(|index| self.resume(index))
    }

    /// Waits until some commits more were made, by whoever it was.
    fn wait_for_commits(&mut self, count: u64) -> Result<()> {
        let (wanted, began) = (self.commits()? + count, Instant::now());
        while self.commits()? < wanted {
            holds!(began.elapsed() < PATIENCE, "no host commits any more");
            if began.elapsed() > STANDSTILL {
                self.resume_all()?;
                self.feed()?;
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whoever has ended must have lost the processor, and say to whom.
    fn see_who_ended(&mut self) -> Result<()> {
        let members = std::mem::take(&mut self.hosts);
        for mut member in members {
            if member.host.is_running() {
                self.hosts.push(member);
                continue;
            }
            let (status, said, id) = (member.host.wait(), member.host.complaints(), member.host.id());
            let later = self.processes.iter().skip_while(|process| **process != id).skip(1);
            let mut later = later.map(|process| format!("was taken over by process {process} "));
            holds!(
                status.code() == Some(1) && later.any(|words| said.contains(&words)),
                "process {id} ended with {status} and did not say who took over: {said}"
            );
            self.tally.count("hosts that lost the processor and said to whom");
        }
        Ok(())
    }

    /// Waits until the oldest host has found out that it lost.
    fn lose_oldest(&mut self) -> Result<()> {
        self.resume(0)?;
        let (count, began) = (self.hosts.len(), Instant::now());
        while self.hosts.len() == count {
            holds!(began.elapsed() < PATIENCE, "a host that lost the processor goes on");
            self.feed()?;
            journal::check_places(&self.database)?;
            self.see_who_ended()?;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// All but the last lose; the last comes to the end; and everything is compared.
    fn end(mut self) -> Result<Tally> {
        self.resume_all()?;
        while self.hosts.len() > 1 {
            self.lose_oldest()?;
        }
        let mut last = self.hosts.pop().context("the last host has ended too")?.host;
        last.terminate();
        let status = last.wait();
        ensure!(status.success(), "the last host ended with {status}\n{}", last.complaints());
        self.project.run_until_idle();
        fold::check_all(&self.database, "ledger", "witness", &self.publisher)?;
        journal::check(&self.database, "ledger")?;
        journal::check_places(&self.database)?;
        let beside = journal::beside_steps(&self.database, "ledger")?;
        holds!(beside == 0, "the shared state has changed {beside} times more often than a checkpoint moved");
        self.tally.tried = self.commits()?;
        let epochs = self.database.number("SELECT count(DISTINCT epoch) FROM journal")?;
        self.tally.add("claims under which something was committed", epochs);
        Ok(self.tally)
    }
}

fn signal(host: &Host, signal: Signal) -> Result<()> {
    let process = i32::try_from(host.id()).ok().and_then(Pid::from_raw).context("a process has a number")?;
    Ok(kill_process(process, signal)?)
}
