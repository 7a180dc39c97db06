//! A harmful publisher: of its three partitions one is harmed, by being slow, endless or wrong about its length.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use crate::wire::{self, Act, Asked, Framing};

/// The time-outs of those who read it.
pub(crate) const FIRST_BYTE: Duration = Duration::from_millis(250);
pub(crate) const IDLE: Duration = Duration::from_millis(150);
/// The events of a partition, and of a page.
pub(crate) const EVENTS: usize = 60;
const PAGE: usize = 20;
/// How large a bomb would become.
const BOMB_BYTES: usize = 128 << 20;

/// What is done to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
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

/// All of them.
pub(crate) const HARMS: [Harm; 16] = [
    Harm::SlowLoris,
    Harm::NoHead,
    Harm::SilenceBehindHead,
    Harm::SilenceWithinBody,
    Harm::Trickle,
    Harm::GzipBomb,
    Harm::ZstdBomb,
    Harm::Redirects,
    Harm::LengthTooLongAndClosed,
    Harm::LengthTooLongAndSilent,
    Harm::LengthTooShort,
    Harm::EndlessHeaders,
    Harm::LargeHeaders,
    Harm::EndlessLine,
    Harm::EndlessBlankLines,
    Harm::EndlessCheckpoints,
];

impl Harm {
    /// The bound of a page. A bomb has to be found before it is met.
    pub(crate) fn page_bytes_max(self) -> usize {
        if matches!(self, Self::GzipBomb | Self::ZstdBomb) { BOMB_BYTES / 4 } else { 256 * 1024 }
    }

    /// How soon, and how late at most, the reader has to say that something is wrong, and a word that it says.
    pub(crate) fn noticed(self) -> (Duration, Duration, &'static str) {
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

/// The payload of an event.
pub(crate) fn payload(partition: &str, event: usize) -> String {
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
pub(crate) struct Bombs {
    gzip: Bytes,
    zstd: Bytes,
}

impl Bombs {
    /// Makes them.
    pub(crate) async fn make() -> Result<Self> {
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

/// The publisher.
pub(crate) struct Publisher {
    pub(crate) harm: Harm,
    pub(crate) bombs: Bombs,
    /// Whether it is harmed no more.
    pub(crate) lifted: AtomicBool,
    /// How often the harmed partition was asked for.
    pub(crate) requests: AtomicUsize,
}

impl Publisher {
    /// What is done with a request.
    pub(crate) fn answer(&self, asked: &Asked) -> Vec<Act> {
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
