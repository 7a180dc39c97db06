//! `feed serve` and `feed tail`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use tidemill_pipeline::{FeedName, PartitionId, ReadFrom};

use super::words;

/// What to do with a feed.
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// Publish a local NDJSON file as a feed (ZeroEventHub and FeedAPI at once), following it as it grows.
    Serve(ServeArgs),
    /// Print events of a feed of the configuration as they come. No processor is touched.
    Tail(TailArgs),
}

/// `feed serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill feed serve events.ndjson
  tidemill feed serve events.ndjson --partitions 3 --key user
  curl 'http://127.0.0.1:8080/feed?n=1&cursor0=_first'

Every line of the file is one event, a JSON value. Lines are only ever appended; a last line without its end is not yet \
there. An event's partition never changes as long as the number of partitions and the key stay.")]
pub struct ServeArgs {
    /// The file, one JSON value a line.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many partitions to spread the events over.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub partitions: u32,

    /// The field of each event whose value chooses the partition. Without it (and for events that lack it) the number of the line does.
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,

    /// Where to listen; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// `feed tail`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill feed tail orders                                from about now on, every partition
  tidemill feed tail orders --partition 2 --from 1002 -n 5
  tidemill feed tail orders --from first -n 100 > sample.ndjson")]
pub struct TailArgs {
    /// A feed of the configuration.
    #[arg(value_parser = words::feed)]
    pub feed: FeedName,

    /// The partition; all if not said.
    #[arg(long, value_parser = words::partition)]
    pub partition: Option<PartitionId>,

    /// Where to begin: a cursor, `first` or `last`.
    #[arg(long, value_name = "CURSOR|first|last", default_value = "last", value_parser = words::place)]
    pub from: ReadFrom,

    /// End after so many events; else it goes on until Ctrl-C.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,

    /// Print a JSON object a line, with partition, headers and checkpoints.
    #[arg(long)]
    pub json: bool,
}
