//! `verify`.

use std::path::PathBuf;

use clap::Args;
use tidemill_pipeline::ProcessorName;

use super::{ReplayState, StretchArgs, words};

/// `verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill verify totals                                         the first 1,000 events of its feeds
  tidemill verify totals --feed orders -n 100000                 more of one of them
  tidemill verify totals --events case.ndjson                    a recording, or payloads a line
  tidemill verify totals --component build/totals.wasm           would another component pass?

The events are replayed several times: with fresh instances and again, with instances that are used again, and in batches of \
other sizes. The writes, or the state that is left, must be the same each time. If they are not, the first event where they \
part is named, with the key. Events that are rejected are left out, and must be the same ones. Nothing is committed and no \
host is asked. Ends with 1 if something parts.")]
pub struct VerifyArgs {
    /// The processor of the configuration.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// The events: a recording, or a file with a payload on each line.
    #[arg(long = "events", value_name = "FILE", conflicts_with = "feed")]
    pub file: Option<PathBuf>,

    /// The events: those of a feed.
    #[command(flatten)]
    pub stretch: StretchArgs,

    /// The state to begin with.
    #[arg(long, value_name = "STATE", default_value = "empty")]
    pub state: ReplayState,

    /// Another component than the configuration's.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,

    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
