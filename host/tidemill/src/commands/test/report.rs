//! The report: what is said of each case, and of all of them.

use std::{fs, io::Write as _, path::PathBuf, time::Duration};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use serde::Serialize;
use similar::ChangeTag;

use super::junit::Junit;
use crate::{
    cases::{Case, CaseOutcome, Difference, updated},
    cli::TestArgs,
    exit::Exit,
    output::{safe, write_whole},
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
    /// Whether what came is written into the files, and how many were.
    update: Option<u64>,
    junit: Option<(PathBuf, Junit)>,
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
        let junit = args.junit.clone().map(|path| (path, Junit::new()));
        Self { json: args.json, passed: 0, failed: 0, update: args.update.then_some(0), junit }
    }

    /// Says what is to be said of a case.
    pub(super) fn add(&mut self, tested: &Tested<'_>) -> anyhow::Result<()> {
        if let Some((_, junit)) = &mut self.junit {
            junit.add(tested);
        }
        let passed = tested.differences.is_empty();
        let place = || safe(&tested.case.path.display().to_string()).into_owned();
        if let (Some(written), false) = (&mut self.update, passed) {
            update(tested)?;
            *written += 1;
            let mut out = anstream::stdout().lock();
            writeln!(out, "{GOOD}UPDATED{GOOD:#} {BOLD}{}{BOLD:#}  {}", safe(&tested.case.name), place())?;
            return Ok(());
        }
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        let mut out = anstream::stdout().lock();
        if self.json {
            let Tested { case, outcome, differences, elapsed } = tested;
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
            writeln!(out, "{BAD}FAILED{BAD:#} {BOLD}{}{BOLD:#}  {}", safe(&tested.case.name), place())?;
            for difference in &tested.differences {
                writeln!(out, "  {}", safe(&difference.title()))?;
                for (tag, line) in difference.lines() {
                    let style = match tag {
                        ChangeTag::Delete => BAD,
                        ChangeTag::Insert => GOOD,
                        ChangeTag::Equal => Style::new(),
                    };
                    writeln!(out, "  {style}{tag} {}{style:#}", safe(&line))?;
                }
            }
            for line in &tested.outcome.lines {
                writeln!(out, "  log {}", safe(&line.to_string()))?;
            }
        }
        Ok(())
    }

    /// Says what is to be said of all.
    pub(super) fn finish(self, elapsed: Duration) -> anyhow::Result<Exit> {
        if let Some((path, junit)) = self.junit {
            junit.write(&path, elapsed)?;
        }
        if !self.json {
            let (cases, style) =
                (if self.passed == 1 { "case" } else { "cases" }, if self.failed == 0 { GOOD } else { BAD });
            let mut out = anstream::stdout().lock();
            writeln!(
                out,
                "{style}{} {cases} passed, {} failed{}{style:#} ({} ms)",
                self.passed,
                self.failed,
                self.update.map(|written| format!(", {written} updated")).unwrap_or_default(),
                elapsed.as_millis()
            )?;
        }
        Ok(if self.failed == 0 { Exit::Done } else { Exit::Failed })
    }
}

/// Writes what came of a case into its file.
fn update(tested: &Tested<'_>) -> anyhow::Result<()> {
    let path = &tested.case.path;
    let text = fs::read_to_string(path).with_context(|| format!("the case {} cannot be read", path.display()))?;
    let text = updated(tested.case, &text, &tested.outcome).with_context(|| format!("the case {}", path.display()))?;
    write_whole(path, text.as_bytes()).with_context(|| format!("the case {} cannot be written", path.display()))
}
