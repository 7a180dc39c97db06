//! The lookout: the observer that tells the chronicle of every batch, without ever holding up a worker.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use tidemill_pipeline::{Committed, Failed, Observer};
use tokio::sync::mpsc;

use super::news::News;

/// Tells of batches. What finds no room is only counted.
#[derive(Debug)]
pub(crate) struct Lookout {
    news: mpsc::Sender<News>,
    batches_missed: AtomicU64,
    events_missed: AtomicU64,
}

impl Lookout {
    pub(crate) fn new(news: mpsc::Sender<News>) -> Self {
        Self { news, batches_missed: AtomicU64::new(0), events_missed: AtomicU64::new(0) }
    }

    /// Batches and events that found no room since this was asked last.
    pub(crate) fn missed(&self) -> (u64, u64) {
        (self.batches_missed.swap(0, Ordering::Relaxed), self.events_missed.swap(0, Ordering::Relaxed))
    }
}

impl Observer for Lookout {
    fn committed(&self, committed: Committed) {
        let events = committed.batch.len() as u64;
        if self.news.try_send(News::Committed(Box::new(committed), Instant::now())).is_err() {
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
