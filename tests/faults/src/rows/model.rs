//! Generated feeds against a reference: whatever a publisher sends, the state is what the page on protocols says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidemill_feeds::{Bounds, Feed, Protocol};
use tidemill_pipeline::{Cursor, Seen};

use crate::{
    follow::{Follow, is_stopped, open_feed},
    generated::{Ending, Generated, Kitchen, LINE_BYTES_MAX, PAGE_BYTES_MAX, Page},
    memory::{Memory, mebibytes},
    reference::{self, Reference},
    row::Row,
    trial::{Tally, Trial, holds},
    wire::{self, Act, Asked, Framing, Wire},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "feeds-model",
    fault: "generated feeds: checkpoints missing, repeated, empty, in circles and backwards, other partitions, unknown and torn lines, deep nesting, limits, bytes that are no text",
    unit: "feeds",
    invariant: "state, position, cursor, what is put aside, why it stops and what is asked for are those of a reference; memory is bounded",
    full: 10_000,
    quick: 400,
    finds: &["whole-spans", "own-partition"],
    run,
};

/// How many feeds are read at once.
const AT_ONCE: usize = 16;
/// Nothing takes as long as this unless it never ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most memory that all of this may take: of each feed at once its longest page three times over, and what is fetched
/// ahead.
const MEMORY_MAX: u64 = (AT_ONCE * (3 * PAGE_BYTES_MAX + (1 << 20)) + (32 << 20)) as u64;

fn run(trial: &Trial) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let memory = Memory::begin()?;
        let mut tally = Tally::default();
        for protocol in [Protocol::ZeroEventHub, Protocol::FeedApi] {
            let publishers = Publishers::start(protocol).await?;
            let seeds = (0..trial.count.div_ceil(2)).map(|number| (trial.seed << 32) + number);
            let feeds = stream::iter(seeds.map(|seed| publishers.feed(seed))).buffer_unordered(AT_ONCE);
            let done = feeds.try_fold(Tally::default(), async |mut all, one| {
                all.merge(one);
                Ok(all)
            });
            tally.merge(done.await?);
        }
        let bound = format!("memory, at most (bound: {})", mebibytes(MEMORY_MAX));
        tally.note(&bound, mebibytes(memory.check(MEMORY_MAX)?));
        Ok(tally)
    })
}

/// A publisher of many partitions, each with a feed of its own.
struct Publishers {
    protocol: Protocol,
    feeds: Feeds,
    feed: Feed,
    _wire: Wire,
}

type Feeds = Arc<Mutex<HashMap<String, Scripted>>>;

/// A feed, and what was asked of it.
struct Scripted {
    generated: Generated,
    protocol: Protocol,
    asked: Vec<String>,
}

