//! Page after page of one partition, for somebody who only looks.

use std::{num::NonZeroU32, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tidemill_pipeline::{
    Ask, Backoff, Cursor, Failure, FailureKind, FeedName, Fetched, PageEnd, PartitionId, ReadFrom, RetryPolicy, Room,
    Source, Span, way,
};
use tokio::{sync::mpsc, time::sleep};

use crate::{config::FeedConfig, host::Feed, outage::Outage};

/// Pieces that wait to be taken.
const PIECES_MAX: usize = 16;
/// What one page may have in memory before it is printed, in bytes.
const AHEAD_BYTES_MAX: u32 = 1024 * 1024;
/// The largest page that is asked for when pages bring no checkpoint.
const PAGE_SIZE_MAX: u32 = 1_000_000;

/// The waits after failures: each is told to a person.
fn retry_policy() -> RetryPolicy {
    RetryPolicy { delay_min: Duration::from_secs(1), ..RetryPolicy::default() }
}

/// A span that came, and the room that it takes until it is printed.
#[derive(Debug)]
pub(in crate::commands) struct Piece {
    pub(in crate::commands) partition: PartitionId,
    pub(in crate::commands) span: Span,
    _room: Room,
}

/// Follows one partition.
#[derive(Debug)]
pub(in crate::commands) struct Follower {
    name: FeedName,
    feed: Feed,
    partition: PartitionId,
    page_size: NonZeroU32,
    poll_interval: Duration,
    until_end: bool,
}

/// Followers of the partitions that somebody looks at. They go on while their next piece is waited for, and nothing of them is left when
/// they are dropped: a task would complain of the runtime that ends with its command.
pub(in crate::commands) struct Followers {
    pieces: mpsc::Receiver<Piece>,
    running: FuturesUnordered<BoxFuture<'static, Result<(), Failure>>>,
    /// Why one of them ended, until what it brought before was given.
    failed: Option<Failure>,
}

/// What a page brought.
struct Page {
    end: Result<PageEnd, Failure>,
    to: Option<Cursor>,
    events: usize,
    heard: bool,
}

/// The partitions of a feed. Waits for a publisher that is not there, saying so.
///
/// # Errors
/// When waiting does not help.
pub(in crate::commands) async fn discover(name: &FeedName, feed: &Feed) -> Result<Vec<PartitionId>, Failure> {
    let (mut backoff, mut outage) = (Backoff::new(retry_policy()), Outage::default());
    loop {
        match feed.discover().await {
            Ok(discovery) => return Ok(discovery.partitions.into_iter().map(|listed| listed.id).collect()),
            Err(failure) if failure.kind == FailureKind::Unavailable => {
                let wait = backoff.next(failure.retry_after);
                if let Some(tries) = outage.failed(&failure) {
                    tracing::warn!(feed = %name, cause = %failure.cause, hint = failure.hint.as_deref(), tries, ?wait, "the feed cannot be discovered now; asking again");
                }
                sleep(wait).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

impl Followers {
    /// Those of some partitions, which all begin at the same place.
    pub(in crate::commands) fn of(followers: impl Iterator<Item = Follower>, from: &ReadFrom) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let running = followers.map(|follower| follower.run(from.clone(), sender.clone()).boxed()).collect();
        Self { pieces, running, failed: None }
    }

    /// What comes next, of any of them. None when each has come to its end.
    ///
    /// # Errors
    /// When waiting does not help one of them, and what it brought before was given.
    pub(in crate::commands) async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some(failure) = self.failed.take() {
                let Ok(piece) = self.pieces.try_recv() else { return Err(failure) };
                self.failed = Some(failure);
                return Ok(Some(piece));
            }
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => return Ok(Some(piece)),
                // It may have sent some pieces in the same turn.
                Some(ended) = self.running.next() => self.failed = ended.err(),
                else => return Ok(None),
            }
        }
    }
}

impl Follower {
    pub(in crate::commands) fn new(name: FeedName, feed: Feed, partition: PartitionId, settings: &FeedConfig) -> Self {
        let FeedConfig { page_size, poll_interval, .. } = settings;
        Self { name, feed, partition, page_size: *page_size, poll_interval: *poll_interval, until_end: false }
    }

    /// Ends where the feed has no more.
    pub(in crate::commands) fn until_end(self) -> Self {
        Self { until_end: true, ..self }
    }

    /// Hands on spans for as long as somebody listens.
    ///
    /// # Errors
    /// When waiting does not help.
    async fn run(self, mut from: ReadFrom, pieces: mpsc::Sender<Piece>) -> Result<(), Failure> {
        let mut source = self.feed.source(self.partition.clone());
        let (mut backoff, mut outage) = (Backoff::new(retry_policy()), Outage::default());
        let mut page_size = self.page_size;
        loop {
            let page = self.page(&mut source, Ask { from: from.clone(), page_size }, &pieces).await;
            if !page.heard {
                return Ok(());
            }
            let moved = page.to.as_ref().is_some_and(|to| Some(to) != from.cursor());
            if let Some(to) = page.to {
                from = ReadFrom::After(to);
            }
            if page.events > 0 || moved {
                backoff.reset();
                outage.end();
                page_size = self.page_size;
            }
            match page.end {
                Ok(PageEnd { cut: None, tail_events: 0 }) => {
                    backoff.reset();
                    outage.end();
                    if page.events == 0 && self.until_end {
                        return Ok(());
                    }
                    if page.events == 0 {
                        sleep(self.poll_interval).await;
                    }
                }
                Ok(PageEnd { cut: None, .. }) if page.events > 0 || moved => {}
                Ok(PageEnd { cut: None, tail_events }) => {
                    let next = page_size.saturating_mul(NonZeroU32::MIN.saturating_add(1));
                    page_size = if next.get() > PAGE_SIZE_MAX { page_size } else { next };
                    let wait = backoff.next(None);
                    tracing::warn!(feed = %self.name, partition = %self.partition, tail_events, page_size, "a page brought events and no checkpoint; asking for a larger one");
                    sleep(wait).await;
                }
                Ok(PageEnd { cut: Some(failure), .. }) | Err(failure) => {
                    self.wait_after(failure, &mut backoff, &mut outage).await?;
                }
            }
        }
    }

    async fn wait_after(&self, failure: Failure, backoff: &mut Backoff, outage: &mut Outage) -> Result<(), Failure> {
        match failure.kind {
            FailureKind::Unavailable => {
                let wait = backoff.next(failure.retry_after);
                if let Some(tries) = outage.failed(&failure) {
                    tracing::warn!(feed = %self.name, partition = %self.partition, cause = %failure.cause, hint = failure.hint.as_deref(), tries, ?wait, "the feed cannot be read now; asking again");
                }
                sleep(wait).await;
                Ok(())
            }
            FailureKind::Moved => {
                sleep(backoff.next(None)).await;
                let listed = discover(&self.name, &self.feed).await?;
                if listed.contains(&self.partition) {
                    return Ok(());
                }
                let cause = format!("feed `{}` does not list partition {} any more", self.name, self.partition);
                Err(Failure { kind: FailureKind::Broken, cause, ..failure }
                    .hint("begin again, to see the partitions that it has now"))
            }
            FailureKind::Rejected
            | FailureKind::Halted
            | FailureKind::Stalled
            | FailureKind::Fenced
            | FailureKind::Full
            | FailureKind::Superseded
            | FailureKind::Broken => Err(failure),
        }
    }

    /// Asks for one page, and hands on its spans as they come. Each page has a way of its own: whoever only looks
    /// may go in a circle.
    async fn page(&self, source: &mut impl Source, ask: Ask, pieces: &mpsc::Sender<Piece>) -> Page {
        let (mut sink, mut spans) = way(AHEAD_BYTES_MAX);
        let fetch = async move { source.fetch(ask, &mut sink).await };
        let hand_on = async {
            let (mut to, mut events, mut heard) = (None, 0, true);
            while let Some(fetched) = spans.recv().await {
                let Fetched::Span(span, room) = fetched else { continue };
                to = Some(span.to().clone());
                if span.is_empty() && span.from().cursor() == Some(span.to()) {
                    // The feed only says again that there is nothing new.
                    continue;
                }
                events += span.len();
                heard = pieces.send(Piece { partition: self.partition.clone(), span, _room: room }).await.is_ok();
                if !heard {
                    spans.close();
                    break;
                }
            }
            (to, events, heard)
        };
        let (end, (to, events, heard)) = tokio::join!(fetch, hand_on);
        Page { end, to, events, heard }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidemill_pipeline::{Cursor, Event, Stage};

    use super::*;

    #[tokio::test]
    async fn what_came_before_a_failure_is_given_before_it() {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let (mut sink, mut spans) = way(1);
        for place in 1..=3 {
            let (from, to) = (Cursor::new(&(place - 1).to_string()).unwrap(), Cursor::new(&place.to_string()).unwrap());
            sink.push(Span::new(ReadFrom::After(from), to, Bytes::new(), vec![Event::text(0..0)])).await.unwrap();
        }
        // All of it in one turn, as a follower does that reads a file.
        let follower = async move {
            while let Ok(Fetched::Span(span, room)) = spans.try_recv() {
                let piece = Piece { partition: PartitionId::new("0"), span, _room: room };
                assert!(sender.send(piece).await.is_ok());
            }
            Err(Failure::broken(Stage::Fetch, "a line is too long"))
        };
        let mut followers = Followers { pieces, running: [follower.boxed()].into_iter().collect(), failed: None };
        for place in ["1", "2", "3"] {
            let piece = followers.next().await.unwrap().expect("a piece");
            assert_eq!(piece.span.to().as_str(), place);
        }
        assert_eq!(followers.next().await.err().map(|failure| failure.cause), Some("a line is too long".to_owned()));
        assert!(followers.next().await.unwrap().is_none());
    }
}
