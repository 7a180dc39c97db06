//! A stretch of a feed: whole spans from a place on, until it is enough or the feed has no more.

use tidemill_pipeline::{FeedName, PartitionId, ReadFrom, Span};

use super::tail::{
    chosen, configured,
    pages::{Follower, Followers, discover},
};
use crate::{
    config::{Config, FeedConfig},
    host::{Feed, open_feed},
};

/// Where to read.
pub(super) struct Stretch<'a> {
    name: &'a FeedName,
    settings: &'a FeedConfig,
    feed: Feed,
    from: ReadFrom,
    partitions: Vec<PartitionId>,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There were as many events as were wanted.
    Enough,
    /// The feed has no more.
    AtTheEnd,
}

impl<'a> Stretch<'a> {
    /// Asks the feed for its partitions.
    pub(super) async fn open(
        config: &'a Config,
        name: &'a FeedName,
        partition: Option<&PartitionId>,
        from: &ReadFrom,
    ) -> anyhow::Result<Self> {
        let settings = configured(config, name)?;
        let feed = open_feed(name, settings)?;
        let listed = discover(name, &feed).await?;
        let partitions = chosen(name, partition, from, listed)?;
        Ok(Self { name, settings, feed, from: from.clone(), partitions })
    }

    /// The partitions that are read.
    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// Gives span after span to `take`, until there were `events` events.
    pub(super) async fn read(
        self,
        events: u64,
        mut take: impl FnMut(PartitionId, Span) -> anyhow::Result<()>,
    ) -> anyhow::Result<Ended> {
        let follower =
            |partition| Follower::new(self.name.clone(), self.feed.clone(), partition, self.settings).until_end();
        let mut followers = Followers::of(self.partitions.into_iter().map(follower), &self.from);
        let mut taken = 0;
        while taken < events {
            let Some(piece) = followers.next().await? else { return Ok(Ended::AtTheEnd) };
            taken += piece.span.len() as u64;
            take(piece.partition.clone(), piece.span.clone())?;
        }
        Ok(Ended::Enough)
    }
}
