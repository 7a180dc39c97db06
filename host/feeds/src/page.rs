//! A page: bytes in any chunks in, spans out. No I/O.
//!
//! The bytes are copied once, into one buffer. At a checkpoint the buffer is split: what is before becomes the body
//! of the span, and its events are ranges into it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use tidemill_pipeline::{Event, ReadFrom, Span, json};

use crate::{
    cloud_event,
    line::{Line, LineForm, LineProblem},
};

/// How much a page may hold.
#[derive(Clone, Copy, Debug)]
pub struct PageBounds {
    /// The longest line, without its end.
    pub line_bytes_max: usize,
    /// The most bytes without a checkpoint between them: what has to be held at once. At most 4 GiB counts.
    pub span_bytes_max: usize,
}

/// Why a page cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("line {line} cannot be read: {problem}")]
pub struct PageError {
    /// The line, counted from 1 at the beginning of the page.
    pub line: u64,
    /// What is wrong.
    #[source]
    pub problem: PageProblem,
}

/// What is wrong with a page.
#[derive(Debug, thiserror::Error)]
pub enum PageProblem {
    /// A line is not what the protocol promises. For people.
    #[error("{0}")]
    Line(String),
    /// A line is longer than [`PageBounds::line_bytes_max`].
    #[error("it is longer than {0} bytes")]
    LineTooLong(usize),
    /// There is more without a checkpoint than [`PageBounds::span_bytes_max`].
    #[error("there are more than {0} bytes without a checkpoint")]
    SpanTooLong(usize),
}

/// Reads a page. After an error it is of no further use.
#[derive(Debug)]
pub struct Page {
    form: LineForm,
    bounds: PageBounds,
    from: ReadFrom,
    /// What came since the last checkpoint.
    buffer: BytesMut,
    /// Where the line that is being read begins, and up to where no line's end was found.
    line_start: usize,
    searched: usize,
    events: Vec<Event>,
    line: u64,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Page {
    /// A page that was asked for from a place.
    #[must_use]
    pub fn new(form: LineForm, from: ReadFrom, bounds: PageBounds) -> Self {
        Self { form, bounds, from, buffer: BytesMut::new(), line_start: 0, searched: 0, events: Vec::new(), line: 0 }
    }

    /// Where the next bytes are to be put, at the end. Nothing else may be done with it.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next span among the bytes pushed so far; none if its checkpoint has not come yet.
    ///
    /// # Errors
    /// When a line cannot be read, or a bound is passed. The spans before that are good.
    pub fn next_span(&mut self) -> Result<Option<Span>, PageError> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', unsearched).map(|found| self.searched + found) else {
                self.searched = self.buffer.len();
                self.check_bounds()?;
                return Ok(None);
            };
            if let Some(span) = self.take_line(end, end + 1)? {
                return Ok(Some(span));
            }
        }
    }

    /// The page is complete: reads a last line that has no end. To be called when there is no next span.
    ///
    /// # Errors
    /// When that line cannot be read.
    pub fn finish(&mut self) -> Result<Option<Span>, PageError> {
        let end = self.buffer.len();
        if self.line_start == end { Ok(None) } else { self.take_line(end, end) }
    }

    /// How many events there are behind the last checkpoint.
    #[must_use]
    pub fn tail_events(&self) -> u64 {
        self.events.len() as u64
    }

    /// The line that is being read, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line + 1
    }

    /// The last checkpoint, or where the page was asked for from.
    #[must_use]
    pub fn at(&self) -> &ReadFrom {
        &self.from
    }

    /// The events behind the last checkpoint as a span, as if it came once more behind them. This must never be handed
    /// on; the fault matrix does it to see that it is noticed.
    pub(crate) fn torn_span(&mut self) -> Option<Span> {
        let cursor = self.from.cursor().filter(|_| !self.events.is_empty())?.clone();
        let body = self.buffer.split_to(self.line_start).freeze();
        Some(Span::new(self.from.clone(), cursor, body, std::mem::take(&mut self.events)))
    }

    fn check_bounds(&self) -> Result<(), PageError> {
        let passed = self.bound_passed(self.line_start..self.buffer.len(), self.line == 0);
        passed.map_or(Ok(()), |problem| Err(PageError { line: self.line + 1, problem }))
    }

    /// The bound that a line, or what came of it so far, passes; of both the one that it passes first, byte by byte, for that
    /// must not depend on how the bytes were cut.
    fn bound_passed(&self, line: Range<usize>, first: bool) -> Option<PageProblem> {
        let PageBounds { line_bytes_max, span_bytes_max } = self.bounds;
        let text = self.buffer.get(line.clone()).unwrap_or_default();
        // Neither the mark before the page's first line counts, nor what may be the first half of the line's end.
        let mark = if first && text.starts_with(BOM) { BOM.len() } else { 0 };
        let length = mark.saturating_add(line_bytes_max);
        let length = length.saturating_add(usize::from(text.get(length) == Some(&b'\r')));
        let line_passes = (text.len() > length).then(|| line.start + length);
        // A page shorter than its longest line would be a contradiction in the settings.
        let bound = span_bytes_max.min(u32::MAX as usize);
        match line_passes {
            Some(place) if place <= bound => Some(PageProblem::LineTooLong(line_bytes_max)),
            _ if line.end > bound => Some(PageProblem::SpanTooLong(bound)),
            Some(_) | None => None,
        }
    }

    /// Reads the line up to `end`; the next one begins at `next`.
    fn take_line(&mut self, end: usize, next: usize) -> Result<Option<Span>, PageError> {
        let start = std::mem::replace(&mut self.line_start, next);
        self.searched = next;
        self.line += 1;
        let place = trimmed(&self.buffer, start..end, self.line == 1);
        let error = |problem| PageError { line: self.line, problem };
        if let Some(problem) = self.bound_passed(start..end, self.line == 1) {
            return Err(error(problem));
        }
        let line = self.buffer.get(place.clone()).unwrap_or_default();
        if line.is_empty() {
            return Ok(None);
        }
        let read =
            self.form.read(line).map_err(|problem: LineProblem| error(PageProblem::Line(problem.to_string())))?;
        match read {
            Line::Nothing => Ok(None),
            Line::Event { data, depth, headers } => {
                let payload = line.get(data.clone()).unwrap_or_default();
                let headers = headers.map(|headers| line.get(headers).unwrap_or_default());
                let place = offset(&data, place.start);
                self.events.push(event(place, depth, headers, payload));
                Ok(None)
            }
            Line::Checkpoint(cursor) => {
                let body: Bytes = self.buffer.split_to(next).freeze();
                (self.line_start, self.searched) = (0, 0);
                let capacity = self.events.len();
                let events = std::mem::replace(&mut self.events, Vec::with_capacity(capacity));
                let from = std::mem::replace(&mut self.from, ReadFrom::After(cursor.clone()));
                Ok(Some(Span::new(from, cursor, body, events)))
            }
        }
    }
}

