//! The report: what is said of each case, and of all of them.

use std::{io::Write as _, path::PathBuf, time::Duration};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use similar::ChangeTag;

use crate::{
    cases::{Case, CaseOutcome, Difference},
    cli::TestArgs,
    exit::Exit,
    output::safe,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const BOLD: Style = Style::new().bold();

/// A case that was run.
pub(super) struct Tested<'a> {
    pub(super) case: &'a Case,
    pub(super) outcome: CaseOutcome,
    pub(super) differences: Vec<Difference>,
    pub(super) elapsed: Duration,
}

/// Gathers what is said.
pub(super) struct Report {
    json: bool,
    passed: u64,
    failed: u64,
    _junit: Option<PathBuf>,
}

/// A case in JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    case: &'a str,
    file: String,
    passed: bool,
    milliseconds: f64,
    events: usize,
    fuel: u64,
    memory_bytes: u64,
    differences: Vec<String>,
}

impl Report {
    pub(super) fn new(args: &TestArgs) -> Self {
        Self { json: args.json, passed: 0, failed: 0, _junit: args.junit.clone() }
    }

    /// Says what is to be said of a case.
    pub(super) fn add(&mut self, tested: Tested<'_>) -> anyhow::Result<()> {
        let passed = tested.differences.is_empty();
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        let mut out = anstream::stdout().lock();
        if self.json {
            let Tested { case, outcome, differences, elapsed } = &tested;
            let line = Line {
                case: &case.name,
                file: case.path.display().to_string(),
                passed,
                milliseconds: elapsed.as_secs_f64() * 1_000.0,
                events: case.events(),
                fuel: outcome.cost.fuel,
                memory_bytes: outcome.cost.memory_bytes,
                differences: differences.iter().map(ToString::to_string).collect(),
            };
            serde_json::to_writer(&mut out, &line)?;
            writeln!(out)?;
        } else if !passed {
            writeln!(out, "{BAD}FAILED{BAD:#} {BOLD}{}{BOLD:#}  {}", tested.case.name, tested.case.path.display())?;
            for difference in &tested.differences {
                writeln!(out, "  {}", difference.title())?;
                for (tag, line) in difference.lines() {
                    let style = match tag {
                        ChangeTag::Delete => BAD,
                        ChangeTag::Insert => GOOD,
                        ChangeTag::Equal => Style::new(),
                    };
                    writeln!(out, "  {style}{tag} {}{style:#}", safe(&line))?;
                }
            }
        }
        Ok(())
    }

    /// Says what is to be said of all.
    pub(super) fn finish(self, elapsed: Duration) -> anyhow::Result<Exit> {
        if !self.json {
            let (cases, style) =
                (if self.passed == 1 { "case" } else { "cases" }, if self.failed == 0 { GOOD } else { BAD });
            let mut out = anstream::stdout().lock();
            writeln!(
                out,
                "{style}{} {cases} passed, {} failed{style:#} ({} ms)",
                self.passed,
                self.failed,
                elapsed.as_millis()
            )?;
        }
        Ok(if self.failed == 0 { Exit::Done } else { Exit::Failed })
    }
}
