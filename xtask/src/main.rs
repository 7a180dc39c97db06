//! `cargo xtask`: what a contributor or CI runs.

#![expect(clippy::print_stderr, reason = "a command line speaks on standard error")]

mod bench;
mod demo;
mod deny;
mod faults;
mod fuzz;
mod guests;
mod interop;
mod languages;
mod lint;
mod project;
mod soak;
mod stages;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use guests::Language;

/// What a contributor or CI runs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the example components into target/guests/LANGUAGE/NAME.wasm.
    Guests {
        /// The languages to build; all of them if none is named.
        languages: Vec<Language>,
    },
    /// Checks everything that must hold, and installs what that needs.
    Test,
    /// Formatting, clippy and documentation, warnings being errors.
    Lint,
    /// The dependencies: who may use what, licences, sources.
    Deny,
    /// The dependencies' known vulnerabilities. Needs the network.
    Advisories,
    /// Makes the Python environment of the interop tests in target/interop-venv.
    Interop,
    /// Builds the demo's checked-in component again from its source.
    DemoComponent {
        /// Changes nothing: checks the digest, and that a fresh build behaves the same.
        #[arg(long)]
        check: bool,
    },
    /// Measures what a processor costs in each language, and writes it into docs/languages.md.
    Languages,
    /// Measures Tidemill against consumers written by hand, and writes docs/performance.md.
    Bench(bench::BenchArgs),
    /// Does to the host what the world does, checks what must hold, and writes docs/reliability.md.
    Faults(faults::FaultsArgs),
    /// Feeds the parsers with bytes that libFuzzer makes: an hour. Needs the nightly toolchain.
    Fuzz(fuzz::FuzzArgs),
    /// Reads a large feed to its end and checks the result and the memory that it took.
    Soak {
        /// How many events.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
}

fn main() -> ExitCode {
    let done = run(Arguments::parse().task);
    if let Err(error) = &done {
        eprintln!("error: {error:#}");
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Guests { languages } => guests::build(&languages),
        Task::Test => test::run(),
        Task::Lint => lint::run(),
        Task::Deny => deny::check(),
        Task::Advisories => deny::advisories(),
        Task::Interop => interop::prepare(),
        Task::DemoComponent { check: false } => demo::rebuild(),
        Task::DemoComponent { check: true } => demo::check(),
        Task::Languages => languages::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Faults(arguments) => faults::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Soak { events } => soak::run(events),
    }
}
