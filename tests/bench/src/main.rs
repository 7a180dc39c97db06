//! `bench`: measures the program against consumers written by hand. `cargo xtask bench` builds and runs it.
//!
//! ```text
//!   compare ─▶ comparison ─▶ run ─▶ competitor (a process) ──HTTP──▶ publisher (a process)
//!    cells      rounds        │          │
//!                             │          ▼
//!                             └──▶ database: when was the last commit? are the totals those of the feed?
//! ```

mod cell;
mod child;
mod compare;
mod comparison;
mod competitor;
mod crossing;
mod database;
mod feed;
mod goal;
mod machine;
mod median;
mod page;
mod places;
mod publisher;
mod results;
mod run;
mod scale;
mod scenario;
mod stages;
mod subject;
mod table;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::{places::Places, results::Results};

/// Measures Tidemill against consumers written by hand.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Compares the competitors.
    Compare(compare::CompareArgs),
    /// Measures a host with many processors.
    Scale(scale::ScaleArgs),
    /// Measures what it costs to cross into a component, and out of it.
    Crossing(SectionArgs),
    /// Measures where the processor time of an event goes.
    Stages(SectionArgs),
    /// Writes docs/performance.md and docs/performance.json from what was measured.
    Page,
    /// Measures what a rate does not show: starts, the tip, reloads, memory, cores.
    Scenarios(scenario::ScenarioArgs),
    /// Publishes a generated feed, and obeys commands on standard input.
    #[command(hide = true)]
    Publish(publisher::PublishArgs),
    /// Reads a feed to its end as somebody would by hand.
    #[command(hide = true)]
    Consume(competitor::ConsumeArgs),
}

/// `crossing`, `stages`
#[derive(Debug, Args)]
struct SectionArgs {
    /// A round of a few events: does it still run? Nothing is kept.
    #[arg(long)]
    quick: bool,
}

impl SectionArgs {
    /// Measures, shows and keeps it.
    fn measure<T: Serialize>(
        &self,
        section: &str,
        measure: impl FnOnce(&Places, bool) -> anyhow::Result<T>,
    ) -> anyhow::Result<()> {
        let places = Places::find()?;
        let measured = measure(&places, self.quick)?;
        eprintln!("{section}: {:#}", serde_json::to_value(&measured)?);
        if self.quick { Ok(()) } else { Results::open(&places, false)?.keep(section, &measured) }
    }
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Compare(arguments) => compare::compare(&arguments),
        Task::Scale(arguments) => scale::scale(&arguments),
        Task::Crossing(arguments) => arguments.measure(crossing::SECTION, |_, quick| Ok(crossing::measure(quick))),
        Task::Stages(arguments) => arguments.measure(stages::SECTION, stages::measure),
        Task::Page => page::write(),
        Task::Scenarios(arguments) => scenario::measure(&arguments),
        Task::Publish(arguments) => publisher::publish(&arguments),
        Task::Consume(arguments) => competitor::consume(&arguments),
    }
}
