//! `compare`: measures the cells, shows their tables, and keeps what is finished.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    cell::Cell,
    comparison::{Comparison, Rounds},
    crossing,
    places::Places,
    results::Results,
    scale, scenario, stages, table,
};

/// Its name in the results.
const SECTION: &str = "comparison";
/// What else is measured, beside the scenarios.
const ELSEWHERE: [&str; 3] = [crossing::SECTION, stages::SECTION, scale::SECTION];

/// `compare`
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// One round of a few events in each cell, with all checks: does it still run? Nothing is kept.
    #[arg(long)]
    quick: bool,
    /// Forgets what was measured before.
    #[arg(long)]
    fresh: bool,
    /// Only these cells, whether they were measured before or not.
    #[arg(long, value_name = "CELL", value_delimiter = ',')]
    only: Vec<String>,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// The cells that were measured, with all their samples.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// By the cell's name.
    pub(crate) cells: BTreeMap<String, Rounds>,
}

/// Measures what is asked for, but what was measured before of the same build on the same machine.
pub(crate) fn compare(arguments: &CompareArgs) -> Result<()> {
    let places = Places::find()?;
    let names: Vec<&str> = Cell::all().iter().flatten().map(|cell| cell.name).collect();
    for name in &arguments.only {
        ensure!(
            names.contains(&name.as_str()),
            "there is no cell `{name}`\nhint: the cells are {}; `cargo xtask bench --only` also takes {}",
            names.join(", "),
            ELSEWHERE.into_iter().chain(scenario::names()).collect::<Vec<_>>().join(", ")
        );
    }
    let groups = Cell::all().into_iter().map(|group| wanted(group, arguments)).filter(|group| !group.is_empty());
    if arguments.quick {
        // A round of a few events says nothing about speed, so nothing of it is shown.
        for group in groups {
            measure(&group, &places, true, 1)?;
            for cell in &group {
                let count = cell.competitors.len();
                eprintln!("{}: {count} read it, and everybody's totals are right", cell.name);
            }
        }
        return Ok(());
    }
    let mut results = Results::open(&places, arguments.fresh)?;
    let mut compared: Compared = results.section(SECTION)?;
    for group in groups {
        if arguments.only.is_empty() && group.iter().all(|cell| compared.cells.contains_key(cell.name)) {
            eprintln!("measured before: {}", group.iter().map(|cell| cell.name).collect::<Vec<_>>().join(", "));
            continue;
        }
        eprintln!("measuring {}", group.iter().map(|cell| cell.name).collect::<Vec<_>>().join(", "));
        let measured = measure(&group, &places, false, arguments.rounds)?;
        show(&group, &measured)?;
        for (cell, rounds) in group.iter().zip(measured) {
            compared.cells.insert(cell.name.to_owned(), rounds);
        }
        results.keep(SECTION, &compared)?;
    }
    if let Some(warning) = table::straw_man(&compared) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// The cells of a group that are asked for, small ones if it has to be quick.
fn wanted(group: Vec<Cell>, arguments: &CompareArgs) -> Vec<Cell> {
    let asked = |cell: &Cell| arguments.only.is_empty() || arguments.only.iter().any(|name| name == cell.name);
    let cells = group.into_iter().filter(asked);
    cells.map(|cell| if arguments.quick { cell.quick() } else { cell }).collect()
}

/// The rounds of each cell of a group. A round goes through all of them.
fn measure(group: &[Cell], places: &Places, quick: bool, rounds: usize) -> Result<Vec<Rounds>> {
    let mut comparisons = Vec::new();
    for cell in group {
        comparisons.push((Comparison::prepare(cell, places, quick, rounds)?, Rounds::new()));
    }
    for number in 0..rounds {
        for (comparison, rounds) in &mut comparisons {
            comparison.round(number, rounds)?;
        }
    }
    let end = |(comparison, rounds): (Comparison<'_>, Rounds)| comparison.end().map(|()| rounds);
    comparisons.into_iter().map(end).collect()
}

fn show(group: &[Cell], measured: &[Rounds]) -> Result<()> {
    for (cell, rounds) in group.iter().zip(measured) {
        eprintln!("\n{}: {}\n\n{}", cell.name, cell.title, table::table(cell, rounds)?);
    }
    Ok(())
}
