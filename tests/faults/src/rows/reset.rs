//! The connection is reset at every byte of a page, in both protocols, with a content length and in chunks.
//!
//! Each reset has a partition of its own. Its first answer is cut: so many bytes of it are sent, and then the connection is
//! reset, with no end of it and what is not read yet lost. From the second on, answers are whole.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidemill_feeds::{Bounds, Feed, Protocol};
use tidemill_pipeline::{Batch, ReadFrom};

use crate::{
    follow::{Check, Follow, open_feed},
    row::Row,
    trial::{Tally, Trial, holds},
    wire::{self, Act, Asked, Framing, Wire},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "reset-at-every-byte",
    fault: "the connection is reset at every byte of a page: ZeroEventHub and FeedAPI, with a content length and in chunks",
    unit: "resets",
    invariant: "only whole spans are applied; the reader goes on from the last checkpoint, and in the end each event is there once",
    full: 4 * PAGE_BYTES,
    quick: 800,
    finds: &["whole-spans"],
    run,
};

/// The bytes of a whole answer, its head included.
const PAGE_BYTES: u64 = 16 * 1024;
/// The first partition: all numbers have as many digits, so that all answers have as many bytes.
const FIRST: u64 = 10_000;
/// The events of a partition; those behind the last checkpoint of a page come again in the next one.
const EVENTS: usize = 40;
const TAIL: usize = 3;
/// How many partitions are followed at once.
const AT_ONCE: usize = 24;
/// Nothing takes as long as this unless it never ends.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(trial: &Trial) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut tally = Tally::default();
        let forms = [
            (Protocol::ZeroEventHub, Framing::Length),
            (Protocol::ZeroEventHub, Framing::Chunked(97)),
            (Protocol::FeedApi, Framing::Length),
            (Protocol::FeedApi, Framing::Chunked(97)),
        ];
        for (number, (protocol, framing)) in forms.into_iter().enumerate() {
            let number = number as u64;
            let count = trial.count / 4 + u64::from(trial.count % 4 > number);
            tally.merge(resets(protocol, framing, count).await?);
        }
        Ok(tally)
    })
}

/// Resets at so many places, evenly spread over a page of this form.
async fn resets(protocol: Protocol, framing: Framing, count: u64) -> Result<Tally> {
    let publisher = Arc::new(Publisher {
        protocol,
        framing,
        asked: Mutex::default(),
        resets: AtomicU64::new(0),
        fill: OnceLock::new(),
    });
    let script = {
        let publisher = Arc::clone(&publisher);
        move |asked: &Asked| publisher.answer(asked)
    };
    let wire = Wire::start(script).await?;
    let feed = open_feed(&wire.url(), protocol, u32::try_from(FIRST + PAGE_BYTES)?, Bounds::default())?;
    feed.discover().await?;
    let places = (0..count).map(|number| number * PAGE_BYTES / count);
    let tallies = stream::iter(places.map(|place| reset(&feed, &publisher, place))).buffer_unordered(AT_ONCE);
    let mut tally = tallies
        .try_fold(Tally::default(), async |mut all, one| {
            all.merge(one);
            Ok(all)
        })
        .await?;
    tally.add("connections that were reset", publisher.resets.load(Ordering::Relaxed));
    Ok(tally)
}

/// A reset behind so many bytes of an answer.
async fn reset(feed: &Feed, publisher: &Publisher, place: u64) -> Result<Tally> {
    let (mut tally, partition) = (Tally { tried: 1, ..Tally::default() }, (FIRST + place).to_string());
    let follow = Follow::new(feed.clone(), whole_spans(publisher.protocol));
    let followed = follow.partition(&partition).await?;
    let end = format!("c{EVENTS}");
    let stands = followed.reaches(&end, PATIENCE).await.with_context(|| format!("reset behind byte {place}"))?;
    let log: Vec<String> = (0..EVENTS).map(payload).collect();
    let applied = follow.applied(&partition)?;
    holds!(applied == log, "reset behind byte {place}: {} events were applied, not these {EVENTS}", applied.len());
    holds!(stands.position == EVENTS as u64, "reset behind byte {place}: the position is {}", stands.position);

    let asked = publisher.asked.lock().expect("no holder panics").get(&partition).cloned().unwrap_or_default();
    let sent = publisher.sent_checkpoint(&partition, place);
    let again = asked.get(1).context("a page that broke off is asked for again")?;
    holds!(
        event_at(again) <= event_at(&sent),
        "reset behind byte {place}: asked from {again}, and {sent} was the last one"
    );
    tally.count(if *again == sent {
        "went on from the last checkpoint that was sent"
    } else {
        "what was sent was lost with the connection"
    });
    tally.count(match (sent.as_str(), place) {
        (_, place) if place < publisher.head_bytes(&partition) => "resets in the head",
        ("_first", _) => "resets before the first checkpoint",
        _ => "resets behind a checkpoint",
    });
    Ok(tally)
}

/// How many events lie before a cursor.
fn event_at(cursor: &str) -> usize {
    cursor.strip_prefix('c').and_then(|at| at.parse().ok()).unwrap_or(0)
}

