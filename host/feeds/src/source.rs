//! One partition of a feed, read by cursor.

use std::{fmt, time::Duration};

use tidemill_pipeline::{Ask, Failure, PageEnd, PartitionId, ProcessorName, ReadFrom, Source, SpanSink};
use tokio::time::sleep;

use crate::{Feed, feed::Place, flight::PublishedPages, reader::Reader, recorded};

/// One partition of a [`Feed`]. Those of one partition that stand at the same place share what its publisher answers.
pub struct FeedSource {
    way: Way,
    processor: Option<ProcessorName>,
}

/// Begins the commands in hints that need the name of the processor that reads. One fetch may serve several, so the name is put in
/// last; and who only looks has nothing to reset.
pub(crate) const RESET: &str = "tidemill reset PROCESSOR";

/// Stands in such a command for a cursor that only the publisher knows.
pub(crate) const SOME_CURSOR: &str = "CURSOR";

/// Begins the end of hints that say how to look at what comes. Who looks already would be sent in a circle.
pub(crate) const LOOK: &str = "at what comes with `tidemill feed tail";

enum Way {
    Publisher(Reader<PublishedPages>),
    File(Feed, PartitionId),
}

impl FeedSource {
    pub(crate) fn published(reader: Reader<PublishedPages>) -> Self {
        Self { way: Way::Publisher(reader), processor: None }
    }

    pub(crate) fn recorded(feed: Feed, partition: PartitionId) -> Self {
        Self { way: Way::File(feed, partition), processor: None }
    }

    /// The same, with the name of the processor that reads, for the commands in hints.
    #[must_use]
    pub fn read_by(self, processor: ProcessorName) -> Self {
        Self { processor: Some(processor), ..self }
    }

    /// A failure whose hint is for who reads: it names the processor, or says where else to begin.
    fn named(&self, failure: Failure) -> Failure {
        let named = |hint: String| match &self.processor {
            Some(processor) => hint.replace(RESET, &format!("tidemill reset {processor}")),
            None => begin_elsewhere(&hint).unwrap_or(hint),
        };
        Failure { hint: failure.hint.map(named), ..failure }
    }
}

/// A hint for who reads as no processor, with the option of the commands that do so in the place of a reset, or of a look.
fn begin_elsewhere(hint: &str) -> Option<String> {
    if let Some((before, _)) = hint.split_once(LOOK) {
        return Some(format!("{before}say `--from` and a cursor behind it to pass it over"));
    }
    let (before, reset) = hint.split_once(&format!("`{RESET}"))?;
    let (reset, after) = reset.split_once('`')?;
    Some(match reset.rsplit(' ').next()? {
        SOME_CURSOR => format!("{before}say `--from` and a cursor behind it{after}"),
        place => format!("{before}say `--from {place}`{after}"),
    })
}

impl Source for FeedSource {
    async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        let end = match &mut self.way {
            Way::Publisher(reader) => reader.fetch(ask, spans).await,
            Way::File(feed, partition) => {
                let Place::File(path) = &feed.shared.place else { return Ok(PageEnd::default()) };
                recorded::fetch(&feed.shared.name, path, &feed.shared.bounds, partition, ask, spans).await
            }
        };
        let named = |failure| self.named(failure);
        end.map(|end| PageEnd { cut: end.cut.map(named), ..end }).map_err(named)
    }

    async fn rest(&mut self, from: &ReadFrom, interval: Duration) {
        match &mut self.way {
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
