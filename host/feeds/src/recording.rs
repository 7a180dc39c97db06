//! A recording: a stretch of a feed in a file that says what it is. Bytes in, spans out, and the other way round. No I/O.
//!
//! ```text
//! {"recording":"tidemill","version":1,"feed":"orders","partitions":["0"]}
//! {"partition":"0","from":"1000"}
//! {"partition":"0","headers":{"ce_id":"7"},"data":{"user":"ada","amount":3}}
//! {"partition":"0","cursor":"1002"}
//! ```
//!
//! The first line names the feed. A `from` says where a partition's stretch begins. Events and checkpoints follow as in
//! ZeroEventHub; a payload that is no JSON stands in `data-text` or `data-base64` instead of `data`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tidemill_pipeline::{
    Cursor, CursorError, Event, EventRef, FeedName, PartitionId, PartitionKey, ReadFrom, Span, ValueRef,
    json::{self, Members},
};

use crate::page;

/// How every recording begins.
const MARK: &[u8] = br#"{"recording":"tidemill""#;
/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;
/// The most bytes of payloads that may come before a checkpoint: what a page of a publisher may have, and what is read must fit
/// in memory.
const SPAN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The most events before a checkpoint: each is remembered by its place.
const SPAN_EVENTS_MAX: usize = 4_000_000;
/// The longest identifier of a partition.
const PARTITION_BYTES_MAX: usize = 64;

/// Why a recording cannot be read: the end of a sentence that begins with the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// Its first line is not what it should be.
    #[error("the recording's first line is damaged: it has no {0}")]
    Header(&'static str),
    /// A later program wrote it.
    #[error("the recording has version {0}, and this program reads up to version {VERSION}")]
    Version(String),
    /// Its first line names partitions that no feed has.
    #[error("the recording's first line is damaged: {0}")]
    Partitions(String),
    /// A line of a partition that the first line does not name.
    #[error("it belongs to a partition that the first line does not name")]
    Unnamed,
    /// A line that is no event and no checkpoint.
    #[error("it is {0}")]
    Line(&'static str),
    /// A cursor that is none.
    #[error("its cursor is none: {0}")]
    Cursor(CursorError),
}

// Its sentence says the reason already, so it is not the source that a chain of errors would say again.
impl From<CursorError> for RecordingError {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
    }
}

/// A recording while it is read, line by line.
#[derive(Debug)]
pub struct Recording {
    feed: FeedName,
    partitions: Vec<PartitionId>,
    open: BTreeMap<PartitionId, Stretch>,
}

/// What came of a partition since its last checkpoint.
#[derive(Debug)]
struct Stretch {
    from: ReadFrom,
    body: BytesMut,
    events: Vec<Event>,
}

/// A span as it was recorded, in parts: whoever reads it may know other cursors.
#[derive(Debug)]
pub struct RecordedSpan {
    /// Where it came from.
    pub key: PartitionKey,
    /// The place that it began at.
    pub from: ReadFrom,
    /// The checkpoint that ended it.
    pub to: Cursor,
    /// Its payloads, one after the other.
    pub body: Bytes,
    /// Its events, as ranges of the body.
    pub events: Vec<Event>,
}

impl RecordedSpan {
    /// The span with the publisher's own cursors.
    #[must_use]
    pub fn into_span(self) -> Span {
        Span::new(self.from, self.to, self.body, self.events)
    }
}

impl Recording {
    /// Begins with the first line of a file. None if the file is no recording.
    ///
    /// # Errors
    /// When it is one that cannot be read.
    pub fn begin(first_line: &[u8]) -> Result<Option<Self>, RecordingError> {
        if !first_line.starts_with(MARK) {
            return Ok(None);
        }
        let (mut version, mut feed, mut partitions) = (None, None, None);
        for member in Members::new(first_line) {
            let member = member.map_err(|_| RecordingError::Header("JSON object"))?;
            let value = first_line.get(member.value.clone()).unwrap_or_default();
            match &*member.key(first_line) {
                b"version" => version = serde_json::from_slice::<u32>(value).ok(),
                b"feed" => feed = json::text(value).filter(|name| !name.is_empty()).map(|name| FeedName::new(&*name)),
                b"partitions" => partitions = serde_json::from_slice::<Vec<String>>(value).ok(),
                _ => {}
            }
        }
        match version {
            None => return Err(RecordingError::Header("version")),
            Some(version) if version > VERSION => return Err(RecordingError::Version(version.to_string())),
            Some(_) => {}
        }
        let partitions = partitions.ok_or(RecordingError::Header("partitions"))?;
        let feed = feed.ok_or(RecordingError::Header("feed"))?;
        Ok(Some(Self { feed, partitions: named(partitions)?, open: BTreeMap::new() }))
    }

