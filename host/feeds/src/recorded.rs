//! A recording as a source: its partitions, payloads and headers as they came; its cursors are byte offsets, as those of
//! every file.

use std::{
    io::{self, SeekFrom},
    path::Path,
};

use tidemill_pipeline::{Ask, Cursor, Failure, FeedName, PageEnd, PartitionId, ReadFrom, Span, SpanSink, Stage};
use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, BufReader},
};

use crate::{Bounds, Recording, file};

/// The longest first line: it names a feed and its partitions.
const HEADER_BYTES_MAX: usize = 1024 * 1024;
/// What an event's line has beside its payload and headers.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// The recording that a file is; none if it is another file. The file is left behind its first line.
pub(crate) async fn recording(path: &Path, file: &mut File) -> Result<Option<(Recording, u64)>, Failure> {
    let wrong = |error: io::Error| file::unreadable(path, &error);
    file.seek(SeekFrom::Start(0)).await.map_err(wrong)?;
    let mut reader = BufReader::new(file);
    let first = line(&mut reader, HEADER_BYTES_MAX).await.map_err(wrong)?;
    let Some(first) = first.filter(|first| first.ends_with(b"\n")) else { return Ok(None) };
    let recording = Recording::begin(first.trim_ascii_end()).map_err(|error| {
        let cause = format!("the file {} cannot be read: {error}", path.display());
        Failure::broken(Stage::Fetch, cause).hint("record it again with `tidemill record`")
    })?;
    Ok(recording.map(|recording| (recording, first.len() as u64)))
}

/// The partitions of a file: those that were recorded, or the one of every other file, also of one that is not there yet.
pub(crate) async fn partitions(path: &Path) -> Vec<PartitionId> {
    let recorded = async {
        let mut file = file::open(path).await.ok()?;
        recording(path, &mut file).await.ok()?
    };
    match recorded.await {
        Some((recording, _)) => recording.partitions().to_vec(),
        None => vec![PartitionId::new("0")],
    }
}

/// Reads from a place to the last checkpoint, or as much as a page may have.
pub(crate) async fn fetch(
    feed: &FeedName,
    path: &Path,
    bounds: &Bounds,
    partition: &PartitionId,
    ask: Ask,
    spans: &mut SpanSink,
) -> Result<PageEnd, Failure> {
    let mut file = file::open(path).await?;
    let Some((mut recording, header)) = recording(path, &mut file).await? else {
        if partition.as_str() != "0" {
            let cause = format!("a file has one partition, `0`, and not `{partition}`");
            return Err(Failure::broken(Stage::Fetch, cause));
        }
        return file::fetch(feed, path, bounds, ask, spans).await;
    };
    if !recording.partitions().contains(partition) {
        let cause = format!("the recording {} has no partition {partition}", path.display());
        return Err(
            Failure::broken(Stage::Fetch, cause).hint("start again: the partitions of a file are found at the start")
        );
    }
    let mut from = ask.from;
    let mut at = file::start(feed, path, &mut file, &from).await?.max(header);
    if from == ReadFrom::Last {
        let to = cursor(at);
        // An unheard span ends the page as well.
        spans.push(Span::new(from, to, bytes::Bytes::new(), Vec::new())).await.ok();
        return Ok(PageEnd::default());
    }
    file.seek(SeekFrom::Start(at)).await.map_err(|error| file::unreadable(path, &error))?;
    let mut reader = BufReader::new(file);
    let mut bytes = 0;
    // An event that was fetched is recorded with its headers, and text that is no JSON grows when it is quoted.
    let line_bytes_max = bounds.line_bytes_max.saturating_mul(2).saturating_add(ENVELOPE_BYTES);
    while let Some(line) = line(&mut reader, line_bytes_max).await.map_err(|error| file::unreadable(path, &error))? {
        if !line.ends_with(b"\n") {
            break;
        }
        let cut = |why: &str| {
            let cause = format!("the line at byte {at} of {} cannot be read: {why}", path.display());
            Failure::broken(Stage::Fetch, cause).hint("record it again with `tidemill record`")
        };
        if line.len() > line_bytes_max {
            return Ok(PageEnd { tail_events: 0, cut: Some(cut("it is too long (`line-bytes-max` of the feed)")) });
        }
        let recorded = match recording.line(&line) {
            Ok(recorded) => recorded,
            Err(error) => return Ok(PageEnd { tail_events: 0, cut: Some(cut(&error.to_string())) }),
        };
        at += line.len() as u64;
        bytes += line.len();
        let Some(recorded) = recorded.filter(|recorded| recorded.key.partition == *partition) else { continue };
        let to = cursor(at);
        let span = Span::new(from, to.clone(), recorded.body, recorded.events);
        from = ReadFrom::After(to);
        if spans.push(span).await.is_err() || bytes >= bounds.page_bytes_max {
            break;
        }
    }
    Ok(PageEnd::default())
}

/// The next line with its end, which the last one may lack; a longer one is cut past the bound.
async fn line(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(bytes_max as u64 + 1).read_until(b'\n', &mut line).await?;
    if line.len() > bytes_max && !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    Ok((!line.is_empty()).then_some(line))
}

fn cursor(offset: u64) -> Cursor {
    Cursor::new(&offset.to_string()).expect("a number is a cursor")
}
