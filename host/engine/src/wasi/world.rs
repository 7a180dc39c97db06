//! The world that a component sees through WASI: a clock of its own, dice that are the same each time, a place to write.

use std::collections::BTreeMap;

use super::random::{Dice, Seed};
use crate::{contract::Level, host_state::Stop, log_lines::LogLines};

/// How far a reading of the monotonic clock moves it, in nanoseconds.
const TICK_NS: u64 = 1_000;
/// The most pollables and streams that an instance may hold.
const HANDLES_MAX: usize = 10_000;
/// A line of output that is longer is cut into lines.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    Stderr,
}

/// The state behind an instance's WASI imports.
#[derive(Debug)]
pub(crate) struct World {
    component: Seed,
    dice: Dice,
    monotonic_ns: u64,
    wall_us: u64,
    timers: BTreeMap<u32, u64>,
    next_timer: u32,
    streams: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl World {
    /// The world in which a component is instantiated: it depends on the component alone.
    pub(crate) fn new(component: Seed) -> Self {
        Self {
            dice: Dice::new(component.clone()),
            component,
            monotonic_ns: 0,
            wall_us: 0,
            timers: BTreeMap::new(),
            next_timer: 0,
            streams: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    /// A call begins: the dice are its own, and the wall clock stands at its events' time.
    pub(crate) fn begin_call(&mut self, seed: Seed, wall_us: u64) {
        self.dice = Dice::new(seed);
        self.wall_us = wall_us;
    }

    pub(super) fn component_seed(&self) -> &Seed {
        &self.component
    }

    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    pub(super) fn wall_us(&self) -> u64 {
        self.wall_us
    }

    /// Reads the monotonic clock, which moves it.
    pub(super) fn monotonic_ns(&mut self) -> u64 {
        self.monotonic_ns = self.monotonic_ns.saturating_add(TICK_NS);
        self.monotonic_ns
    }

    pub(super) fn timer_in(&mut self, wait_ns: u64) -> Result<u32, Stop> {
        self.timer_at(self.monotonic_ns.saturating_add(wait_ns))
    }

    pub(super) fn timer_at(&mut self, at_ns: u64) -> Result<u32, Stop> {
        self.has_room()?;
        let rep = self.next_timer;
        self.next_timer = self.next_timer.wrapping_add(1);
        self.timers.insert(rep, at_ns);
        Ok(rep)
    }

    pub(super) fn drop_timer(&mut self, rep: u32) {
        self.timers.remove(&rep);
    }

    pub(super) fn add_stream(&mut self) -> Result<(), Stop> {
        self.has_room()?;
        self.streams += 1;
        Ok(())
    }

    pub(super) fn drop_stream(&mut self) {
        self.streams = self.streams.saturating_sub(1);
    }

    fn has_room(&self) -> Result<(), Stop> {
        if self.timers.len() + self.streams < HANDLES_MAX {
            return Ok(());
        }
        Err(Stop::Limit(format!("it holds more than {HANDLES_MAX} pollables and streams")))
    }

    /// Whether a timer has run out. Looking moves the clock.
    pub(super) fn is_due(&mut self, rep: u32) -> bool {
        let now = self.monotonic_ns();
        self.timers.get(&rep).is_none_or(|at| *at <= now)
    }

    /// Waits for the first of some timers, which is over at once: the clock moves to it.
    pub(super) fn wait(&mut self, reps: &[u32]) {
        let first = reps.iter().map(|rep| self.timers.get(rep).copied().unwrap_or(0)).min().unwrap_or(0);
        self.monotonic_ns = self.monotonic_ns.max(first);
    }

    /// Takes output, and logs the lines that are complete.
    pub(super) fn print(&mut self, output: Output, bytes: &[u8], log: &mut LogLines) {
        for &byte in bytes {
            let line = self.line(output);
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                self.finish_line(output, log);
            }
        }
    }

    /// Logs the lines that were begun.
    pub(crate) fn finish_lines(&mut self, log: &mut LogLines) {
        for output in [Output::Stdout, Output::Stderr] {
            if !self.line(output).is_empty() {
                self.finish_line(output, log);
            }
        }
    }

    fn line(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        }
    }

    fn finish_line(&mut self, output: Output, log: &mut LogLines) {
        let line = std::mem::take(self.line(output));
        let line = String::from_utf8_lossy(&line);
        match output {
            Output::Stdout => log.write(Level::Info, &line),
            Output::Stderr => {
                log.write(Level::Warn, &line);
                log.last_words_mut().printed(&line);
            }
        }
    }
}
