//! One partition of a feed, read by cursor.

use std::{fmt, time::Duration};

use tidemill_pipeline::{Ask, Failure, PageEnd, PartitionId, ReadFrom, Source, SpanSink};
use tokio::time::sleep;

use crate::{Feed, feed::Place, flight::PublishedPages, reader::Reader, recorded};

/// One partition of a [`Feed`]. Those of one partition that stand at the same place share what its publisher answers.
pub struct FeedSource(Way);

enum Way {
    Publisher(Reader<PublishedPages>),
    File(Feed, PartitionId),
}

impl FeedSource {
    pub(crate) fn published(reader: Reader<PublishedPages>) -> Self {
        Self(Way::Publisher(reader))
    }

    pub(crate) fn recorded(feed: Feed, partition: PartitionId) -> Self {
        Self(Way::File(feed, partition))
    }
}

impl Source for FeedSource {
    async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        match &mut self.0 {
            Way::Publisher(reader) => reader.fetch(ask, spans).await,
            Way::File(feed, partition) => {
                let Place::File(path) = &feed.shared.place else { return Ok(PageEnd::default()) };
                recorded::fetch(&feed.shared.name, path, &feed.shared.bounds, partition, ask, spans).await
            }
        }
    }

    async fn rest(&mut self, from: &ReadFrom, interval: Duration) {
        match &mut self.0 {
            Way::Publisher(reader) => reader.rest(from, interval).await,
            Way::File(..) => sleep(interval).await,
        }
    }
}

impl fmt::Debug for FeedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedSource").finish_non_exhaustive()
    }
}
