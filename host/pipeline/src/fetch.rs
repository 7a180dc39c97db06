//! Fetching: page after page of one partition, ahead of what is processed, for as long as somebody listens.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{
    Ask, Backoff, Failure, FailureKind, Fetched, Monitor, PageEnd, ReadFrom, RetryPolicy, SinkClosed, Source, SpanSink,
    Stage,
};

/// How a partition is fetched.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The hint for how many events a page should have.
    pub page_size: NonZeroU32,
    /// The wait after a page without an event.
    pub poll_interval: Duration,
    /// The waits after failures.
    pub retry: RetryPolicy,
}

/// Pages with events and no checkpoint, each asked for with a larger page size, before the worker stops.
const BARREN_PAGES_MAX: u32 = 6;
/// Failures in a row on one cursor after which the cursor itself is suspect.
const SUSPECT_FAILURES: u32 = 8;
/// Event-free pages after which a closed partition is finished: two that leave the cursor alone, or ten in all.
const CALM_PAGES: u32 = 2;
const CLOSED_PAGES: u32 = 10;
/// The wait after the first event-free page that moved the cursor, and between pages of a closed partition.
const SHORT_WAIT: Duration = Duration::from_millis(50);

/// Fetches one partition.
#[derive(Debug)]
pub struct Fetcher<S> {
    source: S,
    settings: FetchSettings,
    closed: watch::Receiver<bool>,
    monitor: Arc<Monitor>,
}

/// Why fetching ends.
enum End {
    Finished,
    Failed(Failure),
    Unheard,
}

impl From<SinkClosed> for End {
    fn from(SinkClosed: SinkClosed) -> Self {
        Self::Unheard
    }
}

/// What fetching remembers from page to page.
struct Run {
    from: ReadFrom,
    page_size: NonZeroU32,
    backoff: Backoff,
    barren: u32,
    event_free: u32,
    closed_pages: u32,
    calm_pages: u32,
}

impl<S: Source> Fetcher<S> {
    /// A fetcher of a source. `closed` says whether a discovery listed the partition as closed.
    pub fn new(source: S, settings: FetchSettings, closed: watch::Receiver<bool>, monitor: Arc<Monitor>) -> Self {
        Self { source, settings, closed, monitor }
    }

    /// Fetches from a place on. Ends with [`Fetched::Finished`] or [`Fetched::Failed`], or when nobody listens.
    pub(crate) async fn run(&mut self, from: ReadFrom, mut sink: SpanSink) {
        let mut run = Run {
            from,
            page_size: self.settings.page_size,
            backoff: Backoff::new(self.settings.retry),
            barren: 0,
            event_free: 0,
            closed_pages: 0,
            calm_pages: 0,
        };
        let end = loop {
            if let Err(end) = self.page(&mut run, &mut sink).await {
                break end;
            }
        };
        let last_word = match end {
            End::Finished => sink.send(Fetched::Finished).await,
            End::Failed(failure) => sink.send(Fetched::Failed(failure)).await,
            End::Unheard => Ok(()),
        };
        if last_word.is_err() {
            tracing::debug!("the worker stopped listening before fetching ended");
        }
    }

