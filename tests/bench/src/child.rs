//! A process of a run: what it cost is known when it has ended, and it is killed when nobody waits for it.

use std::{
    fs,
    process::{Child as Process, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    what: String,
    begun: Instant,
}

impl Child {
    /// Starts it.
    pub(crate) fn start(what: &str, command: &mut Command) -> Result<Self> {
        let begun = Instant::now();
        let process = command.spawn().with_context(|| format!("{what} does not start: {command:?}"))?;
        Ok(Self { process, what: what.to_owned(), begun })
    }

    /// The process, for its standard streams.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// An error if it has ended, whether well or not. Its account can still be read.
    pub(crate) fn still_runs(&self) -> Result<()> {
        let ended = waitid(self.waited(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)?;
        ensure!(ended.is_none(), "{} has ended too early", self.what);
        Ok(())
    }

    /// The processor time that it took until now, or until it ended.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(self.process.id())
    }

    /// A number that proc(5) gives in `/proc/PID/status` while it runs; memory is in KiB.
    pub(crate) fn status(&self, name: &str) -> Result<u64> {
        let file = format!("/proc/{}/status", self.process.id());
        let text = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = found.and_then(|found| found.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("{file} has no {name}: proc(5) says otherwise"))
    }

    /// Asks it to end, and waits until it has, which must be well.
    pub(crate) fn end(self) -> Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        self.wait()?;
        Ok(())
    }

    /// Waits until it has ended, which must be well. Gives how long it ran.
    pub(crate) fn wait(mut self) -> Result<Duration> {
        let status = self.process.wait()?;
        let wall = self.begun.elapsed();
        ensure!(status.success(), "{}: {status}", self.what);
        Ok(wall)
    }

    fn waited(&self) -> WaitId<'_> {
        WaitId::Pid(Pid::from_child(&self.process))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Processor time of a process and of its children that ended, as Linux accounts for it.
fn cpu(id: u32) -> Result<Duration> {
    /// What Linux shows to programs, whatever the kernel was built with.
    const TICKS_PER_SECOND: u64 = 100;
    let file = format!("/proc/{id}/stat");
    let text =
        fs::read_to_string(&file).with_context(|| format!("{file} cannot be read: the benchmark needs Linux"))?;
    // The name stands in parentheses and may have any sign in it.
    let (_, fields) = text.rsplit_once(')').context("the process has no name")?;
    // `utime`, `stime`, `cutime`, `cstime` are the fields 14 to 17 of proc(5); the state behind the name is field 3.
    let ticks: Option<Vec<u64>> = fields.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect();
    let ticks: u64 = ticks.with_context(|| format!("{file} is not as proc(5) says"))?.iter().sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}
