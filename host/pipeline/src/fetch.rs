//! Fetching: page after page of one partition, ahead of what is processed, for as long as somebody listens.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{
    Ask, Backoff, Failure, FailureKind, Fetched, Monitor, PageEnd, ReadFrom, RetryPolicy, SinkClosed, Source, SpanSink,
    Stage, failpoint,
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
        failpoint::reach("before-fetch");
        let answer = self.source.fetch(ask, sink).await;
        failpoint::reach("after-fetch");
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
            tracing::warn!(from = %run.from, cause = %failure.cause, hint, ?wait, "the feed cannot be read now; it is asked again");
        } else if run.backoff.failures() == SUSPECT_FAILURES {
            tracing::warn!(
                from = %run.from, failures = SUSPECT_FAILURES, cause = %failure.cause,
                "the feed keeps failing at one place: if its other partitions work, the cursor itself is suspect"
            );
        } else {
            tracing::debug!(from = %run.from, cause = %failure.cause, ?wait, "the feed cannot be read now");
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

    async fn idle(&mut self, run: &mut Run, closed: bool, moved: bool) -> Result<(), End> {
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
            self.source.rest(&run.from, self.settings.poll_interval).await;
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;
    use tokio::{sync::mpsc, time::timeout};

    use super::*;
    use crate::{Cursor, Event, Seen, Span, way};

    /// One answer of the feed: the cursors and events of its spans, the events behind them, and how it ended.
    #[derive(Clone)]
    struct Answer {
        spans: Vec<(&'static str, usize)>,
        tail_events: u64,
        failure: Option<Failure>,
    }

    fn page(spans: &[(&'static str, usize)], tail_events: u64) -> Answer {
        Answer { spans: spans.to_vec(), tail_events, failure: None }
    }

    fn failing(kind: FailureKind) -> Answer {
        Answer { failure: Some(Failure::new(kind, Stage::Fetch, "no")), ..page(&[], 0) }
    }

    /// A feed that gives its answers in order, the last one for ever, and keeps what it was asked.
    struct Script {
        answers: VecDeque<Answer>,
        asked: Arc<std::sync::Mutex<Vec<Ask>>>,
    }

    impl Source for Script {
        async fn fetch(&mut self, ask: Ask, sink: &mut SpanSink) -> Result<PageEnd, Failure> {
            let answer = self.answers.front().cloned().unwrap();
            if self.answers.len() > 1 {
                self.answers.pop_front();
            }
            let mut from = ask.from.clone();
            self.asked.lock().unwrap().push(ask);
            for (to, events) in answer.spans {
                let to = Cursor::new(to).unwrap();
                let span = Span::new(from, to.clone(), Bytes::new(), vec![Event::text(0..0); events]);
                from = ReadFrom::After(to);
                if sink.push(span).await.is_err() {
                    break;
                }
            }
            answer.failure.map_or(Ok(PageEnd { tail_events: answer.tail_events, cut: None }), Err)
        }
    }

    /// Fetches from the beginning until the last word, or for a day.
    async fn fetch(answers: Vec<Answer>, closed: bool) -> (Vec<Fetched>, Vec<Ask>) {
        let asked = Arc::default();
        let script = Script { answers: answers.into(), asked: Arc::clone(&asked) };
        let settings = FetchSettings {
            page_size: NonZeroU32::new(100).unwrap(),
            poll_interval: Duration::from_secs(1),
            retry: RetryPolicy { jitter_seed: Some(7), ..RetryPolicy::default() },
        };
        let monitor = Arc::new(Monitor::new(Seen::default()));
        let mut fetcher = Fetcher::new(script, settings, watch::Sender::new(closed).subscribe(), monitor);
        let (sink, mut way_out): (_, mpsc::Receiver<_>) = way(1024);
        // Whether it ends within the day shows in its last word.
        drop(timeout(Duration::from_hours(24), fetcher.run(ReadFrom::First, sink)).await);
        let mut words = Vec::new();
        while let Ok(word) = way_out.try_recv() {
            words.push(word);
        }
        let asked = asked.lock().unwrap().clone();
        (words, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn events_without_a_checkpoint_are_asked_for_in_larger_pages_and_then_stop_the_partition() {
        let (words, asked) = fetch(vec![page(&[], 5)], false).await;
        let sizes: Vec<u32> = asked.iter().map(|ask| ask.page_size.get()).collect();
        assert_eq!(sizes, [100, 200, 400, 800, 1600, 3200, 6400]);
        let [Fetched::Failed(failure)] = &words[..] else { panic!("{words:?}") };
        assert_eq!(failure.kind, FailureKind::Broken);
        assert!(failure.cause.contains("no checkpoint"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn events_behind_a_checkpoint_that_moves_are_not_taken_for_a_feed_without_more() {
        let moving = ["a", "b", "c", "d", "e", "f", "g"].map(|cursor| page(&[(cursor, 0)], 3));
        for closed in [false, true] {
            let (words, _) = fetch(moving.to_vec(), closed).await;
            assert!(words.iter().all(|word| matches!(word, Fetched::Span(..) | Fetched::Failed(_))), "{words:?}");
            assert!(matches!(words.last(), Some(Fetched::Failed(_))), "{words:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_partition_is_finished_after_two_pages_that_leave_the_cursor_alone() {
        let (words, asked) = fetch(vec![page(&[("a", 2)], 0), page(&[("a", 0)], 0)], true).await;
        assert!(matches!(words.last(), Some(Fetched::Finished)), "{words:?}");
        assert_eq!(asked.len(), 3);
        let events_again = vec![page(&[("a", 1)], 0), page(&[], 0), page(&[("b", 1)], 0), page(&[], 0)];
        assert_eq!(fetch(events_again, true).await.1.len(), 5, "events begin the count anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_partition_whose_cursor_keeps_moving_is_finished_after_ten_pages() {
        let cursors = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let (words, asked) = fetch(cursors.iter().map(|cursor| page(&[(cursor, 0)], 0)).collect(), true).await;
        assert!(matches!(words.last(), Some(Fetched::Finished)), "{words:?}");
        assert_eq!(asked.len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_is_not_available_is_asked_again_from_the_last_checkpoint_for_as_long_as_it_takes() {
        let broken_off = Answer { spans: vec![("a", 2)], ..failing(FailureKind::Unavailable) };
        let mut answers = vec![broken_off];
        answers.extend(vec![failing(FailureKind::Unavailable); 30]);
        answers.push(failing(FailureKind::Broken));
        let (words, asked) = fetch(answers, false).await;
        assert_eq!(asked.len(), 32);
        let after_a = ReadFrom::After(Cursor::new("a").unwrap());
        assert!(asked[1..].iter().all(|ask| ask.from == after_a), "{asked:?}");
        assert!(
            matches!(&words[..], [Fetched::Span(..), Fetched::Failed(failure)] if failure.kind == FailureKind::Broken)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_cursor_that_comes_back_after_events_stops_the_partition() {
        let circle = vec![
            page(&[("a", 1)], 0),
            page(&[("b", 1)], 0),
            page(&[("a", 1)], 0),
            page(&[("b", 1)], 0),
            page(&[("a", 1)], 0),
        ];
        let (words, _) = fetch(circle, false).await;
        let Some(Fetched::Failed(failure)) = words.last() else { panic!("{words:?}") };
        assert!(failure.cause.contains("circle"), "{failure}");
    }
}