    /// The feed that was recorded.
    #[must_use]
    pub fn feed(&self) -> &FeedName {
        &self.feed
    }

    /// The partitions that were recorded.
    #[must_use]
    pub fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// Reads the next line, without its end; gives the span that it ends.
    ///
    /// # Errors
    /// When the line is no event and no checkpoint. The spans before it are good.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<RecordedSpan>, RecordingError> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let mut parts = Parts::default();
        for member in Members::new(line) {
            let member = member.map_err(|_| RecordingError::Line("not a JSON object"))?;
            let value = Some(line.get(member.value.clone()).unwrap_or_default());
            match &*member.key(line) {
                b"partition" => parts.partition = value,
                b"from" => parts.from = value,
                b"cursor" => parts.cursor = value,
                b"headers" => parts.headers = value,
                b"fault" => parts.fault = value,
                b"data" => (parts.data, parts.depth) = (value, member.depth),
                b"data-text" => parts.data_text = value,
                b"data-base64" => parts.data_base64 = value,
                _ => {}
            }
        }
        let name = parts.partition.and_then(json::text).filter(|name| !name.is_empty());
        let partition = PartitionId::new(&*name.ok_or(RecordingError::Line("of no partition"))?);
        if !self.partitions.contains(&partition) {
            return Err(RecordingError::Unnamed);
        }
        let stretch = self.open.entry(partition.clone()).or_insert_with(|| Stretch {
            from: ReadFrom::First,
            body: BytesMut::new(),
            events: Vec::new(),
        });
        if let Some(from) = parts.from {
            stretch.from = match text(from)?.as_str() {
                "_first" => ReadFrom::First,
                "_last" => ReadFrom::Last,
                cursor => ReadFrom::After(Cursor::new(cursor)?),
            };
            return Ok(None);
        }
        if let Some(cursor) = parts.cursor {
            let to = Cursor::new(&text(cursor)?)?;
            let from = std::mem::replace(&mut stretch.from, ReadFrom::After(to.clone()));
            let (body, events) = (std::mem::take(&mut stretch.body).freeze(), std::mem::take(&mut stretch.events));
            let key = PartitionKey { feed: self.feed.clone(), partition };
            return Ok(Some(RecordedSpan { key, from, to, body, events }));
        }
        let event = parts.event(&mut stretch.body)?;
        if stretch.body.len() > SPAN_BYTES_MAX || stretch.events.len() >= SPAN_EVENTS_MAX {
            return Err(RecordingError::Line("too far from the next checkpoint of its partition"));
        }
        stretch.events.push(event);
        Ok(None)
    }

    /// How many events came after the last checkpoint of their partition: they belong to no span.
    #[must_use]
    pub fn events_left(&self) -> usize {
        self.open.values().map(|stretch| stretch.events.len()).sum()
    }
}

/// Partitions as a feed may have them: at least one, none twice, with names that can be typed.
fn named(names: Vec<String>) -> Result<Vec<PartitionId>, RecordingError> {
    let wrong = |why: String| Err(RecordingError::Partitions(why));
    let mut known = BTreeSet::new();
    for name in &names {
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > PARTITION_BYTES_MAX || !printable {
            return wrong(format!("a partition's name is not 1 to {PARTITION_BYTES_MAX} printable characters"));
        }
        if !known.insert(name) {
            return wrong(format!("it names partition {name} twice"));
        }
    }
    if names.is_empty() {
        return wrong("it names no partition".to_owned());
    }
    Ok(names.into_iter().map(PartitionId::new).collect())
}

/// The members of a line that have a meaning.
#[derive(Default)]
struct Parts<'a> {
    partition: Option<&'a [u8]>,
    from: Option<&'a [u8]>,
    cursor: Option<&'a [u8]>,
    headers: Option<&'a [u8]>,
    fault: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    depth: u32,
    data_text: Option<&'a [u8]>,
    data_base64: Option<&'a [u8]>,
}

impl Parts<'_> {
    /// The event of the line; its payload goes to the end of the body.
    fn event(&self, body: &mut BytesMut) -> Result<Event, RecordingError> {
        let start = body.len();
        let mut is_bytes = false;
        match (self.data, self.data_text, self.data_base64) {
            (Some(data), _, _) => body.extend_from_slice(data),
            (None, Some(data), _) => body.extend_from_slice(text(data)?.as_bytes()),
            (None, None, Some(data)) => {
                let decoded = STANDARD.decode(text(data)?);
                body.extend_from_slice(&decoded.map_err(|_| RecordingError::Line("not base64 in `data-base64`"))?);
                is_bytes = true;
            }
            (None, None, None) => return Err(RecordingError::Line("neither an event nor a checkpoint")),
        }
        let place = place(start..body.len())?;
        let payload = body.get(start..).unwrap_or_default();
        let event = if is_bytes {
            let metadata = crate::cloud_event::metadata(self.headers, b"").ok().flatten();
            Event::bytes(place).with_metadata(metadata.unwrap_or_default())
        } else {
            let depth = if self.data.is_some() { self.depth } else { 0 };
            page::event(place, depth, self.headers, payload)
        };
        Ok(match self.fault.and_then(json::text) {
            Some(fault) => event.with_fault(&*fault),
            None => event,
        })
    }
}

