//! A scenario: something of the program that a rate does not show. Each is measured by itself, with its own feed.

mod cores;
mod memory;
mod reload;
mod setting;
mod start;
mod tip;

use std::{collections::BTreeMap, fmt};

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{competitor::Guest, goal::Goal, places::Places, results::Results};

/// `scenarios`
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// Once and a little of each, with all checks: does it still run? Nothing is kept.
    #[arg(long)]
    quick: bool,
    /// Only these.
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    only: Vec<String>,
}

/// How a scenario is measured, and where it should arrive.
struct Scenario {
    name: &'static str,
    measure: fn(&Places, bool) -> Result<Section>,
    goals: &'static [Wanted],
}

/// A goal: a figure of a case, and its bound.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// What is measured, in words.
    what: &'static str,
    case: &'static str,
    column: usize,
    /// Where to arrive.
    bound: Bound,
}

/// A bound of a figure.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// It should be this small; with its unit.
    AtMost(f64, &'static str),
    /// It should be this many times as large.
    AtLeast(f64),
}

impl Wanted {
    const fn new(what: &'static str, case: &'static str, column: usize, bound: Bound) -> Self {
        Self { what, case, column, bound }
    }

    /// Whether the case is that of a language that a quick form leaves out.
    fn is_of_slow_guest(&self) -> bool {
        Guest::ALL.iter().any(|guest| !guest.takes_part(true) && self.case.starts_with(guest.folder()))
    }

    /// The goal, with what was measured of it.
    fn goal(&self, section: Option<&Section>) -> Goal {
        let row = section.and_then(|section| section.rows.iter().find(|row| row.case == self.case));
        let got = row.and_then(|row| *row.figures.get(self.column)?);
        match self.bound {
            Bound::AtMost(most, unit) => Goal::at_most(self.what.to_owned(), most, unit, got),
            Bound::AtLeast(least) => Goal::at_least(self.what.to_owned(), least, got),
        }
    }
}

/// All of them, in the order of the page.
const ALL: [Scenario; 5] = [
    Scenario {
        name: "start",
        measure: start::measure,
        goals: &[
            Wanted::new("start to first commit, Rust", "rust", 0, Bound::AtMost(60.0, "ms")),
            Wanted::new("start to first commit, JavaScript", "js", 0, Bound::AtMost(400.0, "ms")),
            Wanted::new("start to first commit, Python", "python", 0, Bound::AtMost(400.0, "ms")),
        ],
    },
    Scenario {
        name: "tip",
        measure: tip::measure,
        goals: &[
            Wanted::new("answer to commit at the tip, p50", tip::LONG_POLLS, 0, Bound::AtMost(2.0, "ms")),
            Wanted::new("append to commit at the tip, p99", tip::LONG_POLLS, 4, Bound::AtMost(25.0, "ms")),
            Wanted::new("answer to commit at the tip without long polls, p50", tip::POLLS, 0, Bound::AtMost(2.0, "ms")),
        ],
    },
    Scenario {
        name: "reload",
        measure: reload::measure,
        goals: &[
            Wanted::new("longest wait of a reload, shared", "shared, 1 partition", 3, Bound::AtMost(20.0, "ms")),
            Wanted::new(
                "longest wait of a reload, partitioned",
                "partitioned, 8 partitions",
                3,
                Bound::AtMost(20.0, "ms"),
            ),
        ],
    },
    Scenario {
        name: "memory",
        measure: memory::measure,
        goals: &[
            Wanted::new("peak of memory, Rust", "rust, shared", 0, Bound::AtMost(200.0, "MiB")),
            Wanted::new("peak of memory, Rust, partitioned", "rust, partitioned", 0, Bound::AtMost(200.0, "MiB")),
            Wanted::new("peak of memory, Python", "python, shared", 0, Bound::AtMost(200.0, "MiB")),
            Wanted::new("peak of memory, Python, partitioned", "python, partitioned", 0, Bound::AtMost(200.0, "MiB")),
        ],
    },
    Scenario {
        name: "cores",
        measure: cores::measure,
        goals: &[
            Wanted::new("`burner`, two cores against one", "`burner`: 8 partitions, one core", 1, Bound::AtLeast(1.6)),
            Wanted::new("`totals`, two cores against one", "`totals`: 8 partitions, one core", 1, Bound::AtLeast(1.0)),
        ],
    },
];

