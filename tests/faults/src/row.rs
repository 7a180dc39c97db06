//! A row of the matrix: a fault, what must hold whatever it does, and how it is tried.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, bail};
use tidemill_pipeline::failpoint::{Plan, arm};

use crate::trial::{Done, Tally, Trial, Violation};

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// What it is called on the command line: words with hyphens.
    pub(crate) name: &'static str,
    /// The fault, for people.
    pub(crate) fault: &'static str,
    /// What is counted: `kills`, `images`.
    pub(crate) unit: &'static str,
    /// What must hold.
    pub(crate) invariant: &'static str,
    /// How often it is tried in full: at most 15 minutes on two cores.
    pub(crate) full: u64,
    /// How often it is tried in the short form: some seconds.
    pub(crate) quick: u64,
    /// The rules that are broken on purpose, each in a run of its own, which has to end with a [`Violation`].
    pub(crate) finds: &'static [&'static str],
    /// Tries it. An invariant that does not hold is a [`Violation`].
    pub(crate) run: fn(&Trial) -> Result<Tally>,
}

impl Row {
    /// Tries it with rules broken, which it must find, and then as it is, which must hold.
    pub(crate) fn run(&self, seed: u64, count: u64) -> Result<Done> {
        let began = Instant::now();
        let mut found = Vec::new();
        for rule in self.finds {
            // As often as in the short form: what it does not find there, the short form cannot find in CI.
            let trial = Trial { seed, count: self.quick, broken: Some(rule) };
            match self.try_once(&trial) {
                Err(error) if error.downcast_ref::<Violation>().is_some() => found.push(*rule),
                Err(error) => return Err(error.context(format!("with `{rule}` broken, but not because of it"))),
                Ok(_) => bail!("`{rule}` was broken, and nothing noticed it in {} {}", self.quick, self.unit),
            }
        }
        let tally = self.try_once(&Trial { seed, count, broken: None }).with_context(|| {
            format!("seed {seed}\nhint: `cargo xtask faults --row {} --seed {seed}` tries it again", self.name)
        })?;
        let done = Done { tally, found, took: began.elapsed() };
        eprintln!(
            "{}: {} {} held in {:.1} s{}",
            self.name,
            done.tally.tried,
            self.unit,
            done.took.as_secs_f64(),
            if done.found.is_empty() { String::new() } else { format!("; found broken: {}", done.found.join(", ")) }
        );
        Ok(done)
    }

    /// What the tests' tools complain of by a panic is an error here. A rule is broken in this process, too: rows that run
    /// the reader and the worker here need no host.
    fn try_once(&self, trial: &Trial) -> Result<Tally> {
        arm(Plan { at_point: Box::new(|_| ()), broken_rule: trial.broken.map(str::to_owned) });
        catch_unwind(AssertUnwindSafe(|| (self.run)(trial))).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            Err(anyhow!("{words}"))
        })
    }
}
