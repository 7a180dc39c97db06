//! The events of a file: a recording, or payloads, one a line. Read span by span.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bytes::Bytes;
use tidemill_feeds::{Recording, line_event};
use tidemill_pipeline::{PartitionKey, Span};

use super::events::span;

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Spans, each with where it came from.
pub(crate) struct FileEvents {
    path: PathBuf,
    reader: BufReader<File>,
    recording: Option<Recording>,
    /// The first line, if it is an event.
    first: Option<Vec<u8>>,
    /// Where the events of a file seem to come from that does not say it.
    key: PartitionKey,
    lines: u64,
    events: usize,
}

impl FileEvents {
    /// Opens a file. The events of one that is no recording seem to come from `key`.
    pub(crate) fn open(path: &Path, key: &PartitionKey) -> anyhow::Result<Self> {
        let unreadable = || format!("the events {} cannot be read", path.display());
        let file = File::open(path).with_context(unreadable)?;
        let mut events = Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            recording: None,
            first: None,
            key: key.clone(),
            lines: 0,
            events: 0,
        };
        let first = events.line()?;
        if let Some(first) = first {
            events.recording = Recording::begin(&first).with_context(unreadable)?;
            events.first = events.recording.is_none().then_some(first);
        }
        Ok(events)
    }

    /// The next line without its end.
    fn line(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        let read = read.with_context(|| format!("the events {} cannot be read", self.path.display()))?;
        anyhow::ensure!(read as u64 <= LINE_BYTES_MAX, "{}: a line is longer than 512 MiB", self.path.display());
        if read == 0 {
            return Ok(None);
        }
        self.lines += 1;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some(line))
    }

    fn step(&mut self) -> anyhow::Result<Option<(PartitionKey, Span)>> {
        loop {
            let line = match self.first.take() {
                Some(first) => Some(first),
                None => self.line()?,
            };
            let Some(line) = line else {
                let left = self.recording.as_ref().map_or(0, Recording::events_left);
                anyhow::ensure!(
                    left == 0,
                    "{}: {left} of its events have no checkpoint behind them, so it was cut\n  hint: record it again, or end it with the line of a checkpoint",
                    self.path.display()
                );
                return Ok(None);
            };
            if let Some(recording) = &mut self.recording {
                let recorded = recording
                    .line(&line)
                    .with_context(|| format!("{}, line {}, cannot be read", self.path.display(), self.lines))?;
                match recorded {
                    Some(recorded) => return Ok(Some((recorded.key.clone(), recorded.into_span()))),
                    None => continue,
                }
            }
            // As a feed that is a file reads it: what is around a payload is no part of it.
            let line = Bytes::from(line);
            let payload = line.slice_ref(line.trim_ascii());
            if payload.is_empty() {
                continue;
            }
            let event = line_event(0..u32::try_from(payload.len()).unwrap_or(u32::MAX), &payload);
            let span = span(self.events, payload, event);
            self.events += 1;
            return Ok(Some((self.key.clone(), span)));
        }
    }
}

impl Iterator for FileEvents {
    type Item = anyhow::Result<(PartitionKey, Span)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