/// An event whose payload lies at a place of its span.
pub(crate) fn event(place: Range<u32>, depth: u32, headers: Option<&[u8]>, payload: &[u8]) -> Event {
    let event = Event::text(place);
    let event = match cloud_event::metadata(headers, payload) {
        Ok(None) => event,
        Ok(Some(metadata)) => event.with_metadata(metadata),
        Err(reason) => event.with_fault(reason),
    };
    if depth > json::DEPTH_MAX {
        let reason = format!("the payload is nested {depth} deep, more than {}", json::DEPTH_MAX);
        return event.with_fault(reason);
    }
    event
}

fn offset(range: &Range<usize>, start: usize) -> Range<u32> {
    let place = |at: usize| u32::try_from(start + at).expect("a span is smaller than 4 GiB: it was checked");
    place(range.start)..place(range.end)
}

/// A line without the white space around it, and the page's first one without the byte order mark.
fn trimmed(bytes: &[u8], line: Range<usize>, first: bool) -> Range<usize> {
    let text = bytes.get(line.clone()).unwrap_or_default();
    let mark = if first && text.starts_with(BOM) { BOM.len() } else { 0 };
    let text = text.get(mark..).unwrap_or_default();
    let start = line.start + mark + json::white(text, 0);
    let end = line.start + mark + text.trim_ascii_end().len();
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemill_pipeline::{PartitionId, ValueRef};

    use super::*;

    const BOUNDS: PageBounds = PageBounds { line_bytes_max: 1024, span_bytes_max: 8192 };

    fn page(form: LineForm, bounds: PageBounds) -> Page {
        Page::new(form, ReadFrom::First, bounds)
    }

    fn zero() -> LineForm {
        LineForm::ZeroEventHub(PartitionId::new("0"))
    }

    /// What a page came to: its spans as cursor and payloads, its tail, and how it ended.
    type Outcome = (Vec<(String, Vec<String>)>, u64, Option<String>);

    fn read(mut page: Page, chunks: &[&[u8]]) -> Outcome {
        let mut spans = Vec::new();
        let mut keep = |span: Span| {
            let events = span.events().map(|event| match (event.fault(), event.data()) {
                (Some(fault), _) => format!("fault: {fault}"),
                (None, ValueRef::Text(text)) => text.to_owned(),
                (None, ValueRef::Bytes(bytes)) => format!("{bytes:?}"),
            });
            spans.push((span.to().to_string(), events.collect()));
        };
        let mut end = None;
        'page: for chunk in chunks {
            page.push(chunk);
            loop {
                match page.next_span() {
                    Ok(Some(span)) => keep(span),
                    Ok(None) => break,
                    Err(error) => {
                        end = Some(error.to_string());
                        break 'page;
                    }
                }
            }
        }
        if end.is_none() {
            match page.finish() {
                Ok(span) => span.into_iter().for_each(&mut keep),
                Err(error) => end = Some(error.to_string()),
            }
        }
        let tail = page.tail_events();
        (spans, tail, end)
    }

    fn spans(expected: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect();
        expected.iter().map(|(cursor, events)| ((*cursor).to_owned(), owned(events))).collect()
    }

    #[test]
    fn the_page_of_the_specification_commits_two_events_and_throws_the_third_away() {
        let text = br#"{"partition":0,"data":{"user":"ada","amount":3}}
{"partition":0,"data":{"user":"bob","amount":5}}
{"partition":0,"cursor":"1002"}
{"partition":0,"data":{"user":"ada","amount":-1}}
Internal server error
"#;
        let (found, tail, end) = read(page(zero(), BOUNDS), &[text]);
        assert_eq!(found, spans(&[("1002", &[r#"{"user":"ada","amount":3}"#, r#"{"user":"bob","amount":5}"#])]));
        assert_eq!(tail, 1);
        assert_eq!(end.as_deref(), Some("line 5 cannot be read: it is not a JSON object"));
    }

    #[test]
    fn blank_lines_carriage_returns_a_byte_order_mark_and_a_missing_last_end_do_no_harm() {
        let text = b"\xef\xbb\xbf{\"data\":1}\r\n\r\n  \n{\"cursor\":\"a\"}\r\n{\"kind\":\"new\"}\n{\"data\":2}\n{\"cursor\":\"b\"}";
        let (found, tail, end) = read(page(LineForm::FeedApi, BOUNDS), &[text]);
        assert_eq!((found, tail, end), (spans(&[("a", &["1"]), ("b", &["2"])]), 0, None));
    }

    #[test]
    fn each_span_begins_where_the_one_before_it_ended() {
        let mut page = page(LineForm::FeedApi, BOUNDS);
        page.push(b"{\"cursor\":\"a\"}\n{\"cursor\":\"b\"}\n");
        assert_eq!(page.next_span().unwrap().unwrap().from(), &ReadFrom::First);
        let second = page.next_span().unwrap().unwrap();
        assert_eq!(second.from().to_string(), "cursor `a`");
        assert!(second.is_empty());
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_and_one_at_the_limit_is_not() {
        let bounds = PageBounds { line_bytes_max: 20, ..BOUNDS };
        let line = |bytes: usize| format!("{{\"data\":\"{}\"}}", "x".repeat(bytes - 11));
        let text = format!("{}\r\n{{\"cursor\":\"a\"}}\n", line(20));
        assert_eq!(read(page(LineForm::FeedApi, bounds), &[text.as_bytes()]).2, None);
        let error = Some("line 2 cannot be read: it is longer than 20 bytes".to_owned());
        for end in ["\n", "", "xxxxxxxxxxxxxx"] {
            let text = format!("{{\"cursor\":\"a\"}}\n{}{end}", line(21));
            let (found, _, end) = read(page(LineForm::FeedApi, bounds), &[text.as_bytes()]);
            assert_eq!((found, end), (spans(&[("a", &[])]), error.clone()));
        }
    }

    #[test]
    fn whether_a_line_is_too_long_does_not_depend_on_how_it_was_cut() {
        let bounds = PageBounds { line_bytes_max: 20, ..BOUNDS };
        for bytes in [19, 20, 21, 22] {
            let line = format!("{{\"data\":\"{}\"}}", "x".repeat(bytes - 11));
            for (mark, end) in [("", "\n"), ("", "\r\n"), ("\u{feff}", "\n"), ("\u{feff}", "\r\n"), ("", "  \n")] {
                let text = format!("{mark}{line}{end}{{\"cursor\":\"a\"}}\n");
                let whole = read(page(LineForm::FeedApi, bounds), &[text.as_bytes()]);
                let fits = bytes + end.trim_end_matches(['\r', '\n']).len() <= 20;
                assert_eq!(whole.2.is_none(), fits, "{text:?}");
                for cut in 0..text.len() {
                    let (begin, rest) = text.as_bytes().split_at(cut);
                    assert_eq!(read(page(LineForm::FeedApi, bounds), &[begin, rest]), whole, "{text:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn more_without_a_checkpoint_than_the_bound_is_an_error() {
        let bounds = PageBounds { span_bytes_max: 100, ..BOUNDS };
        let text = "{\"data\":1}\n".repeat(4) + "{\"cursor\":\"a\"}\n" + &"{\"data\":1}\n".repeat(10);
        let (found, tail, end) = read(page(LineForm::FeedApi, bounds), &[text.as_bytes()]);
        assert_eq!((found.len(), tail), (1, 9));
        assert!(end.unwrap().ends_with("there are more than 100 bytes without a checkpoint"));
    }

    #[test]
    fn a_payload_that_cannot_be_delivered_is_a_fault_of_its_event() {
        let deep = format!("{{\"data\":{}{}}}\n", "[".repeat(513), "]".repeat(513));
        let bounds = PageBounds { line_bytes_max: 4096, ..BOUNDS };
        let chunks = [deep.as_bytes(), b"{\"data\":\"\xff\"}\n{\"data\":1}\n{\"cursor\":\"a\"}\n"];
        let (found, _, end) = read(page(LineForm::FeedApi, bounds), &chunks);
        let deep = "fault: the payload is nested 513 deep, more than 512";
        assert_eq!(found, spans(&[("a", &[deep, "fault: the payload is not valid UTF-8", "1"])]));
        assert_eq!(end, None);
    }

    #[test]
    fn headers_become_metadata() {
        let mut page = page(zero(), BOUNDS);
        page.push(b"{\"partition\":0,\"headers\":{\"ce_id\":\"7\"},\"data\":1}\n{\"partition\":0,\"cursor\":\"a\"}\n");
        let span = page.next_span().unwrap().unwrap();
        let metadata = span.event(0).unwrap().metadata().unwrap();
        assert_eq!(metadata.id.as_deref(), Some("7"));
        assert_eq!(metadata.headers, [("ce_id".into(), "7".into())]);
    }

    fn any_line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            6 => "[a-z{}\"\\\\]{0,20}".prop_map(|text| serde_json::json!({"partition": 0, "data": text}).to_string()),
            3 => "[a-z]{1,4}".prop_map(|cursor| format!(r#"{{"cursor":"{cursor}","partition":0}}"#)),
            1 => Just(String::new()),
            1 => Just("Internal server error".to_owned()),
            1 => Just(r#"{"partition":1,"data":1}"#.to_owned()),
        ]
        .prop_map(String::into_bytes)
    }

    fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
        let mut rest = bytes;
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle().take_while(|_| !sizes.is_empty()) {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        chunks
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            lines in prop::collection::vec(any_line(), 0..20),
            sizes in prop::collection::vec(1usize..40, 1..10),
            crlf: bool,
        ) {
            let bytes = lines.join(if crlf { &b"\r\n"[..] } else { b"\n" });
            let whole = read(page(zero(), BOUNDS), &[&bytes]);
            prop_assert_eq!(read(page(zero(), BOUNDS), &cut(&bytes, &sizes)), whole);
        }

        #[test]
        fn spans_are_what_a_reader_with_serde_json_finds(lines in prop::collection::vec(any_line(), 0..20)) {
            let mut expected: Vec<(String, Vec<serde_json::Value>)> = Vec::new();
            let mut events = Vec::new();
            for line in lines.iter().filter(|line| !line.is_empty()) {
                let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { break };
                if line["partition"] != 0 {
                    break;
                }
                match line["cursor"].as_str() {
                    Some(cursor) => expected.push((cursor.to_owned(), std::mem::take(&mut events))),
                    None => events.push(line["data"].clone()),
                }
            }
            let (found, tail, _) = read(page(zero(), BOUNDS), &[&lines.join(&b'\n')]);
            let parse = |events: Vec<String>| events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            let found: Vec<(String, Vec<serde_json::Value>)> =
                found.into_iter().map(|(cursor, events)| (cursor, parse(events))).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(tail, events.len() as u64);
        }

        #[test]
        fn arbitrary_bytes_never_panic(chunks in prop::collection::vec(any::<Vec<u8>>(), 0..8), zeroeventhub: bool) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let form = if zeroeventhub { zero() } else { LineForm::FeedApi };
            read(page(form, PageBounds { line_bytes_max: 30, span_bytes_max: 90 }), &chunks);
        }
    }
}
