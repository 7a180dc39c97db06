//! A replay: what the worker does about a failure of the feed, in virtual time: a real worker, and a source that fails as it was
//! seen to fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tidemill_feeds::{Bounds, Protocol};
use tidemill_pipeline::{Ask, Exit, Failure, FailureKind, PageEnd, ReadFrom, RetryPolicy, Source, SpanSink, Status};
use tokio::time::{Instant, sleep};
use tracing::{Event, Metadata, Subscriber, field::Visit, span};

use crate::{
    follow::{Follow, open_feed},
    trial::holds,
};

/// After so many failures in a row at one cursor the cursor itself is suspect, and the log says so.
const SUSPECT: usize = 8;

/// Checks what the worker does about a failure that comes again and again: when it asks again, whether it stops, and whether it
/// says that the cursor is suspect.
pub(crate) fn check(failure: &Failure) -> Result<()> {
    let warned = Arc::<AtomicUsize>::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    tracing::subscriber::with_default(Warnings(Arc::clone(&warned)), || {
        runtime.block_on(async {
            let asked = Arc::<Mutex<Vec<(Instant, ReadFrom)>>>::default();
            let feed = open_feed("http://127.0.0.1:1/", Protocol::ZeroEventHub, 1, Bounds::default())?;
            let follow = Follow::new(feed, Arc::new(|_| None));
            let source = Failing { failure: failure.clone(), asked: Arc::clone(&asked) };
            let retry = RetryPolicy::default();
            let mut partition = follow.along("0", source, retry).await?;
            match failure.kind {
                FailureKind::Moved => {
                    let exit = partition.exit(Duration::from_hours(1)).await;
                    holds!(matches!(exit, Some(Exit::Moved(_))), "{failure:?}: the worker ended with {exit:?}");
                }
                FailureKind::Unavailable => {
                    let wanted = failure.retry_after.unwrap_or_default().min(retry.asked_max);
                    sleep(12 * wanted.max(retry.delay_max)).await;
                    let asked = asked.lock().expect("no holder panics").clone();
                    holds!(asked.len() > SUSPECT, "{failure:?}: asked {} times in twelve waits", asked.len());
                    for (number, pair) in asked.windows(2).enumerate() {
                        let pause = pair[1].0 - pair[0].0;
                        let doubled = retry.delay_min * 2_u32.saturating_pow(u32::try_from(number)?);
                        // Timers tick in whole milliseconds.
                        let least = wanted.max(doubled.min(retry.delay_max)).saturating_sub(Duration::from_millis(1));
                        let most = wanted.max((2 * doubled).min(retry.delay_max)) + Duration::from_millis(2);
                        holds!((least..=most).contains(&pause), "{failure:?}: wait {number} was {pause:?}");
                    }
                    let times = warned.load(Ordering::Relaxed);
                    holds!(times == 1, "{failure:?}: {times} times it was said that the cursor is suspect");
                }
                _ => {
                    sleep(Duration::from_hours(24)).await;
                    let asked = asked.lock().expect("no holder panics").len();
                    holds!(asked == 1, "{failure:?}: asked {asked} times, though it stopped");
                    let stands = follow.checkpoint("0").await?.context("it was opened")?;
                    holds!(stands.status == Status::Stopped, "{failure:?}: the partition is {}", stands.status);
                    let kept = stands.error.map(|error| error.cause);
                    holds!(kept.as_ref() == Some(&failure.cause), "{failure:?}: what is kept is {kept:?}");
                }
            }
            Ok(())
        })
    })
}

/// A source that fails.
struct Failing {
    failure: Failure,
    asked: Arc<Mutex<Vec<(Instant, ReadFrom)>>>,
}

impl Source for Failing {
    async fn fetch(&mut self, ask: Ask, _: &mut SpanSink) -> Result<PageEnd, Failure> {
        self.asked.lock().expect("no holder panics").push((Instant::now(), ask.from));
        Err(self.failure.clone())
    }
}

/// Counts the warnings that a cursor is suspect.
struct Warnings(Arc<AtomicUsize>);

struct Suspect(bool);

impl Visit for Suspect {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}").contains("the cursor itself is suspect");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut suspect = Suspect(false);
        event.record(&mut suspect);
        self.0.fetch_add(usize::from(suspect.0), Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
