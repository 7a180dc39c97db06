//! The body of an answer: decompressed as it streams, with bounds of time, rate and growth.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use reqwest::{Response, header::CONTENT_ENCODING};
use tidemill_pipeline::failpoint::breaks;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout},
};
use tokio_util::io::StreamReader;

use crate::Bounds;

/// Up to here the growth is not looked at: a short answer may well be nothing but repetition.
const FREE_BYTES: u64 = 1024 * 1024;
/// How much is decompressed at once.
const READ_BYTES: usize = 64 * 1024;

/// Why a body ended badly: the end of a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("nothing came for {0:?} (`idle-time`)")]
    Idle(Duration),
    #[error("less than {0} bytes a second came (`bytes-per-second-min`)")]
    Slow(usize),
    #[error("it grew to more than {0} times its size (`decompression-ratio-max`)")]
    Bomb(u64),
    #[error("its encoding `{0}` was not asked for")]
    Encoding(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("it cannot be decompressed: {0}")]
    Compression(String),
}

type Wire = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
type Chunks = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A body that is being read.
pub(crate) struct Body {
    form: Form,
    ratio_max: u64,
    wire_bytes: Arc<AtomicU64>,
    bytes: u64,
}

enum Form {
    Plain(Wire),
    Compressed(Pin<Box<dyn AsyncRead + Send>>),
}

impl Body {
    /// The body of an answer.
    pub(crate) fn new(response: Response, bounds: &Bounds) -> Result<Self, BodyError> {
        let encoding = response.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
        let wire_bytes = Arc::new(AtomicU64::new(0));
        let wire = wire(response, bounds, Arc::clone(&wire_bytes));
        let form = match encoding.as_deref() {
            None | Some(b"" | b"identity") => Form::Plain(wire),
            Some(b"gzip" | b"x-gzip") => {
                let mut decoder = GzipDecoder::new(StreamReader::new(wire));
                decoder.multiple_members(true);
                Form::Compressed(Box::pin(decoder))
            }
            Some(b"zstd") => {
                let mut decoder = ZstdDecoder::new(StreamReader::new(wire));
                decoder.multiple_members(true);
                Form::Compressed(Box::pin(decoder))
            }
            Some(other) => return Err(BodyError::Encoding(String::from_utf8_lossy(other).escape_debug().to_string())),
        };
        Ok(Self { form, ratio_max: bounds.decompression_ratio_max, wire_bytes, bytes: 0 })
    }

    /// Appends what comes next to a buffer. False at the end, which the framing has confirmed.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> Result<bool, BodyError> {
        match &mut self.form {
            Form::Plain(wire) => match wire.next().await {
                Some(chunk) => {
                    buffer.extend_from_slice(&chunk.map_err(why)?);
                    Ok(true)
                }
                None => Ok(false),
            },
            Form::Compressed(reader) => {
                buffer.reserve(READ_BYTES);
                let bytes = reader.read_buf(buffer).await.map_err(why)?;
                self.bytes += bytes as u64;
                let wire = self.wire_bytes.load(Ordering::Relaxed);
                if self.bytes > FREE_BYTES && self.bytes > wire.saturating_mul(self.ratio_max) {
                    return Err(BodyError::Bomb(self.ratio_max));
                }
                Ok(bytes > 0)
            }
        }
    }
}

/// What the readers between us and the wire made of an error, taken apart again.
fn why(error: io::Error) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(error) => error,
        Err(error) => BodyError::Compression(error.to_string()),
    }
}

/// The average over the time that was spent waiting: a worker that is slow itself says nothing about the publisher.
struct Rate {
    waited: Duration,
    bytes: u64,
}

fn wire(response: Response, bounds: &Bounds, wire_bytes: Arc<AtomicU64>) -> Wire {
    let Bounds { mut idle_time, bytes_per_second_min, .. } = *bounds;
    if breaks("time-outs") {
        idle_time = Duration::MAX;
    }
    let chunks: Chunks = Box::pin(response.bytes_stream());
    let start = (chunks, Rate { waited: Duration::ZERO, bytes: 0 });
    let next = move |(mut chunks, mut rate): (Chunks, Rate)| {
        let wire_bytes = Arc::clone(&wire_bytes);
        async move {
            let began = Instant::now();
            let Ok(chunk) = timeout(idle_time, chunks.next()).await else {
                return Err(io::Error::other(BodyError::Idle(idle_time)));
            };
            let Some(chunk) = chunk else { return Ok(None) };
            let chunk = chunk.map_err(|error| io::Error::other(BodyError::Broken(causes(error))))?;
            wire_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            rate.waited += began.elapsed();
            rate.bytes += chunk.len() as u64;
            if rate.waited >= idle_time {
                #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
                if (rate.bytes as f64) < rate.waited.as_secs_f64() * bytes_per_second_min as f64 {
                    return Err(io::Error::other(BodyError::Slow(bytes_per_second_min)));
                }
                rate = Rate { waited: Duration::ZERO, bytes: 0 };
            }
            Ok(Some((chunk, (chunks, rate))))
        }
    };
    Box::pin(stream::try_unfold(start, next))
}

/// An error with what caused it, without the address, whose query may be secret.
pub(crate) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
