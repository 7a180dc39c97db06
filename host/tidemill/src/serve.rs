//! A publisher: a local log of events as a feed over HTTP, ZeroEventHub and FeedAPI at once.
//!
//! ```text
//!   GET /feed?n=3&cursor0=_first                            ZeroEventHub
//!   GET /feed                                               FeedAPI: discovery
//!   GET /feed/events?token=…&partition=0&cursor=_first      FeedAPI: events
//! ```
//!
//! An event's partition depends on the event (or the number of its line) and the number of partitions only, so that
//! nothing moves when the log grows. A cursor is a place in the log that all partitions share.

mod file;
mod generated;
mod log;
mod page;
mod partition;
mod query;
mod routes;

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use file::FileLog;
pub use generated::Generated;
pub use log::{Lines, Log, LogError, Position};

/// How long answers that are on their way may take after the end was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// How a log is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many partitions the events are spread over; at least 1.
    pub partitions: u32,
    /// The field whose value chooses the partition; where there is none, the number of the line does.
    pub key: Option<String>,
    /// How many events a page has if the reader does not say.
    pub page_events: usize,
    /// A checkpoint follows after so many events of a partition; at least 1.
    pub checkpoint_events: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: 1, key: None, page_events: 1_000, checkpoint_events: 100 }
    }
}

/// Publishes a log until `shutdown` ends, and lets answers that are on their way end within 5 seconds.
///
/// # Errors
/// When connections can no longer be accepted.
pub async fn serve(
    listener: TcpListener,
    log: Arc<dyn Log>,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = CancellationToken::new();
    let stop = stopping.clone();
    let server = axum::serve(listener, routes::router(log, options)).with_graceful_shutdown(async move {
        shutdown.await;
        stop.cancel();
    });
    let overdue = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = overdue => Ok(()),
    }
}

#[cfg(test)]
mod tests;
