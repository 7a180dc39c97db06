//! `test`.

use std::path::PathBuf;

use clap::Args;
use tidemill_pipeline::ProcessorName;

use super::words;

/// `test`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill test                                    the configuration's processor, with the directory `cases`
  tidemill test cases --processor totals --filter large
  tidemill test cases --component build/totals.wasm
  tidemill test cases --update                     accept what comes, in the files
  tidemill test cases --junit report.xml           for CI

A case is a TOML file: events, and the state and the failures that must come of them. docs/testing.md says how it is \
written. Nothing of the data directory is touched. Ends with 1 if a case failed.")]
pub struct TestArgs {
    /// Directories of cases, or single cases.
    #[arg(value_name = "DIR", default_value = "cases")]
    pub cases: Vec<PathBuf>,

    /// The component, without the configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "processor")]
    pub component: Option<PathBuf>,

    /// The processor of the configuration; needed where it has more than one.
    #[arg(long, value_name = "NAME", value_parser = words::processor)]
    pub processor: Option<ProcessorName>,

    /// Only cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,

    /// Write what came of the cases into their files, as what must come from now on.
    #[arg(long)]
    pub update: bool,

    /// Write a report as `JUnit` has it, for CI.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Print a JSON object for each case.
    #[arg(long)]
    pub json: bool,
}
