//! `run`, `demo`, `inspect`, `status`, `backup` and `restore`, and what every command logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tidemill_pipeline::{FeedName, ProcessorName};

use super::words;

/// What is logged to standard error.
#[derive(Clone, Debug, Default, Args)]
pub struct LogArgs {
    /// How log lines look.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = "Logging")]
    pub log_format: LogFormat,

    /// From which level on: error, warn, info, debug, trace; or filters, as in `info,guest=debug,tidemill_feeds=trace`.
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "TIDEMILL_LOG",
        hide_env_values = true,
        help_heading = "Logging"
    )]
    pub log_level: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// `run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill run                     until Ctrl-C; a second Ctrl-C stops at once
  tidemill run --until-idle        read everything that is there, then end
  tidemill run --log-format json --log-level info,guest=debug

With --until-idle it ends with 1 if a partition is halted or stopped, an event was put aside in this run, or a
component does not load; its last log line says which. It waits for a feed that is away.")]
pub struct RunArgs {
    /// End when every partition has answered a page without events after its last commit.
    #[arg(long)]
    pub until_idle: bool,

    /// Accept that a feed of the same name is now another feed (its url changed), and go on from the old cursors.
    /// Without a name: any feed.
    #[arg(long, value_name = "FEED", value_parser = words::feed, num_args = 0.., value_delimiter = ',')]
    pub accept_feed_change: Option<Vec<FeedName>>,
}

/// `demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill demo
  tidemill demo --events 1000000")]
pub struct DemoArgs {
    /// How many events the generated feed has.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub events: u64,
}

/// `inspect`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill inspect build/totals.wasm
  tidemill inspect build/totals.wasm --json
  tidemill inspect build/totals.wasm --events sample.ndjson --kind-of /type     what does each kind of event cost?

Ends with 1 if it does not fit the contract. Nothing is compiled or run, but with --events.")]
pub struct InspectArgs {
    /// A component, or a core module made for the contract.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Run these events, each alone, and show what each kind of them costs: a recording, or payloads a line.
    #[arg(long, value_name = "EVENTS")]
    pub events: Option<PathBuf>,

    /// Where in a payload its kind stands, as a JSON pointer; else the kind is that of the envelope.
    #[arg(long, value_name = "POINTER", requires = "events", value_parser = words::pointer)]
    pub kind_of: Option<String>,

    /// With the limits and the settings of this processor of the configuration; else with the defaults.
    #[arg(long, value_name = "NAME", requires = "events", value_parser = words::processor)]
    pub processor: Option<ProcessorName>,

    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `status`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill status
  tidemill status --json | jq '.processors[].partitions[] | select(.status != \"running\")'")]
pub struct StatusArgs {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `backup`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill backup monday.db")]
pub struct BackupArgs {
    /// Where to write the copy. The file must not be there.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `restore`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill restore monday.db
  tidemill restore monday.db --force                      in the place of a database that is there, which is kept
  tidemill restore data/tidemill.db.replaced --force      back to that one")]
pub struct RestoreArgs {
    /// A copy that `tidemill backup` wrote, or a database that a restore replaced.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Replace a database that is there. It is kept beside the new one, and the answer says as what.
    #[arg(long)]
    pub force: bool,
}

/// The bounded process that compiles.
#[derive(Debug, Args)]
pub struct CompileChildArgs {
    /// What the host passes on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<std::ffi::OsString>,
}
