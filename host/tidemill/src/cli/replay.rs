//! `replay` and `record`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use tidemill_pipeline::{FeedName, PartitionId, ProcessorName, ReadFrom};

use super::words;

/// `replay`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("given").required(true).args(["file", "feed", "parked"]))]
#[command(group = ArgGroup::new("one").args(["event", "payload"]))]
#[command(after_help = "\
Examples:
  tidemill replay totals --events case.ndjson                        a recording, or payloads a line, from an empty state
  tidemill replay totals --events case.ndjson --state current        over the state as it is now, which is only read
  tidemill replay totals --feed orders --from first -n 100           straight from the feed
  tidemill replay totals --parked 3                                  an event that was put aside
  tidemill replay totals --parked 3 --component build/totals.wasm    would another component apply it?
  tidemill replay totals --feed orders --partition 0 --from 79:3 --payload 5f0c1c7c3f2e --state current

The rules are those of `tidemill run`: batches, limits, `on-reject`, the search for the event that is to blame. Nothing is \
committed and no host is asked. Ends with 1 if an event was rejected or the component asked to stop.")]
pub struct ReplayArgs {
    /// The processor of the configuration.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// The events: a recording, or a file with a payload on each line.
    #[arg(long = "events", value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The events: those of a feed.
    #[command(flatten)]
    pub stretch: StretchArgs,

    /// The event: the one that was put aside under this number, over the current state.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["one", "state"])]
    pub parked: Option<i64>,

    /// Show only the event at this place, from 1, alone. Those before it are applied first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub event: Option<u64>,

    /// Show only the first event whose payload has this digest (its first 8 digits or more), alone.
    #[arg(long, value_name = "DIGEST", value_parser = words::digest)]
    pub payload: Option<String>,

    /// The state to begin with.
    #[arg(long, value_name = "STATE", default_value = "empty")]
    pub state: ReplayState,

    /// Another component than the configuration's.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,

    /// Print a JSON object for each batch.
    #[arg(long)]
    pub json: bool,
}

/// The events of a feed that a command reads.
#[derive(Clone, Debug, Args)]
pub struct StretchArgs {
    /// The events: those of this feed of the configuration.
    #[arg(long, value_parser = words::feed)]
    pub feed: Option<FeedName>,

    /// The partition of the feed; needed where it has more than one and `--from` is a cursor.
    #[arg(long, requires = "feed", value_parser = words::partition)]
    pub partition: Option<PartitionId>,

    /// Where in the feed to begin: a cursor, `first` or `last`.
    #[arg(long, requires = "feed", value_name = "CURSOR|first|last", default_value = "first", value_parser = words::place)]
    pub from: ReadFrom,

    /// At least how many events of the feed; whole spans are read.
    #[arg(short = 'n', long, requires = "feed", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: Option<u64>,
}

/// The state that a replay begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReplayState {
    /// No key.
    #[default]
    Empty,
    /// What the processor has now; only read.
    Current,
}

/// `record`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill record orders --events 100 -o case.ndjson
  tidemill record orders --partition 2 --from 1002 --events 10 -o case.ndjson
  tidemill replay totals --events case.ndjson

Payloads stand in the file exactly as they came, with headers and checkpoints. Only whole spans are recorded: there may be \
some events more than asked for. It ends where the feed has no more, and says so.")]
pub struct RecordArgs {
    /// A feed of the configuration.
    #[arg(value_parser = words::feed)]
    pub feed: FeedName,

    /// At least how many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: u64,

    /// The file to write. It must not be there yet.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Replace a file that is there. One that a feed of the configuration is read from is never replaced.
    #[arg(long)]
    pub force: bool,

    /// The partition; all if not said.
    #[arg(long, value_parser = words::partition)]
    pub partition: Option<PartitionId>,

    /// Where to begin: a cursor, `first` or `last`.
    #[arg(long, value_name = "CURSOR|first|last", default_value = "first", value_parser = words::place)]
    pub from: ReadFrom,
}
