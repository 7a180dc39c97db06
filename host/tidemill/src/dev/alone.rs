//! Alone: an event that failed is kept in a file, and a command is given that shows the failure again with it alone.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use tidemill_feeds::{record_span, record_start, recording_header};
use tidemill_pipeline::{Cursor, Event, ParkedEvent, ProcessorName, Span, Value};

/// Keeps events that failed.
#[derive(Clone, Debug)]
pub(crate) struct Alone {
    /// Where they are kept.
    directory: PathBuf,
    /// What stands between the program's name and the command: the configuration, if it is not the usual one.
    options: String,
}

impl Alone {
    pub(crate) fn new(directory: PathBuf, options: String) -> Self {
        Self { directory, options }
    }

    /// Keeps an event, and gives the command. None if it cannot be kept.
    pub(crate) fn command(&self, processor: &ProcessorName, event: &ParkedEvent) -> Option<String> {
        let file = self.directory.join(format!("{}.ndjson", event.id.payload.short()));
        let written = fs::create_dir_all(&self.directory).and_then(|()| fs::write(&file, recorded(event)?));
        match written {
            Ok(()) => Some(format!("tidemill{} replay {processor} --events {}", self.options, file.display())),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the event that failed cannot be kept in a file");
                None
            }
        }
    }
}

/// A payload on a line if that says all, else a recording with what the publisher said about it.
fn recorded(event: &ParkedEvent) -> std::io::Result<Vec<u8>> {
    let bytes = event.payload.as_ref().as_bytes();
    let text = matches!(event.payload, Value::Text(_));
    if text && event.metadata.is_none() && !bytes.contains(&b'\n') {
        return Ok([bytes, b"\n"].concat());
    }
    let range = 0..u32::try_from(bytes.len()).map_err(|_| std::io::ErrorKind::FileTooLarge)?;
    let one = if text { Event::text(range) } else { Event::bytes(range) };
    let one = one.with_metadata(event.metadata.clone().unwrap_or_default());
    let key = &event.id.key;
    // Where it ends does not matter: nothing comes after it.
    let to = Cursor::new("end").map_err(std::io::Error::other)?;
    let span = Span::new(event.id.span_from.clone(), to, Bytes::copy_from_slice(bytes), vec![one]);
    let mut lines = recording_header(&key.feed, std::slice::from_ref(&key.partition));
    record_start(&mut lines, &key.partition, &event.id.span_from);
    record_span(&mut lines, &key.partition, &span);
    Ok(lines)
}
