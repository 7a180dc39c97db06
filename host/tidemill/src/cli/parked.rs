//! `parked list`, `show`, `retry` and `drop`.

use clap::{Args, Subcommand};
use tidemill_pipeline::ProcessorName;

use super::words;

/// What to do with the events that were put aside.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Print the events that were put aside, oldest first.
    List(ParkedListArgs),
    /// Print one: payload, error, backtrace, and where it came from.
    Show(ParkedOne),
    /// Give them to the component again; those that it applies are settled.
    Retry(ParkedSome),
    /// Forget them: their events are never applied.
    Drop(ParkedSome),
}

/// `parked list`
#[derive(Debug, Args)]
pub struct ParkedListArgs {
    /// Only those of this processor.
    #[arg(value_parser = words::processor)]
    pub processor: Option<ProcessorName>,

    /// Print a JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// One parked event.
#[derive(Debug, Args)]
pub struct ParkedOne {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// Its number, as `tidemill parked list` shows it.
    #[arg(value_name = "NUMBER")]
    pub number: i64,

    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Some parked events of a processor.
#[derive(Debug, Args)]
pub struct ParkedSome {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// Their numbers, as `tidemill parked list` shows them.
    #[arg(value_name = "NUMBER", required_unless_present = "all", conflicts_with = "all")]
    pub numbers: Vec<i64>,

    /// All of the processor's.
    #[arg(long)]
    pub all: bool,
}
