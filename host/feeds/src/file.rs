//! An NDJSON file as a source: one partition, `0`, whose cursors are byte offsets.
//!
//! Every complete line is one event, whatever it holds: an answer of ZeroEventHub that was kept in a file is not taken
//! apart, for its cursors mean nothing here. A recording that says that it is one is (see `recorded`). A last line without an end is not there yet. A span ends behind a page size
//! of lines, or at the first line's end past a multiple of [`BLOCK_BYTES`], so that its places depend on the file
//! and on where reading began, not on how the bytes came.

use std::{io, ops::Range, path::Path};

use bytes::{Bytes, BytesMut};
use tidemill_pipeline::{
    Ask, Cursor, Event, Failure, FeedName, PageEnd, ReadFrom, SinkClosed, Span, SpanSink, Stage, json,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
};

use crate::{
    Bounds, page,
    source::{RESET, SOME_CURSOR},
};

/// A span does not go on past a multiple of this.
const BLOCK_BYTES: u64 = 64 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// The event that a line of a file is; its payload lies at `place` of the span that it will belong to.
#[must_use]
pub fn line_event(place: Range<u32>, payload: &[u8]) -> Event {
    let depth = json::skip(payload, 0).map_or(0, |skipped| skipped.depth);
    page::event(place, depth, None, payload)
}

/// Why a page of a file ended early.
enum Stop {
    Failed(Failure),
    Unheard,
}

impl From<SinkClosed> for Stop {
    fn from(SinkClosed: SinkClosed) -> Self {
        Self::Unheard
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads from a place to the last complete line, or as much as a page may have.
pub(crate) async fn fetch(
    feed: &FeedName,
    path: &Path,
    bounds: &Bounds,
    ask: Ask,
    spans: &mut SpanSink,
) -> Result<PageEnd, Failure> {
    let mut file = open(path).await?;
    let start = start(feed, path, &mut file, &ask.from).await?;
    let mut from = ask.from;
    if from == ReadFrom::Last {
        // Where the end is now has to become a checkpoint: looked up anew by every page, it would pass over the events.
        let to = cursor(start);
        if spans.push(Span::new(from, to.clone(), Bytes::new(), Vec::new())).await.is_err() {
            return Ok(PageEnd::default());
        }
        from = ReadFrom::After(to);
    }
    file.seek(SeekFrom::Start(start)).await.map_err(|error| unreadable(path, &error))?;
    let mut reader = Reader {
        feed,
        bounds,
        lines_max: ask.page_size.get() as usize,
        buffer: BytesMut::new(),
        start,
        from,
        line_start: 0,
        searched: 0,
        lines: 0,
        events: Vec::new(),
    };
    let mut bytes = 0;
    loop {
        reader.buffer.reserve(READ_BYTES);
        let read = file.read_buf(&mut reader.buffer).await.map_err(|error| unreadable(path, &error))?;
        bytes += read;
        let last = read == 0 || bytes >= bounds.page_bytes_max && reader.start > start;
        match reader.take(last, spans).await {
            Ok(()) if last => return Ok(PageEnd::default()),
            Ok(()) => {}
            Err(Stop::Unheard) => return Ok(PageEnd::default()),
            Err(Stop::Failed(failure)) => return Ok(PageEnd { tail_events: 0, cut: Some(failure) }),
        }
    }
}

fn cursor(offset: u64) -> Cursor {
    Cursor::new(&offset.to_string()).expect("a number is a cursor")
}

/// Opens a regular file. Anything else stops before it is opened: to open a pipe would wait for its writer.
pub(crate) async fn open(path: &Path) -> Result<File, Failure> {
    let metadata = tokio::fs::metadata(path).await.map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        let cause = format!("the file {} cannot be read: it is {what}", path.display());
        return Err(Failure::broken(Stage::Fetch, cause).hint("the feed's `url` must name one NDJSON file"));
    }
    File::open(path).await.map_err(|error| unreadable(path, &error))
}

/// What a person must repair stops the partition; anything else may pass.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let cause = format!("the file {} cannot be read: {error}", path.display());
    let kind = error.kind();
    if matches!(kind, NotFound | IsADirectory | NotADirectory | InvalidFilename | InvalidInput) {
        Failure::broken(Stage::Fetch, cause).hint("look at the feed's `url`")
    } else if kind == PermissionDenied {
        Failure::broken(Stage::Fetch, cause).hint("see that the host's user may read the file")
    } else {
        Failure::unavailable(Stage::Fetch, cause)
    }
}

