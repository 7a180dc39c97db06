//! Alone: an event that failed is kept in a file, and a command is given that shows the failure again with it alone.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use tidemill_feeds::{record_span, record_start, recording_header};
use tidemill_pipeline::{Cursor, Event, ParkedEvent, ProcessorName, Span, Value, quoted};

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
            Ok(()) => {
                let file = quoted(&file.display().to_string());
                Some(format!("tidemill{} replay {processor} --events {file}", self.options))
            }
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
    // A blank line is no event, what is around a payload is not read, and a file that begins as a recording is one.
    let is_line = !bytes.is_empty() && bytes.trim_ascii() == bytes && !bytes.contains(&b'\n');
    if text && event.metadata.is_none() && is_line && !bytes.starts_with(b"{\"recording\"") {
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

#[cfg(test)]
mod tests {
    use tidemill_pipeline::{Digest, FeedName, ParkedId, PartitionId, PartitionKey, ReadFrom};

    use super::*;
    use crate::cases::FileEvents;

    fn event(payload: &str) -> ParkedEvent {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        ParkedEvent {
            id: ParkedId { key, span_from: ReadFrom::First, payload: Digest::of(payload.as_bytes()) },
            key: None,
            copies: 1,
            payload: Value::from(payload),
            metadata: None,
            cause: "rejected".to_owned(),
            reason: "no".to_owned(),
            backtrace: None,
            component: None,
        }
    }

    #[test]
    fn whatever_an_event_holds_the_command_shows_it_and_a_shell_can_read_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("it's $(here)");
        let alone = Alone::new(kept.clone(), String::new());
        for payload in ["{}", "", " ", " {} ", "a\nb", "a\r", "\n", r#"{"recording":"tidemill"}"#] {
            let event = event(payload);
            let command = alone.command(&ProcessorName::new("totals"), &event).unwrap();
            let shown = directory.path().display();
            let expected = format!(
                r"tidemill replay totals --events '{shown}/it'\''s $(here)/{}.ndjson'",
                event.id.payload.short()
            );
            assert_eq!(command, expected);
            let file = kept.join(format!("{}.ndjson", event.id.payload.short()));
            let events = FileEvents::open(&file, &event.id.key).unwrap();
            let read: Vec<_> = events.map(|next| next.unwrap().1).collect();
            let read: Vec<_> = read.iter().flat_map(Span::events).map(|event| event.data().to_value()).collect();
            assert_eq!(read, [Value::from(payload)], "{payload:?}");
        }
    }
}