fn text(value: &[u8]) -> Result<String, RecordingError> {
    json::text(value).map(std::borrow::Cow::into_owned).ok_or(RecordingError::Line("not text where there must be text"))
}

fn place(range: Range<usize>) -> Result<Range<u32>, RecordingError> {
    let at = |at: usize| u32::try_from(at).map_err(|_| RecordingError::Line("part of a span of more than 4 GiB"));
    Ok(at(range.start)?..at(range.end)?)
}

#[derive(Serialize)]
struct Header<'a> {
    recording: &'static str,
    version: u32,
    feed: &'a str,
    partitions: Vec<&'a str>,
}

/// The first line of a recording, with its end.
#[must_use]
pub fn recording_header(feed: &FeedName, partitions: &[PartitionId]) -> Vec<u8> {
    let partitions = partitions.iter().map(PartitionId::as_str).collect();
    let header = Header { recording: "tidemill", version: VERSION, feed: feed.as_str(), partitions };
    let mut line = serde_json::to_vec(&header).expect("texts and a number are JSON");
    line.push(b'\n');
    line
}

/// Adds the line that says where a partition's stretch begins.
pub fn record_start(out: &mut Vec<u8>, partition: &PartitionId, from: &ReadFrom) {
    let from = match from {
        ReadFrom::First => "_first",
        ReadFrom::Last => "_last",
        ReadFrom::After(cursor) => cursor.as_str(),
    };
    out.extend_from_slice(b"{\"partition\":");
    quote(out, partition.as_str());
    out.extend_from_slice(b",\"from\":");
    quote(out, from);
    out.extend_from_slice(b"}\n");
}

/// Adds the lines of a span: its events, payloads exactly as they came, and its checkpoint.
pub fn record_span(out: &mut Vec<u8>, partition: &PartitionId, span: &Span) {
    for event in span.events() {
        out.extend_from_slice(b"{\"partition\":");
        quote(out, partition.as_str());
        record_event(out, event);
        out.extend_from_slice(b"}\n");
    }
    out.extend_from_slice(b"{\"partition\":");
    quote(out, partition.as_str());
    out.extend_from_slice(b",\"cursor\":");
    quote(out, span.to().as_str());
    out.extend_from_slice(b"}\n");
}

fn record_event(out: &mut Vec<u8>, event: EventRef<'_>) {
    let headers = event.metadata().map(|metadata| metadata.headers.as_slice()).unwrap_or_default();
    if !headers.is_empty() {
        // By hand: an object with the publisher's order, a name that stands twice included.
        out.extend_from_slice(b",\"headers\":{");
        for (number, (name, value)) in headers.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            quote(out, name);
            out.push(b':');
            quote(out, value);
        }
        out.push(b'}');
    }
    if let Some(fault) = event.fault() {
        out.extend_from_slice(b",\"fault\":");
        quote(out, fault);
    }
    match event.data() {
        ValueRef::Text(text) if is_json_line(text.as_bytes()) => {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(text.as_bytes());
        }
        ValueRef::Text(text) => {
            out.extend_from_slice(b",\"data-text\":");
            quote(out, text);
        }
        ValueRef::Bytes(bytes) => {
            out.extend_from_slice(b",\"data-base64\":");
            quote(out, &STANDARD.encode(bytes));
        }
    }
}

/// Whether a payload can stand in a line of JSON, and would be read back as it is.
fn is_json_line(payload: &[u8]) -> bool {
    !payload.contains(&b'\n')
        && !payload.contains(&b'\r')
        && json::skip(payload, 0).is_ok_and(|skipped| skipped.end == payload.len())
}

