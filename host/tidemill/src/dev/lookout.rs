//! The lookout: the observer that tells the chronicle of every batch, without ever holding up a worker.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use tidemill_pipeline::{Change, Committed, Failed, Observer, Value};
use tokio::sync::mpsc;

use super::news::News;

/// Payloads and values that wait to be shown, in bytes: a view that stands still, behind a pager or a terminal that was halted, must
/// not keep the whole feed.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Tells of batches. What finds no room is only counted.
#[derive(Debug)]
pub(crate) struct Lookout {
    news: mpsc::Sender<News>,
    bytes_waiting: AtomicUsize,
    batches_missed: AtomicU64,
    events_missed: AtomicU64,
}

impl Lookout {
    pub(crate) fn new(news: mpsc::Sender<News>) -> Self {
        Self {
            news,
            bytes_waiting: AtomicUsize::new(0),
            batches_missed: AtomicU64::new(0),
            events_missed: AtomicU64::new(0),
        }
    }

    /// A batch that was told of is shown now.
    pub(crate) fn taken(&self, committed: &Committed) {
        self.bytes_waiting.fetch_sub(bytes(committed), Ordering::Relaxed);
    }

    /// Batches and events that found no room since this was asked last.
    pub(crate) fn missed(&self) -> (u64, u64) {
        (self.batches_missed.swap(0, Ordering::Relaxed), self.events_missed.swap(0, Ordering::Relaxed))
    }
}

impl Observer for Lookout {
    fn committed(&self, committed: Committed) {
        let (events, bytes) = (committed.batch.len() as u64, bytes(&committed));
        let waiting = self.bytes_waiting.fetch_add(bytes, Ordering::Relaxed);
        // One is told of however large it is, if none waits.
        let fits = waiting == 0 || waiting.saturating_add(bytes) <= BYTES_MAX;
        if !fits || self.news.try_send(News::Committed(Box::new(committed), Instant::now())).is_err() {
            self.bytes_waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.batches_missed.fetch_add(1, Ordering::Relaxed);
            self.events_missed.fetch_add(events, Ordering::Relaxed);
        }
    }

    fn failed(&self, failed: Failed) {
        // Its partition stops or waits: there is room soon enough, and if not, `status` has it.
        if self.news.try_send(News::Failed(Box::new(failed))).is_err() {
            tracing::warn!("a batch failed while too much was shown to say which");
        }
    }
}

/// What a batch keeps in memory, nearly.
fn bytes(committed: &Committed) -> usize {
    let size = |value: &Option<Value>| value.as_ref().map_or(0, Value::len);
    let change = |change: &Change| change.key.len() + size(&change.before) + size(&change.after);
    let parked = committed.parked.iter().map(|parked| parked.payload.len() + parked.reason.len());
    committed.batch.bytes() + committed.changes.iter().map(change).chain(parked).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use tidemill_pipeline::{
        Batch, Cost, Cursor, Event, FeedName, PartitionId, PartitionKey, ProcessorName, ReadFrom, Span,
    };

    use super::*;

    fn committed(bytes: usize) -> Committed {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        let event = Event::bytes(0..u32::try_from(bytes).unwrap());
        let span = Span::new(ReadFrom::First, Cursor::new("1").unwrap(), Bytes::from(vec![0; bytes]), vec![event]);
        Committed {
            processor: ProcessorName::new("totals"),
            batch: Arc::new(Batch::new(key, span)),
            changes: Vec::new(),
            parked: Vec::new(),
            skipped: 0,
            cost: Cost::default(),
            component: None,
            applying: Duration::ZERO,
            committing: Duration::ZERO,
        }
    }

    #[test]
    fn what_waits_to_be_shown_is_bounded_in_bytes_too() {
        let (news, mut told) = mpsc::channel(1_000);
        let lookout = Lookout::new(news);
        lookout.committed(committed(BYTES_MAX + 1));
        lookout.committed(committed(1));
        assert_eq!(lookout.missed(), (1, 1), "the large one is told of, and nothing beside it");
        let Ok(News::Committed(large, _)) = told.try_recv() else { panic!("it was told of") };
        lookout.taken(&large);
        for _ in 0..100 {
            lookout.committed(committed(BYTES_MAX / 10));
        }
        assert_eq!((told.len(), lookout.missed().0), (10, 90));
        while let Ok(News::Committed(small, _)) = told.try_recv() {
            lookout.taken(&small);
        }
        lookout.committed(committed(BYTES_MAX));
        assert_eq!((told.len(), lookout.missed().0), (1, 0), "all of the room is free again");
    }
}