/// The byte offset of a place. One that the file does not have, or that is not behind a line's end, is lost.
pub(crate) async fn start(feed: &FeedName, path: &Path, file: &mut File, from: &ReadFrom) -> Result<u64, Failure> {
    let wrong = |error: io::Error| unreadable(path, &error);
    let size = file.metadata().await.map_err(wrong)?.len();
    let cursor = match from {
        ReadFrom::First => return Ok(0),
        ReadFrom::Last => return last_line_end(file, size).await.map_err(wrong),
        ReadFrom::After(cursor) => cursor,
    };
    let lost = |why: &str| {
        let cause = format!("the cursor `{cursor}` has no place in {}: {why}", path.display());
        let hint = format!("if the file was replaced, read it anew: `{RESET} --feed {feed} --partition 0 --to first`");
        Failure::broken(Stage::Fetch, cause).hint(hint)
    };
    let offset = cursor.as_str().parse::<u64>().map_err(|_| lost("it is not a number of bytes"))?;
    if offset > size {
        return Err(lost(&format!("the file has {size} bytes, it became shorter")));
    }
    if offset > 0 {
        file.seek(SeekFrom::Start(offset - 1)).await.map_err(wrong)?;
        if file.read_u8().await.map_err(wrong)? != b'\n' {
            return Err(lost("no line ends there"));
        }
    }
    Ok(offset)
}

/// The place behind the last complete line.
async fn last_line_end(file: &mut File, size: u64) -> io::Result<u64> {
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start)).await?;
        let mut block = Vec::new();
        (&mut *file).take(end - start).read_to_end(&mut block).await?;
        if let Some(found) = memchr::memrchr(b'\n', &block) {
            return Ok(start + found as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Makes spans of what was read.
struct Reader<'a> {
    feed: &'a FeedName,
    bounds: &'a Bounds,
    lines_max: usize,
    /// What was read and not yet handed on; it begins at `start` in the file.
    buffer: BytesMut,
    start: u64,
    from: ReadFrom,
    line_start: usize,
    searched: usize,
    lines: usize,
    events: Vec<Event>,
}

impl Reader<'_> {
    /// Hands on the spans that are complete, and at the end of the page what is left.
    async fn take(&mut self, last: bool, spans: &mut SpanSink) -> Result<(), Stop> {
        while let Some(found) = memchr::memchr(b'\n', self.buffer.get(self.searched..).unwrap_or_default()) {
            let end = self.searched + found;
            if let Err(failure) = self.line(end) {
                return self.stop(failure, spans).await;
            }
            (self.line_start, self.searched) = (end + 1, end + 1);
            self.lines += 1;
            let block = |offset: u64| offset / BLOCK_BYTES;
            let crossed = block(self.start) != block(self.start + self.line_start as u64);
            if self.lines >= self.lines_max || crossed {
                self.hand_on(spans).await?;
            }
        }
        self.searched = self.buffer.len();
        // One more for the carriage return that may belong to the line's end.
        if let Err(failure) = self.check((self.buffer.len() - self.line_start).saturating_sub(1)) {
            return self.stop(failure, spans).await;
        }
        if last && self.line_start > 0 {
            self.hand_on(spans).await?;
        }
        Ok(())
    }

    /// Hands on the lines before one that cannot be read.
    async fn stop(&mut self, failure: Failure, spans: &mut SpanSink) -> Result<(), Stop> {
        if self.line_start > 0 {
            self.hand_on(spans).await?;
        }
        Err(failure.into())
    }

    fn check(&self, bytes: usize) -> Result<(), Failure> {
        if bytes <= self.bounds.line_bytes_max {
            return Ok(());
        }
        let (max, offset) = (self.bounds.line_bytes_max, self.start + self.line_start as u64);
        let cause = format!("the line at byte {offset} is longer than {max} bytes");
        let hint = format!(
            "raise `line-bytes-max` of the feed, or leave it out: `{RESET} --feed {} --partition 0 --to {SOME_CURSOR}`",
            self.feed
        );
        Err(Failure::broken(Stage::Fetch, cause).hint(hint))
    }

    /// Keeps the line up to a place, if it is not blank.
    fn line(&mut self, end: usize) -> Result<(), Failure> {
        let line = self.buffer.get(self.line_start..end).unwrap_or_default();
        let payload = line.trim_ascii();
        self.check(payload.len())?;
        if payload.is_empty() {
            return Ok(());
        }
        let start = self.line_start + json::white(line, 0);
        let place =
            |at: usize| u32::try_from(at).expect("a span is shorter than a block and a line, which has a bound");
        self.events.push(line_event(place(start)..place(start + payload.len()), payload));
        Ok(())
    }

    async fn hand_on(&mut self, spans: &mut SpanSink) -> Result<(), Stop> {
        let body = self.buffer.split_to(self.line_start).freeze();
        self.start += body.len() as u64;
        self.searched -= self.line_start;
        (self.line_start, self.lines) = (0, 0);
        let to = cursor(self.start);
        let from = std::mem::replace(&mut self.from, ReadFrom::After(to.clone()));
        Ok(spans.push(Span::new(from, to, body, std::mem::take(&mut self.events))).await?)
    }
}
