//! A run of stages: each is timed, and all are summed up at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What ran so far.
#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<Stage>,
}

struct Stage {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Stages {
    /// Runs one stage. A failed stage is reported at once and does not keep the next ones from running.
    pub(crate) fn run(&mut self, name: &'static str, stage: impl FnOnce() -> Result<()>) -> &mut Self {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = stage();
        let took = start.elapsed();
        if let Err(error) = &result {
            eprintln!("{name} failed: {error:#}");
        }
        eprintln!("== {name}: {:.1} s", took.as_secs_f64());
        self.done.push(Stage { name, took, passed: result.is_ok() });
        self
    }

    /// Prints the summary. An error if any stage failed.
    pub(crate) fn finish(&self) -> Result<()> {
        eprintln!("\n== summary");
        for stage in &self.done {
            let word = if stage.passed { "ok" } else { "FAILED" };
            eprintln!("{:>8.1} s  {:<6}  {}", stage.took.as_secs_f64(), word, stage.name);
        }
        let total: Duration = self.done.iter().map(|stage| stage.took).sum();
        eprintln!("{:>8.1} s  in all", total.as_secs_f64());
        let failed: Vec<&str> = self.done.iter().filter(|stage| !stage.passed).map(|stage| stage.name).collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}
