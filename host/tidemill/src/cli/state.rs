//! `state get` and `state scan`.

use clap::{Args, Subcommand};
use tidemill_pipeline::{FeedName, PartitionId, PartitionKey, ProcessorName};

use super::words;

/// What to read of a state.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Print the value of one key; ends with 1 if it is not there.
    Get(StateGetArgs),
    /// Print keys and values, ordered by the bytes of the keys.
    Scan(StateScanArgs),
}

/// `state get`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill state get totals total/ada
  tidemill state get ledger hash --feed orders --partition 0     (state = \"partitioned\")")]
pub struct StateGetArgs {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// The key.
    pub key: String,

    /// Which key space.
    #[command(flatten)]
    pub partition: StatePartition,

    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `state scan`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill state scan totals
  tidemill state scan totals --prefix total/ --json     an object a line: \"key\", and \"value\" or \"value-base64\"

The entries are read in pages: beside a host that runs they need not be of one moment.")]
pub struct StateScanArgs {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// Only keys that begin so.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub prefix: String,

    /// At most so many; all if not said.
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<u64>,

    /// Which key space.
    #[command(flatten)]
    pub partition: StatePartition,

    /// Print a JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Which key space, for a processor with `state = "partitioned"`.
#[derive(Debug, Args)]
pub struct StatePartition {
    /// The feed, for a processor with `state = "partitioned"`.
    #[arg(long, value_parser = words::feed, requires = "partition")]
    feed: Option<FeedName>,

    /// The partition, for a processor with `state = "partitioned"`.
    #[arg(long, value_parser = words::partition, requires = "feed")]
    partition: Option<PartitionId>,
}

impl StatePartition {
    /// The partition that was named, if one was.
    #[must_use]
    pub fn key(&self) -> Option<PartitionKey> {
        let (feed, partition) = self.feed.clone().zip(self.partition.clone())?;
        Some(PartitionKey { feed, partition })
    }
}