impl Publishers {
    async fn start(protocol: Protocol) -> Result<Self> {
        let feeds = Feeds::default();
        let known = Arc::clone(&feeds);
        let wire = Wire::start(move |asked: &Asked| {
            let Some((partition, cursor)) = asked.place() else {
                return wire::page(r#"{"token":"t","partitions":[{"id":"0"}]}"#);
            };
            let mut feeds = known.lock().expect("no holder panics");
            feeds.get_mut(partition).map_or_else(|| vec![Act::Close], |feed| feed.answer(partition, cursor))
        })
        .await?;
        let bounds = Bounds { line_bytes_max: LINE_BYTES_MAX, page_bytes_max: PAGE_BYTES_MAX, ..Bounds::default() };
        let feed = open_feed(&wire.url(), protocol, 1 << 16, bounds)?;
        feed.discover().await?;
        Ok(Self { protocol, feeds, feed, _wire: wire })
    }

    /// Generates a feed, lets the worker follow it, and compares.
    async fn feed(&self, seed: u64) -> Result<Tally> {
        let mut tally = Tally { tried: 1, ..Tally::default() };
        let partition = (seed % (1 << 16)).to_string();
        let mut dice = fastrand::Rng::with_seed(seed ^ if self.protocol == Protocol::FeedApi { 1 << 63 } else { 0 });
        let (generated, reference) = loop {
            let generated = Kitchen::feed(dice.fork(), self.protocol, &partition);
            if let Some(reference) = reference::read(&generated) {
                break (generated, reference);
            }
            tally.count("feeds that the protocols leave open, and are not tried");
        };
        for (ingredient, times) in &generated.ingredients {
            tally.add(ingredient, *times);
        }
        let scripted = Scripted { generated, protocol: self.protocol, asked: Vec::new() };
        self.feeds.lock().expect("no holder panics").insert(partition.clone(), scripted);
        let follow = Follow::new(self.feed.clone(), Arc::new(|_| None));
        let run = follow.partition(&partition).await?;
        let ended = |seen: &Seen| {
            let stands = seen.checkpoint.as_ref();
            stands.is_some_and(|at| is_stopped(at.status) || at.read_from.cursor().is_some_and(|at| at.as_str() == END))
        };
        let arrived = run.seen(PATIENCE, ended).await;
        let now = run.now();
        drop(run);
        let scripted = self.feeds.lock().expect("no holder panics").remove(&partition).context("it was there")?;
        let told = format!("{:?}, seed {seed}", self.protocol);
        holds!(arrived.is_some(), "{told}: it neither came to an end nor stopped; asked {:?}; {now:?}", scripted.asked);
        tally.count(compare(&told, &follow, &partition, &reference, &scripted.asked).await?);
        Ok(tally)
    }
}

/// The cursor behind everything that was generated.
const END: &str = "the end";

/// Compares what came of a feed with the reference.
async fn compare(
    told: &str,
    follow: &Follow,
    partition: &str,
    reference: &Reference,
    asked: &[String],
) -> Result<&'static str> {
    let stands = follow.checkpoint(partition).await?.context("it was opened")?;
    let (applied, aside) = (follow.applied(partition)?, follow.put_aside());
    let cursor = stands.read_from.cursor().map_or("", Cursor::as_str).to_owned();
    let error = stands.error.as_ref().map_or("", |error| error.cause.as_str()).to_owned();
    let (log, spans) = (&reference.log, &reference.spans);
    holds!(stands.position == (applied.len() + aside) as u64, "{told}: the position is {}", stands.position);
    let circled = error.contains("goes in a circle");
    if circled {
        // It is found some spans after the cursor came back, at a span's end.
        let here = (applied.len(), aside, cursor.clone());
        let first = reference.may_circle_from;
        let from = first.map_or(usize::MAX, |first| first.saturating_sub(1));
        holds!(spans.iter().skip(from).any(|span| *span == here), "{told}: it stopped at {here:?}: {error}");
        holds!(log.starts_with(&applied), "{told}: these are not the events before the circle");
        return Ok("stopped: a circle");
    }
    holds!(error.is_empty() != reference.stops.is_some(), "{told}: {error:?}, and {:?} is right", reference.stops);
    if let Some(word) = reference.stops {
        holds!(error.contains(word), "{told}: {error:?}, and {word:?} is right");
        holds!(applied == *log, "{told}: {} events were applied, not {}", applied.len(), log.len());
        holds!(aside == reference.put_aside, "{told}: {aside} events were put aside, not {}", reference.put_aside);
        let last = spans.last().map_or("", |span| span.2.as_str());
        holds!(cursor == last, "{told}: it stands at {cursor:?}, not {last:?}");
        return Ok("stopped: a limit, or no checkpoint");
    }
    holds!(applied.split_last().is_some_and(|(_, before)| before == log), "{told}: other events were applied");
    holds!(aside == reference.put_aside, "{told}: {aside} events were put aside, not {}", reference.put_aside);
    let begin = asked.iter().take(reference.asked.len()).map(|cursor| if cursor == "_first" { "" } else { cursor });
    holds!(begin.eq(reference.asked.iter().map(String::as_str)), "{told}: asked {asked:?}, not {:?}", reference.asked);
    Ok("read to the end")
}

impl Scripted {
    fn answer(&mut self, partition: &str, cursor: &str) -> Vec<Act> {
        let number = self.asked.len();
        self.asked.push(cursor.to_owned());
        let Generated { pages, circle, .. } = &self.generated;
        if let Some(page) = pages.get(number) {
            return acts(page);
        }
        if !circle.is_empty() {
            // Whoever is not within it begins it.
            let at = circle.iter().position(|(place, _)| place == cursor).map_or(0, |at| (at + 1) % circle.len());
            return acts(&circle[at].1);
        }
        let envelope = match self.protocol {
            Protocol::ZeroEventHub => format!("\"partition\":{partition},"),
            Protocol::FeedApi | Protocol::Auto => String::new(),
        };
        wire::page(if cursor == END {
            String::new()
        } else {
            format!("{{{envelope}\"data\":\"{END}\"}}\n{{{envelope}\"cursor\":\"{END}\"}}\n")
        })
    }
}

fn acts(page: &Page) -> Vec<Act> {
    let body = page.bytes.clone();
    let head = |rest: &str| Act::Send(format!("HTTP/1.1 200 OK\r\n{rest}\r\n\r\n").into_bytes().into());
    match page.ending {
        Ending::Complete => vec![Act::Send(wire::answer("200 OK", "", &body, Framing::Chunked(1_000)).into())],
        Ending::BrokenOff => {
            vec![head(&format!("content-length: {}", body.len() + 1)), Act::Send(body.into()), Act::Close]
        }
        Ending::EndlessLine => {
            vec![head("connection: close"), Act::Send(body.into()), Act::Flood("x".repeat(999).into())]
        }
        Ending::EndlessLines => {
            vec![head("connection: close"), Act::Send(body.into()), Act::Flood(" \r\n\n".repeat(200).into())]
        }
    }
}
