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
mod subject;
mod table;

use clap::{Parser, Subcommand};

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

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Compare(arguments) => compare::compare(&arguments),
        Task::Scale(arguments) => scale::scale(&arguments),
        Task::Page => page::write(),
        Task::Scenarios(arguments) => scenario::measure(&arguments),
        Task::Publish(arguments) => publisher::publish(&arguments),
        Task::Consume(arguments) => competitor::consume(&arguments),
    }
}