/// A span has the events between its cursors, all of them and no others.
fn whole_spans(protocol: Protocol) -> Check {
    Arc::new(move |batch: &Batch| {
        batch.spans().iter().find_map(|span| {
            let from = span.from().cursor().map_or(0, |cursor| event_at(cursor.as_str()));
            let to = event_at(span.to().as_str());
            let wanted: Vec<String> = (from..to.max(from)).map(payload).collect();
            let found: Vec<String> =
                span.events().map(|event| String::from_utf8_lossy(event.data().as_bytes()).into_owned()).collect();
            let start = if *span.from() == ReadFrom::First { "the beginning".to_owned() } else { format!("c{from}") };
            (found != wanted).then(|| format!("{protocol:?}: a span from {start} to c{to} has {} events", found.len()))
        })
    })
}

fn payload(event: usize) -> String {
    format!("{{\"event\":{event},\"note\":\"{}\"}}", "tide ".repeat(event * 37 % 140))
}

/// Whether a checkpoint follows an event: after a few each, after two in a row, and after the last.
fn ends_span(event: usize) -> bool {
    matches!(event % 9, 2 | 3 | 7) || event + 1 == EVENTS
}

/// A publisher of many partitions with the same events.
struct Publisher {
    protocol: Protocol,
    framing: Framing,
    /// The cursors that were asked for, by partition.
    asked: Mutex<HashMap<String, Vec<String>>>,
    resets: AtomicU64,
    /// How many bytes fill up the body and the head of the answer that is cut.
    fill: OnceLock<(usize, usize)>,
}

impl Publisher {
    fn answer(&self, asked: &Asked) -> Vec<Act> {
        let Some((partition, cursor)) = asked.place() else {
            return wire::page(r#"{"token":"t","partitions":[{"id":"0"}]}"#);
        };
        let mut all = self.asked.lock().expect("no holder panics");
        let known = all.entry(partition.to_owned()).or_default();
        known.push(cursor.to_owned());
        let first = known.len() == 1;
        drop(all);
        if !first {
            return wire::page(self.body(partition, event_at(cursor), EVENTS, 0));
        }
        self.resets.fetch_add(1, Ordering::Relaxed);
        let mut whole = self.broken_page(partition);
        let place = partition.parse().map_or(0, |partition: u64| partition - FIRST);
        whole.truncate(usize::try_from(place).unwrap_or(usize::MAX));
        vec![Act::Send(whole.into()), Act::Reset]
    }

    /// The lines from an event up to another. The middle one has a field to fill it up, which means nothing.
    fn body(&self, partition: &str, from: usize, until: usize, fill: usize) -> String {
        let envelope = match self.protocol {
            Protocol::ZeroEventHub => format!("\"partition\":{partition},"),
            Protocol::FeedApi | Protocol::Auto => String::new(),
        };
        let mut body = String::new();
        for event in from..until {
            let fill = if event == EVENTS / 2 { format!("\"fill\":\"{}\",", "~".repeat(fill)) } else { String::new() };
            let _infallible = writeln!(body, "{{{envelope}{fill}\"data\":{}}}", payload(event));
            if ends_span(event) {
                let _infallible = writeln!(body, "{{{envelope}\"cursor\":\"c{}\"}}", event + 1);
            }
        }
        body
    }

    /// The answer that is cut: the events before the tail, filled up to its number of bytes.
    fn broken_page(&self, partition: &str) -> Vec<u8> {
        let whole = |body_fill: usize, head_fill: usize| {
            let headers = format!("content-type: application/x-ndjson\r\nfill: {}\r\n", "x".repeat(head_fill));
            let body = self.body(partition, 0, EVENTS - TAIL, body_fill);
            wire::answer("200 OK", &headers, body.as_bytes(), self.framing)
        };
        let page_bytes = usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX);
        let (body_fill, head_fill) = *self.fill.get_or_init(|| {
            let mut body_fill = page_bytes.checked_sub(whole(0, 0).len()).expect("the events fit into a page");
            // What is filled in may need chunks of its own.
            while whole(body_fill, 0).len() > page_bytes {
                body_fill -= 1;
            }
            (body_fill, page_bytes - whole(body_fill, 0).len())
        });
        whole(body_fill, head_fill)
    }

    fn head_bytes(&self, partition: &str) -> u64 {
        let page = self.broken_page(partition);
        page.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |end| end as u64 + 4)
    }

    /// The last checkpoint among the first bytes of the answer that is cut.
    fn sent_checkpoint(&self, partition: &str, place: u64) -> String {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let sent = String::from_utf8_lossy(&self.broken_page(partition)[..place]).into_owned();
        // In chunks a line may be torn: it is put together as the reader does.
        let body = sent.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body = if self.framing == Framing::Length { body.to_owned() } else { joined(body) };
        let lines = body.rfind('\n').map_or("", |end| &body[..end]);
        let last = lines.rsplit('\n').find_map(|line| line.split_once("\"cursor\":\"")?.1.split('"').next());
        last.unwrap_or("_first").to_owned()
    }
}

/// The data of chunks, the last of which may be torn.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        body.push_str(&rest[..size.min(rest.len())]);
        chunks = rest.get(size + 2..).unwrap_or("");
    }
    body
}
