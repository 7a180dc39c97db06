//! `pause`, `resume` and `reset`.

use clap::Args;
use tidemill_pipeline::{FeedName, PartitionId, PartitionKey, ProcessorName, ReadFrom, RejectPolicy};

use super::words;

/// `pause`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill pause totals
  tidemill pause totals --feed orders --partition 2")]
pub struct PauseArgs {
    /// What to pause.
    #[command(flatten)]
    pub target: Target,
}

/// `resume`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill resume totals                                     after the component or the feed was repaired
  tidemill resume totals --feed orders --partition 2 --park  put the event aside that it stopped at, and go on")]
pub struct ResumeArgs {
    /// What to resume.
    #[command(flatten)]
    pub target: Target,

    /// Put the event aside that it stopped at (the one that `tidemill status` shows).
    #[arg(long, conflicts_with = "skip")]
    park: bool,

    /// Leave out the event that it stopped at (the one that `tidemill status` shows).
    #[arg(long)]
    skip: bool,
}

/// `reset`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill reset totals                                         delete its state, begin all its feeds anew
  tidemill reset totals --feed orders --partition 2 --to 1002   move one cursor; the state stays as it is
  tidemill reset totals --feed orders --partition 2 --to first  read one partition again, onto the state as it is

Without a partition the state and the parked events are deleted, and all feeds are read anew. A processor that is not configured
any more is removed.

With one, shared state stays as it is, with `--to first` too: events that come again are applied to it again, and events that are
passed over are left out. Only you can know whether the state allows it. With `state = \"partitioned\"`, `--to first` deletes the
state of that partition. Its parked events are deleted by `--to first` in any case.")]
pub struct ResetArgs {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// The feed of the partition to move.
    #[arg(long, value_parser = words::feed, requires_all = ["partition", "to"])]
    feed: Option<FeedName>,

    /// The partition to move.
    #[arg(long, value_parser = words::partition, requires = "feed")]
    partition: Option<PartitionId>,

    /// Where to: a cursor, or `first` for the beginning. Shared state stays as it is.
    #[arg(long, value_name = "CURSOR|first", value_parser = words::fixed_place, requires = "feed")]
    to: Option<ReadFrom>,

    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

/// A processor, or one of its partitions.
#[derive(Debug, Args)]
pub struct Target {
    /// The processor.
    #[arg(value_parser = words::processor)]
    pub processor: ProcessorName,

    /// Only partitions of this feed.
    #[arg(long, value_parser = words::feed)]
    pub feed: Option<FeedName>,

    /// Only this partition of the feed.
    #[arg(long, value_parser = words::partition, requires = "feed")]
    pub partition: Option<PartitionId>,
}

impl ResumeArgs {
    /// What to do with the event that the partition stopped at; none: try it again.
    #[must_use]
    pub fn policy(&self) -> Option<RejectPolicy> {
        match (self.park, self.skip) {
            (true, _) => Some(RejectPolicy::Park),
            (false, true) => Some(RejectPolicy::Skip),
            (false, false) => None,
        }
    }
}

impl ResetArgs {
    /// The partition to move and where to; none: the whole processor, to the beginning, its state deleted.
    #[must_use]
    pub fn move_to(&self) -> Option<(PartitionKey, ReadFrom)> {
        let key = PartitionKey { feed: self.feed.clone()?, partition: self.partition.clone()? };
        Some((key, self.to.clone()?))
    }
}
