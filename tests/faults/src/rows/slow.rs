//! Publishers that take their time, send without end, or say a wrong length. One partition of three is harmed; the others are
//! not to notice.

use std::{
    fmt::Write as _,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidemill_feeds::{Bounds, Protocol};
use tidemill_pipeline::Seen;
use tokio::io::AsyncWriteExt as _;

use crate::{
    follow::{Follow, open_feed, until},
    memory::{Memory, mebibytes},
    row::Row,
    trial::{Tally, Trial, holds},
    wire::{self, Act, Asked, Framing, Wire},
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

/// The time-outs of these readers, and how much later than that a busy machine may notice.
const FIRST_BYTE: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_millis(150);
const LATE: Duration = Duration::from_secs(4);
/// How long the partitions that are not harmed may take. It is some hundredths of a second by themselves.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most memory that all trials at once may take: a line, a page and a head for each, some times over, and what the
/// publishers send.
const MEMORY_MAX: u64 = 96 << 20;
/// How many are tried at once.
const AT_ONCE: usize = 8;
/// The events of a partition, and of a page.
const EVENTS: usize = 60;
const PAGE: usize = 20;
/// How large a bomb would become.
const BOMB_BYTES: usize = 128 << 20;

/// What is done to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    SlowLoris,
    NoHead,
    SilenceBehindHead,
    SilenceWithinBody,
    Trickle,
    GzipBomb,
    ZstdBomb,
    Redirects,
    LengthTooLongAndClosed,
    LengthTooLongAndSilent,
    LengthTooShort,
    EndlessHeaders,
    LargeHeaders,
    EndlessLine,
    EndlessBlankLines,
    EndlessCheckpoints,
}

const HARMS: [Harm; 16] = {
    use Harm::*;
    [
        SlowLoris,
        NoHead,
        SilenceBehindHead,
        SilenceWithinBody,
        Trickle,
        GzipBomb,
        ZstdBomb,
        Redirects,
        LengthTooLongAndClosed,
        LengthTooLongAndSilent,
        LengthTooShort,
        EndlessHeaders,
        LargeHeaders,
        EndlessLine,
        EndlessBlankLines,
        EndlessCheckpoints,
    ]
};

impl Harm {
    /// The bound of a page. A bomb has to be found before it is met.
    fn page_bytes_max(self) -> usize {
        if matches!(self, Self::GzipBomb | Self::ZstdBomb) { BOMB_BYTES / 4 } else { 256 * 1024 }
    }

    /// How soon, and how late without [`LATE`], the reader has to say that something is wrong, and a word that it says.
    fn noticed(self) -> (Duration, Duration, &'static str) {
        let at_once = Duration::ZERO;
        match self {
            Self::SlowLoris | Self::NoHead => (FIRST_BYTE, FIRST_BYTE, "did not answer within 250ms"),
            Self::SilenceBehindHead | Self::SilenceWithinBody | Self::LengthTooLongAndSilent => {
                (IDLE, IDLE, "(`idle-time`)")
            }
            // The rate is an average over this time.
            Self::Trickle => (IDLE, 2 * IDLE, "(`bytes-per-second-min`)"),
            Self::GzipBomb | Self::ZstdBomb => (at_once, at_once, "(`decompression-ratio-max`)"),
            Self::Redirects => (at_once, at_once, "redirected more than 3 times"),
            Self::LengthTooLongAndClosed => (at_once, at_once, "broke off"),
            Self::LengthTooShort => (at_once, at_once, "cannot be read"),
            Self::EndlessHeaders => (at_once, at_once, "cannot be reached"),
            Self::LargeHeaders => (at_once, at_once, "the headers of the answer have"),
            Self::EndlessLine => (at_once, at_once, "it is longer than 65536 bytes"),
            Self::EndlessBlankLines => (at_once, at_once, "bytes without a checkpoint"),
            // Nothing is wrong with each of them: the page is cut, and the place is asked for again after a rest.
            Self::EndlessCheckpoints => (at_once, at_once, ""),
        }
    }
}

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
    let bounds = Bounds {
        line_bytes_max: 64 * 1024,
        page_bytes_max: harm.page_bytes_max(),
        time_to_first_byte: FIRST_BYTE,
        idle_time: IDLE,
        ..Bounds::default()
    };
    let feed = open_feed(&wire.url(), Protocol::ZeroEventHub, 3, bounds)?;
    let follow = Follow::new(feed, Arc::new(|_| None));
    let began = Instant::now();
    let first = follow.partition("0").await?;
    let others = [follow.partition("1").await?, follow.partition("2").await?];
    let (least, most, word) = harm.noticed();
    let mut late = Duration::ZERO;
    if !word.is_empty() {
        let says = |seen: &Seen| trouble(seen).is_some();
        // What has no time-out is noticed by its size, which takes as long as it takes to read so much.
        let within = if most.is_zero() { PATIENCE } else { most + LATE };
        let seen = first.seen(within, says).await;
        let took = began.elapsed();
        holds!(seen.is_some(), "{harm:?}: nothing was noticed within {within:?}");
        let said = seen.as_ref().and_then(trouble).unwrap_or_default();
        holds!(said.contains(word), "{harm:?}: {said}");
        holds!(took >= least, "{harm:?}: given up after {took:?}");
        if !most.is_zero() {
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

fn payload(partition: &str, event: usize) -> String {
    format!("\"{partition}-{event}\"")
}

fn lines(partition: &str, from: usize) -> String {
    let mut body = String::new();
    for event in from..(from + PAGE).min(EVENTS) {
        let _infallible = writeln!(body, "{{\"partition\":{partition},\"data\":{}}}", payload(partition, event));
        if event % 5 == 4 {
            let _infallible = writeln!(body, "{{\"partition\":{partition},\"cursor\":\"c{}\"}}", event + 1);
        }
    }
    body
}

/// Bombs: some kilobytes that become many megabytes, all of them good spans.
#[derive(Clone)]
struct Bombs {
    gzip: Bytes,
    zstd: Bytes,
}

impl Bombs {
    async fn make() -> Result<Self> {
        let span = format!("{{\"partition\":0,\"x\":\"{}\",\"cursor\":\"c0\"}}\n", " ".repeat(16 * 1024));
        let (mut gzip, mut zstd) = (GzipEncoder::new(Vec::new()), ZstdEncoder::new(Vec::new()));
        for _ in 0..BOMB_BYTES / span.len() {
            gzip.write_all(span.as_bytes()).await?;
            zstd.write_all(span.as_bytes()).await?;
        }
        gzip.shutdown().await?;
        zstd.shutdown().await?;
        Ok(Self { gzip: gzip.into_inner().into(), zstd: zstd.into_inner().into() })
    }
}

struct Publisher {
    harm: Harm,
    bombs: Bombs,
    lifted: AtomicBool,
    /// How often the harmed partition was asked for.
    requests: AtomicUsize,
}

impl Publisher {
    fn answer(&self, asked: &Asked) -> Vec<Act> {
        let Some((partition, cursor)) = asked.place() else { return vec![Act::Close] };
        let from = cursor.strip_prefix('c').and_then(|at| at.parse().ok()).unwrap_or(0);
        let body = lines(partition, from);
        if partition != "0" || self.lifted.load(Ordering::Relaxed) {
            return wire::page(body);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let send = |bytes: Vec<u8>| Act::Send(bytes.into());
        let head = |rest: &str| send(format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes());
        let length = |bytes: usize| head(&format!("content-length: {bytes}\r\n\r\n"));
        let unbounded = || head("connection: close\r\n\r\n");
        let page = |encoding: &str, bytes: &[u8]| {
            let headers = format!("content-encoding: {encoding}\r\n");
            vec![send(wire::answer("200 OK", &headers, bytes, Framing::Length))]
        };
        match self.harm {
            Harm::SlowLoris => vec![Act::Drip("HTTP/1.1 200 OK\r\nx: y".into(), Duration::from_millis(15))],
            Harm::NoHead => vec![Act::Hold],
            Harm::SilenceBehindHead => vec![length(body.len()), Act::Hold],
            Harm::SilenceWithinBody => vec![length(body.len() + 1), send(body.into_bytes()), Act::Hold],
            Harm::Trickle => vec![length(1_000_000), Act::Drip(" ".into(), Duration::from_millis(40))],
            Harm::GzipBomb => page("gzip", &self.bombs.gzip),
            Harm::ZstdBomb => page("zstd", &self.bombs.zstd),
            Harm::Redirects => {
                let again = format!("location: {}?n=3&cursor0={cursor}\r\n", asked.path);
                vec![send(wire::answer("307 Temporary Redirect", &again, b"", Framing::Length))]
            }
            Harm::LengthTooLongAndClosed => vec![length(body.len() + 7), send(body.into_bytes()), Act::Close],
            Harm::LengthTooLongAndSilent => vec![length(body.len() + 7), send(body.into_bytes()), Act::Hold],
            Harm::LengthTooShort => vec![length(40), send(body.into_bytes()), Act::Close],
            Harm::EndlessHeaders => vec![head(""), Act::Flood("x-again: and again\r\n".repeat(50).into())],
            Harm::LargeHeaders => {
                let large = format!("x-large: {}\r\n", "x".repeat(4_000)).repeat(20);
                vec![send(wire::answer("200 OK", &large, body.as_bytes(), Framing::Length))]
            }
            Harm::EndlessLine => vec![unbounded(), Act::Flood("x".repeat(4096).into())],
            Harm::EndlessBlankLines => vec![unbounded(), Act::Flood("\n".repeat(4096).into())],
            Harm::EndlessCheckpoints => {
                let checkpoint =
                    format!("{{\"partition\":0,\"cursor\":\"{}\"}}\n", if from == 0 { "c0" } else { cursor });
                vec![unbounded(), Act::Flood(checkpoint.repeat(100).into())]
            }
        }
    }
}
