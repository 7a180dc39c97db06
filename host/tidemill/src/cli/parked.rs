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
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ParkedOne),
    /// Give them to the component again; those that it applies are settled. Where order is kept by key, those that wait behind
    /// one follow it, until one is refused.
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(ParkedSome),
    /// Forget them: their events are never applied. Where order is kept by key, those that wait behind one stay.
    #[command(after_help = DROP_EXAMPLES)]
    Drop(ParkedDropArgs),
}

const SHOW_EXAMPLES: &str = "\
Examples:
  tidemill parked show totals 3";

const RETRY_EXAMPLES: &str = "\
Examples:
  tidemill parked retry totals 3 4
  tidemill parked retry totals --all     after the component was repaired
  tidemill parked retry totals --key ada";

const DROP_EXAMPLES: &str = "\
Examples:
  tidemill parked drop totals 3
  tidemill parked drop totals --all --yes";

/// `parked list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill parked list
  tidemill parked list totals --json")]
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
    #[arg(value_name = "NUMBER", required_unless_present_any = ["all", "key"], conflicts_with_all = ["all", "key"])]
    pub numbers: Vec<i64>,

    /// Those with this key, where order is kept by key.
    #[arg(long, conflicts_with = "all")]
    pub key: Option<String>,

    /// All of the processor's.
    #[arg(long)]
    pub all: bool,
}

/// `parked drop`
#[derive(Debug, Args)]
pub struct ParkedDropArgs {
    /// Which of them.
    #[command(flatten)]
    pub which: ParkedSome,

    /// With `--all`: do not ask.
    #[arg(long)]
    pub yes: bool,
}
