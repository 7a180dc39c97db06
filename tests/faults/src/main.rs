//! `faults`: does to the host what the world does, many times, and checks an invariant each time.
//!
//! ```text
//!   row (fault, invariant) ── Trial: seed, count, broken rule ──▶ trials ──▶ Tally, or the Violation that was found
//!                                                                              │
//!                              docs/reliability.md ◀── page ◀── results ◀──────┘
//! ```
//!
//! `cargo xtask faults` builds and runs it. A row is one file in `rows/`. A row also names rules whose breaking it must
//! notice: a matrix that finds nothing proves nothing until it has found what was broken on purpose.

mod database;
mod disk;
mod den;
mod fold;
mod follow;
mod generated;
mod harm;
mod journal;
mod memory;
mod page;
mod places;
mod reference;
mod replay;
mod queued;
mod results;
mod row;
mod rows;
mod standing;
mod table;
mod topology;
mod trial;
mod wire;

use std::{panic, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::{results::Results, row::Row, rows::ROWS};

/// Does to the host what the world does, and checks that nothing is lost and nothing applied twice.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Every row in its short form, with fixed seeds. Nothing is kept.
    Quick {
        /// Only these rows.
        rows: Vec<String>,
    },
    /// These rows in their full form, each kept in docs/reliability.json when it is done; all rows if none is named.
    Full {
        /// The rows.
        rows: Vec<String>,
        /// The seed of their dice.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How often to try instead of what the row says.
        #[arg(long)]
        count: Option<u64>,
    },
    /// The names of the rows, and how often each tries in its full and its short form.
    List,
    /// Writes docs/reliability.md from docs/reliability.json.
    Page,
}

fn main() -> ExitCode {
    // A panic is reported as the error of its row, once.
    panic::set_hook(Box::new(|_| ()));
    let done = run(Arguments::parse().task);
    if let Err(error) = &done {
        eprintln!("error: {error:#}");
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Quick { rows } => quick(&rows),
        Task::Full { rows, seed, count } => full(&rows, seed, count),
        Task::List => {
            for row in ROWS {
                eprintln!("{:<24} {:>7} {:>6}  {}", row.name, row.full, row.quick, row.fault);
            }
            Ok(())
        }
        Task::Page => page::write(),
    }
}

/// The rows of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<&'static Row>> {
    if names.is_empty() {
        return Ok(ROWS.to_vec());
    }
    let find = |name: &String| {
        let found = ROWS.iter().copied().find(|row| row.name == name);
        found.with_context(|| format!("there is no row `{name}`\nhint: `cargo xtask faults --list` names them"))
    };
    names.iter().map(find).collect()
}

fn quick(names: &[String]) -> Result<()> {
    let began = Instant::now();
    let mut failed = Vec::new();
    for row in chosen(names)? {
        if let Err(error) = row.run(1, row.quick) {
            let reason = format!("{}: {error:#}", row.name);
            eprintln!("{reason}");
            failed.push(reason);
        }
    }
    eprintln!("faults, quick: {:.0} s", began.elapsed().as_secs_f64());
    all_held(&failed)
}

fn full(names: &[String], seed: u64, count: Option<u64>) -> Result<()> {
    let mut failed = Vec::new();
    for row in chosen(names)? {
        match row.run(seed, count.unwrap_or(row.full)) {
            Ok(done) => Results::open()?.keep(row.name, seed, done)?,
            Err(error) => {
                let reason = format!("{}: {error:#}", row.name);
                eprintln!("{reason}");
                failed.push(reason);
            }
        }
        page::write()?;
    }
    all_held(&failed)
}

/// The reasons are said again at the end: much may have been printed since.
fn all_held(failed: &[String]) -> Result<()> {
    ensure!(failed.is_empty(), "{} did not hold:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}
