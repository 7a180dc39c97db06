//! Publishers that take their time, send without end, or say a wrong length. One partition of three is harmed; the others are
//! not to notice.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidemill_feeds::{Bounds, Protocol};
use tidemill_pipeline::Seen;

use crate::{
    follow::{Follow, open_feed, until},
    harm::{Bombs, EVENTS, FIRST_BYTE, HARMS, Harm, IDLE, Publisher, payload},
    memory::{Memory, mebibytes},
    row::Row,
    trial::{Tally, Trial, holds},
    wire::{Asked, Wire},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "slow",
    fault: "slow-loris, silence, trickles, bombs of gzip and zstd, endless redirects, heads, lines and pages, a wrong content length",
    unit: "publishers",
    invariant: "the time-outs hold, memory is bounded, the other partitions finish meanwhile, and in the end each event is there once",
    full: 500,
    quick: 32,
    finds: &["time-outs"],
    run,
};

/// How much later than its time-out a busy machine may notice.
const LATE: Duration = Duration::from_secs(4);
/// How long the partitions that are not harmed may take. It is some hundredths of a second by themselves.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most memory that all trials at once may take: a line, a page and a head for each, some times over, and what the
/// publishers send.
const MEMORY_MAX: u64 = 96 << 20;
/// How many are tried at once.
const AT_ONCE: usize = 8;

fn run(trial: &Trial) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let bombs = Bombs::make().await?;
        let memory = Memory::begin()?;
        let harms = (0..trial.count).map(|number| HARMS[usize::try_from(number).unwrap_or(0) % HARMS.len()]);
        let trials = stream::iter(harms.map(|harm| harmed(harm, &bombs))).buffer_unordered(AT_ONCE);
        let (mut tally, mut slowest) = (Tally::default(), Duration::ZERO);
        let mut trials = pin!(trials);
        while let Some((one, late)) = trials.try_next().await? {
            slowest = slowest.max(late);
            tally.merge(one);
        }
        tally.note("memory, at most (bound: 96 MiB)", mebibytes(memory.check(MEMORY_MAX)?));
        tally.note("the latest that a time-out was noticed", format!("{} ms late", slowest.as_millis()));
        Ok(tally)
    })
}

/// One processor, three partitions, the first of which is harmed until the others are at their end.
async fn harmed(harm: Harm, bombs: &Bombs) -> Result<(Tally, Duration)> {
    let mut tally = Tally { tried: 1, ..Tally::default() };
    tally.count(&format!("{harm:?}"));
    let publisher = Arc::new(Publisher {
        harm,
        bombs: bombs.clone(),
        lifted: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
    });
    let script = {
        let publisher = Arc::clone(&publisher);
        move |asked: &Asked| publisher.answer(asked)
    };
    let wire = Wire::start(script).await?;
    let (least, most, word) = harm.noticed();
    let timed = !most.is_zero();
    let bounds = Bounds {
        line_bytes_max: 64 * 1024,
        page_bytes_max: harm.page_bytes_max(),
        time_to_first_byte: if timed { FIRST_BYTE } else { PATIENCE },
        idle_time: if timed { IDLE } else { PATIENCE },
        ..Bounds::default()
    };
    let feed = open_feed(&wire.url(), Protocol::ZeroEventHub, 3, bounds)?;
    let follow = Follow::new(feed, Arc::new(|_| None));
    let began = Instant::now();
    let first = follow.partition("0").await?;
    let others = [follow.partition("1").await?, follow.partition("2").await?];
    let mut late = Duration::ZERO;
    if !word.is_empty() {
        // On a busy machine another time-out may be met first; then it is asked again.
        let says = |seen: &Seen| trouble(seen).is_some_and(|said| said.contains(word));
        // What has no time-out is noticed by its size, which takes as long as it takes to read so much.
        let within = if timed { most + LATE } else { PATIENCE };
        let seen = first.seen(within, says).await;
        let took = began.elapsed();
        let said = trouble(&first.now()).unwrap_or_default();
        holds!(seen.is_some(), "{harm:?}: not noticed within {within:?}, but {said:?}");
        holds!(took >= least, "{harm:?}: given up after {took:?}");
        if timed {
            late = took.saturating_sub(most);
        }
    }
    let end = format!("c{EVENTS}");
    for other in &others {
        other.reaches(&end, PATIENCE).await.with_context(|| format!("beside {harm:?}"))?;
    }
    if word.is_empty() {
        let again = until(PATIENCE, || publisher.requests.load(Ordering::Relaxed) >= 4).await;
        holds!(again, "{harm:?}: the page never ends");
    }
    holds!(!publisher.lifted.load(Ordering::Relaxed), "the harm lasts as long as the others need");
    publisher.lifted.store(true, Ordering::Relaxed);
    // A partition that stopped is tried again by the next worker.
    drop(first);
    follow.partition("0").await?.reaches(&end, PATIENCE).await.with_context(|| format!("after {harm:?}"))?;
    for partition in ["0", "1", "2"] {
        let log: Vec<String> = (0..EVENTS).map(|event| payload(partition, event)).collect();
        let applied = follow.applied(partition)?;
        holds!(
            applied == log,
            "{harm:?}: of partition {partition} {} events were applied, not {EVENTS}",
            applied.len()
        );
    }
    Ok((tally, late))
}

/// What a worker says is wrong with the feed, whether it waits or stopped.
fn trouble(seen: &Seen) -> Option<String> {
    let stopped = seen.checkpoint.as_ref().and_then(|stands| stands.error.as_ref()).map(|error| error.cause.clone());
    seen.feed_trouble.as_ref().map(|failure| failure.cause.clone()).or(stopped)
}