    /// Fetches one page and waits as long as its answer asks for.
    async fn page(&mut self, run: &mut Run, sink: &mut SpanSink) -> Result<(), End> {
        let closed = *self.closed.borrow();
        let ask = Ask { from: run.from.clone(), page_size: run.page_size };
        let answer = self.source.fetch(ask, sink).await;
        if let Some(cursor) = sink.circle() {
            let cause = format!("the feed's cursor goes in a circle: `{cursor}` came again after events");
            let failure = Failure::broken(Stage::Fetch, cause);
            return Err(End::Failed(
                failure.hint("the publisher has to be repaired: reading on would apply events twice"),
            ));
        }
        let page = sink.take_page();
        let moved = page.to.as_ref().is_some_and(|to| Some(to) != run.from.cursor());
        if let Some(to) = page.to {
            run.from = ReadFrom::After(to);
        }
        match answer {
            // Events that no checkpoint follows are not read: there is more, whether or not the cursor moved.
            Ok(PageEnd { cut: None, tail_events }) if page.events == 0 && tail_events > 0 => self.barren(run).await,
            Ok(PageEnd { cut: None, .. }) => {
                self.heard(run);
                if page.events > 0 {
                    run.rest();
                    run.page_size = self.settings.page_size;
                    Ok(())
                } else {
                    run.barren = 0;
                    // A closed partition is not at rest before it is finished: then its children begin.
                    if !closed {
                        sink.send(Fetched::Idle).await?;
                    }
                    self.idle(run, closed, moved).await
                }
            }
            Ok(PageEnd { cut: Some(failure), .. }) | Err(failure) => {
                if page.events > 0 || moved {
                    self.heard(run);
                    run.rest();
                }
                self.failed(run, failure).await
            }
        }
    }

    fn heard(&self, run: &mut Run) {
        run.backoff.reset();
        self.monitor.send_if_modified(|seen| seen.feed_trouble.take().is_some());
    }

    async fn failed(&self, run: &mut Run, failure: Failure) -> Result<(), End> {
        if failure.kind != FailureKind::Unavailable {
            return Err(End::Failed(failure));
        }
        let wait = run.backoff.next(failure.retry_after);
        let known = self.monitor.borrow().feed_trouble.as_ref().is_some_and(|known| known.cause == failure.cause);
        if !known {
            let hint = failure.hint.as_deref();
            tracing::warn!(from = %run.from, cause = %failure.cause, hint, ?wait, "the feed is not available; it is asked again");
        } else if run.backoff.failures() == SUSPECT_FAILURES {
            tracing::warn!(
                from = %run.from, failures = SUSPECT_FAILURES, cause = %failure.cause,
                "the feed keeps failing at one place: if its other partitions work, the cursor itself is suspect"
            );
        } else {
            tracing::debug!(from = %run.from, cause = %failure.cause, ?wait, "the feed is not available");
        }
        self.monitor.send_modify(|seen| seen.feed_trouble = Some(failure));
        sleep(wait).await;
        Ok(())
    }

    /// A page with events and no checkpoint: it will come again, so ask for a larger one.
    async fn barren(&self, run: &mut Run) -> Result<(), End> {
        run.barren += 1;
        if run.barren > BARREN_PAGES_MAX {
            let cause = format!(
                "the feed sent {BARREN_PAGES_MAX} pages with events and no checkpoint, the last of page size {}",
                run.page_size
            );
            let failure = Failure::broken(Stage::Fetch, cause);
            return Err(End::Failed(
                failure.hint("raise `page-size` of the feed, or ask the publisher to send checkpoints"),
            ));
        }
        run.page_size = run.page_size.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        sleep(run.backoff.next(None)).await;
        Ok(())
    }

    async fn idle(&self, run: &mut Run, closed: bool, moved: bool) -> Result<(), End> {
        run.event_free = run.event_free.saturating_add(1);
        if closed {
            run.closed_pages += 1;
            run.calm_pages = if moved { 0 } else { run.calm_pages + 1 };
            if run.calm_pages >= CALM_PAGES || run.closed_pages >= CLOSED_PAGES {
                return Err(End::Finished);
            }
            sleep(SHORT_WAIT.min(self.settings.poll_interval)).await;
        } else if moved {
            sleep(SHORT_WAIT.saturating_mul(run.event_free).min(self.settings.poll_interval)).await;
        } else {
            sleep(self.settings.poll_interval).await;
        }
        Ok(())
    }
}

impl Run {
    /// Events arrived: the counts of pages without them begin anew.
    fn rest(&mut self) {
        self.barren = 0;
        self.event_free = 0;
        self.closed_pages = 0;
        self.calm_pages = 0;
    }
}