/// What a scenario came to: a table of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section {
    /// The heading.
    pub(crate) title: String,
    /// What was measured, and how.
    pub(crate) about: String,
    /// What the figures are, with their units.
    pub(crate) columns: Vec<String>,
    /// The figures of each case.
    pub(crate) rows: Vec<Row>,
}

/// A case of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Which.
    pub(crate) case: String,
    /// A figure for each column; none where it has no meaning.
    pub(crate) figures: Vec<Option<f64>>,
}

impl Row {
    pub(crate) fn new(case: impl Into<String>, figures: impl IntoIterator<Item = Option<f64>>) -> Self {
        Self { case: case.into(), figures: figures.into_iter().collect() }
    }
}

/// As Markdown.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.about)?;
        writeln!(f, "| | {} |\n|---|{}", self.columns.join(" | "), "---:|".repeat(self.columns.len()))?;
        for Row { case, figures } in &self.rows {
            write!(f, "| {case} |")?;
            for figure in figures {
                match figure {
                    None => write!(f, " |")?,
                    Some(figure) if *figure >= 100.0 => write!(f, " {figure:.0} |")?,
                    Some(figure) => write!(f, " {figure:.2} |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Its name in the results.
pub(crate) const SECTION: &str = "scenarios";

/// The names of all of them.
pub(crate) fn names() -> [&'static str; ALL.len()] {
    ALL.each_ref().map(|scenario| scenario.name)
}

/// Measures those that are asked for, shows each, and keeps it. Whatever was kept of them is measured again.
pub(crate) fn measure(arguments: &ScenarioArgs) -> Result<()> {
    let places = Places::find()?;
    let names = names();
    for name in &arguments.only {
        ensure!(names.contains(&name.as_str()), "there is no scenario `{name}`\nhint: {}", names.join(", "));
    }
    for scenario in &ALL {
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name) {
            eprintln!("{}", scenario.name);
            let section = (scenario.measure)(&places, arguments.quick)?;
            eprintln!("{section}");
            for wanted in scenario.goals {
                let goal = wanted.goal(Some(&section));
                if arguments.quick && wanted.is_of_slow_guest() {
                    continue;
                }
                ensure!(goal.got.is_some(), "`{}` was not measured: there is no case `{}`", wanted.what, wanted.case);
                eprint!("{}", goal.row());
            }
            if !arguments.quick {
                let mut results = Results::open(&places, false)?;
                let mut measured: Measured = results.section(SECTION)?;
                measured.insert(scenario.name.to_owned(), section);
                results.keep(SECTION, &measured)?;
            }
        }
    }
    Ok(())
}

/// What was measured, by the scenario's name.
type Measured = BTreeMap<String, Section>;

/// All goals, with what is kept of them.
pub(crate) fn goals(kept: Option<&Value>) -> Result<Vec<Goal>> {
    let measured: Measured = kept.map(Measured::deserialize).transpose()?.unwrap_or_default();
    let goals = ALL.iter().flat_map(|scenario| {
        let section = measured.get(scenario.name);
        scenario.goals.iter().map(move |wanted| wanted.goal(section))
    });
    Ok(goals.collect())
}

/// The tables of what is kept, in their order.
pub(crate) fn text(kept: &Value) -> Result<String> {
    let measured = Measured::deserialize(kept)?;
    let sections = ALL.iter().filter_map(|scenario| measured.get(scenario.name));
    Ok(sections.map(Section::to_string).collect::<Vec<_>>().join("\n"))
}

/// The value below which this share of all lie; the largest one for 1.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the values")]
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [Some(50.0), Some(99.0), Some(100.0)]);
        assert_eq!((quantile(&[7.0], 0.5), quantile(&[], 0.5)), (Some(7.0), None));
    }
}
