//! `compare`: measures cell after cell, and shows what came.

use anyhow::Result;
use clap::Args;

use crate::{
    cell::Cell,
    comparison::{Comparison, Rounds},
    places::Places,
};

/// `compare`
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// One round of a few events in each cell, with all checks: does it still run?
    #[arg(long)]
    quick: bool,
    /// Only these cells.
    #[arg(long, value_name = "CELL", value_delimiter = ',')]
    only: Vec<String>,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Measures.
pub(crate) fn compare(arguments: &CompareArgs) -> Result<()> {
    let places = Places::find()?;
    let count = if arguments.quick { 1 } else { arguments.rounds };
    for cell in Cell::all()
        .iter()
        .filter(|cell| arguments.only.is_empty() || arguments.only.iter().any(|name| name == cell.name))
    {
        eprintln!("{}: {}", cell.name, cell.title);
        let mut comparison = Comparison::prepare(cell, &places, arguments.quick)?;
        let mut rounds = Rounds::new();
        for number in 0..count {
            comparison.round(number, &mut rounds)?;
        }
        comparison.end()?;
        for (name, samples) in &rounds {
            for sample in samples {
                eprintln!("  {name:20} {:>10.0} events/s  {sample:?}", sample.rate());
            }
        }
    }
    Ok(())
}
