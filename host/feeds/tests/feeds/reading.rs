//! Opening a feed and reading a page, as the tests need it.

use std::num::NonZeroU32;

use tidemill_feeds::{Address, Feed, FeedSettings, Protocol};
use tidemill_pipeline::{
    Ask, Cursor, Failure, FeedName, Fetched, PageEnd, PartitionId, ReadFrom, Source, ValueRef, way,
};

/// What a page came to: its spans as cursor and payloads, and how it ended.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) spans: Vec<(String, Vec<String>)>,
    pub(crate) end: Result<PageEnd, Failure>,
}

impl Read {
    /// The failure, whether it was an error or cut the page.
    #[track_caller]
    pub(crate) fn failure(self) -> Failure {
        match self.end {
            Err(failure) | Ok(PageEnd { cut: Some(failure), .. }) => failure,
            Ok(end) => panic!("{end:?} with {:?}", self.spans),
        }
    }
}

pub(crate) fn settings(url: &str, protocol: Protocol) -> FeedSettings {
    let address = Address::Http(url.parse().unwrap());
    let partitions = NonZeroU32::new(if protocol == Protocol::FeedApi { 0 } else { 2 });
    FeedSettings { protocol, partitions, ..FeedSettings::new(FeedName::new("orders"), address) }
}

/// A feed of ZeroEventHub with two partitions.
pub(crate) fn zero(url: &str) -> Feed {
    Feed::open(settings(url, Protocol::ZeroEventHub)).unwrap()
}

pub(crate) fn after(cursor: &str) -> ReadFrom {
    ReadFrom::After(Cursor::new(cursor).unwrap())
}

/// Fetches a page of partition 0.
pub(crate) async fn read(feed: &Feed, from: ReadFrom) -> Read {
    read_partition(feed, "0", from, 10).await
}

pub(crate) async fn read_partition(feed: &Feed, partition: &str, from: ReadFrom, page_size: u32) -> Read {
    let (mut sink, mut fetched) = way(1 << 30);
    let ask = Ask { from, page_size: NonZeroU32::new(page_size).unwrap() };
    let end = feed.source(PartitionId::new(partition)).fetch(ask, &mut sink).await;
    drop(sink);
    let mut spans = Vec::new();
    while let Some(Fetched::Span(span, _)) = fetched.recv().await {
        let text = |value| match value {
            ValueRef::Text(text) => text.to_owned(),
            ValueRef::Bytes(bytes) => format!("{bytes:?}"),
        };
        spans.push((span.to().to_string(), span.events().map(|event| text(event.data())).collect()));
    }
    Read { spans, end }
}

pub(crate) fn spans(expected: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let owned = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect();
    expected.iter().map(|(cursor, events)| ((*cursor).to_owned(), owned(events))).collect()
}