fn quote(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is JSON, and a vector takes it");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemill_pipeline::Metadata;

    use super::*;

    fn name(text: &str) -> PartitionId {
        PartitionId::new(text)
    }

    fn read(text: &[u8]) -> Vec<(PartitionKey, Span)> {
        let mut lines = text.split(|byte| *byte == b'\n');
        let mut recording = Recording::begin(lines.next().unwrap()).unwrap().unwrap();
        let spans = lines.filter_map(|line| recording.line(line).unwrap());
        spans.map(|recorded| (recorded.key.clone(), recorded.into_span())).collect()
    }

    fn headers() -> impl Strategy<Value = Vec<(Box<str>, Box<str>)>> {
        prop::collection::vec(
            ("[a-z\"æ]{1,4}", "[ -~\n]{0,6}").prop_map(|(name, value)| (name.into(), value.into())),
            0..3,
        )
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(br#"{"user": "ada",  "amount":3}"#.to_vec()),
            Just(b"NaN".to_vec()),
            Just(b"not JSON".to_vec()),
            Just(b"two\nlines".to_vec()),
            Just(b"\"b\xffd\"".to_vec()),
            Just(Vec::new()),
            "[ -~æøå]{0,12}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn what_was_recorded_is_read_as_it_came(
            spans in prop::collection::vec(prop::collection::vec((payload(), headers()), 0..4), 1..4),
        ) {
            let feed = FeedName::new("orders");
            let mut text = recording_header(&feed, &[name("a_b")]);
            record_start(&mut text, &name("a_b"), &ReadFrom::After(Cursor::new("c0").unwrap()));
            let mut given = Vec::new();
            for (number, events) in spans.iter().enumerate() {
                let mut body = Vec::new();
                let events = events.iter().map(|(payload, headers)| {
                    let start = u32::try_from(body.len()).unwrap();
                    body.extend_from_slice(payload);
                    let place = start..u32::try_from(body.len()).unwrap();
                    let headers = headers.clone();
                    Event::text(place).with_metadata(Metadata { headers, ..Metadata::default() })
                });
                let events = events.collect();
                let cursor = |number: usize| Cursor::new(&format!("c{number}")).unwrap();
                let span = Span::new(ReadFrom::After(cursor(number)), cursor(number + 1), body.into(), events);
                record_span(&mut text, &name("a_b"), &span);
                given.push(span);
            }
            let found = read(&text);
            prop_assert_eq!(found.len(), given.len());
            for ((key, found), given) in found.iter().zip(&given) {
                prop_assert_eq!(key.to_string(), "feed `orders`, partition a_b");
                prop_assert_eq!((found.from(), found.to()), (given.from(), given.to()));
                let seen = |span: &Span| -> Vec<_> {
                    let seen = |event: EventRef<'_>| {
                        (event.data().to_value(), event.metadata().cloned(), event.fault().map(str::to_owned))
                    };
                    span.events().map(seen).collect()
                };
                prop_assert_eq!(seen(found), seen(given));
            }
        }
    }

    #[test]
    fn a_file_of_events_is_no_recording_and_a_damaged_recording_says_so() {
        assert!(Recording::begin(br#"{"user":"ada"}"#).unwrap().is_none());
        let with = |partitions: &str| {
            format!(r#"{{"recording":"tidemill","version":1,"feed":"x","partitions":{partitions}}}"#).into_bytes()
        };
        let nameless = RecordingError::Partitions("a partition's name is not 1 to 64 printable characters".to_owned());
        for (line, error) in [
            (&br#"{"recording":"tidemill","feed":"x","partitions":[]}"#[..], RecordingError::Header("version")),
            (br#"{"recording":"tidemill","version":1,"partitions":[]}"#, RecordingError::Header("feed")),
            (br#"{"recording":"tidemill","version":1,"feed":"x"}"#, RecordingError::Header("partitions")),
            (br#"{"recording":"tidemill","version":1"#, RecordingError::Header("JSON object")),
            (br#"{"recording":"tidemill","version":2}"#, RecordingError::Version("2".to_owned())),
            (&with(r"[]"), RecordingError::Partitions("it names no partition".to_owned())),
            (&with(r#"["0","1","0"]"#), RecordingError::Partitions("it names partition 0 twice".to_owned())),
            (&with(r#"["a b"]"#), nameless.clone()),
            (&with(r#"["\u001b[2J"]"#), nameless.clone()),
            (&with(r#"[""]"#), nameless),
        ] {
            assert_eq!(Recording::begin(line).unwrap_err(), error);
        }
    }

    #[test]
    fn a_line_that_is_nothing_says_what_it_is_not() {
        let header = recording_header(&FeedName::new("orders"), &[name("0")]);
        let mut recording = Recording::begin(header.trim_ascii_end()).unwrap().unwrap();
        for (line, error) in [
            (&b"nonsense"[..], RecordingError::Line("not a JSON object")),
            (br#"{"data":1}"#, RecordingError::Line("of no partition")),
            (br#"{"partition":"0"}"#, RecordingError::Line("neither an event nor a checkpoint")),
            (br#"{"partition":"0","cursor":""}"#, RecordingError::Cursor(CursorError::Empty)),
            (br#"{"partition":"0","data-base64":"="}"#, RecordingError::Line("not base64 in `data-base64`")),
            (br#"{"partition":"1","data":1}"#, RecordingError::Unnamed),
        ] {
            assert_eq!(recording.line(line).unwrap_err(), error);
        }
    }
}
