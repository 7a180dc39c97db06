//! One line of a page: an event, a checkpoint, or nothing that concerns us.

use std::ops::Range;

use tidemill_pipeline::{
    Cursor, CursorError, PartitionId,
    failpoint::breaks,
    json::{self, JsonError, Member, Members},
};

/// The form of a feed's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// `{"partition":0,"headers":{…},"data":…}` and `{"partition":0,"cursor":"…"}`, all of this partition.
    ZeroEventHub(PartitionId),
    /// `{"data":…}` and `{"cursor":"…"}`; lines of other kinds are passed over.
    FeedApi,
}

/// What a line is. Ranges are places in the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Event { data: Range<usize>, depth: u32, headers: Option<Range<usize>> },
    Checkpoint(Cursor),
    Nothing,
}

/// Why a line cannot be read: the end of a sentence that begins with the line's number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineProblem {
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Publisher and reader may mean different ones.
    #[error("it has `{0}` twice")]
    Twice(&'static str),
    #[error("it has neither `data` nor `cursor`")]
    Neither,
    /// It is not said which comes first.
    #[error("it has both `data` and `cursor`")]
    Both,
    #[error("it has no `partition`")]
    NoPartition,
    #[error("it belongs to partition {0}, which was not asked for")]
    Foreign(String),
    #[error("its checkpoint is no cursor: {0}")]
    Cursor(#[from] CursorError),
    #[error("its `cursor` is not a string")]
    CursorForm,
}

/// The members of an envelope that have a meaning.
#[derive(Default)]
struct Envelope {
    partition: Option<Member>,
    headers: Option<Member>,
    data: Option<Member>,
    cursor: Option<Member>,
}

impl Envelope {
    fn read(line: &[u8]) -> Result<Self, LineProblem> {
        let mut envelope = Self::default();
        for member in Members::new(line) {
            let member = member?;
            let (name, place) = match &*member.key(line) {
                b"data" => ("data", &mut envelope.data),
                b"partition" => ("partition", &mut envelope.partition),
                b"headers" => ("headers", &mut envelope.headers),
                b"cursor" => ("cursor", &mut envelope.cursor),
                _ => continue,
            };
            if place.replace(member).is_some() {
                return Err(LineProblem::Twice(name));
            }
        }
        Ok(envelope)
    }
}

impl LineForm {
    /// Reads a line, without its end.
    pub(crate) fn read(&self, line: &[u8]) -> Result<Line, LineProblem> {
        let Envelope { partition, headers, data, cursor } = Envelope::read(line)?;
        let bytes = |member: &Member| line.get(member.value.clone()).unwrap_or_default();
        if let Self::ZeroEventHub(wanted) = self {
            let found = partition.as_ref().map(bytes).ok_or(LineProblem::NoPartition)?;
            if unquoted(found) != wanted.as_str().as_bytes() && !breaks("own-partition") {
                let found = String::from_utf8_lossy(found);
                return Err(LineProblem::Foreign(found.chars().filter(|char| !char.is_control()).take(40).collect()));
            }
        }
        // Publishers that write every field of a structure send `null`, or an empty cursor beside the data.
        let has_data = data.as_ref().is_some_and(|data| bytes(data) != b"null");
        let cursor = cursor.as_ref().map(bytes).filter(|cursor| *cursor != b"null");
        let cursor = cursor.filter(|cursor| !has_data || *cursor != br#""""#);
        match (data, cursor) {
            (Some(_), Some(_)) if has_data => Err(LineProblem::Both),
            (_, Some(cursor)) => {
                let text = json::text(cursor).ok_or(LineProblem::CursorForm)?;
                Ok(Line::Checkpoint(Cursor::new(&text)?))
            }
            (Some(data), None) => {
                Ok(Line::Event { data: data.value, depth: data.depth, headers: headers.map(|headers| headers.value) })
            }
            (None, None) => match self {
                Self::ZeroEventHub(_) => Err(LineProblem::Neither),
                Self::FeedApi => Ok(Line::Nothing),
            },
        }
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zero() -> LineForm {
        LineForm::ZeroEventHub(PartitionId::new("0"))
    }

    #[track_caller]
    fn event(form: &LineForm, line: &str, payload: &str) {
        match form.read(line.as_bytes()) {
            Ok(Line::Event { data, .. }) => assert_eq!(&line[data], payload, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn an_event_is_found_whatever_the_order_and_the_white_space() {
        event(&zero(), r#"{"partition":0,"data":{"a":1}}"#, r#"{"a":1}"#);
        event(&zero(), " { \"data\" : [ 1 ] , \"partition\" : 0 } \r", "[ 1 ]");
        event(&zero(), r#"{"d\u0061ta":"text","partition":"0"}"#, r#""text""#);
        event(&zero(), r#"{"partition":0,"data":NaN}"#, "NaN");
        event(&zero(), r#"{"partition":0,"data":null}"#, "null");
        event(&zero(), r#"{"partition":0,"data":{"x":1},"cursor":""}"#, r#"{"x":1}"#);
        event(&LineForm::FeedApi, r#"{"data":"text","cursor":null,"extra":[]}"#, r#""text""#);
    }

    #[test]
    fn a_checkpoint_is_a_string_that_can_be_a_cursor() {
        let cursor = |line: &str| match zero().read(line.as_bytes()) {
            Ok(Line::Checkpoint(cursor)) => cursor.as_str().to_owned(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(cursor(r#"{"partition":0,"cursor":"1002"}"#), "1002");
        assert_eq!(cursor(r#"{"cursor":"a\u0026b\"","partition":0,"data":null}"#), "a&b\"");
    }

    #[test]
    fn a_line_that_cannot_be_trusted_says_why() {
        for (line, problem) in [
            ("Internal server error", "it is not a JSON object"),
            (r#"{"data":1}"#, "it has no `partition`"),
            (r#"{"partition":1,"data":1}"#, "it belongs to partition 1, which was not asked for"),
            (r#"{"partition":0}"#, "it has neither `data` nor `cursor`"),
            (r#"{"partition":0,"data":1,"cursor":"1"}"#, "it has both `data` and `cursor`"),
            (r#"{"partition":0,"data":1,"data":2}"#, "it has `data` twice"),
            (r#"{"partition":0,"cursor":""}"#, "its checkpoint is no cursor: the cursor is empty"),
            (r#"{"partition":0,"cursor":5}"#, "its `cursor` is not a string"),
            (
                r#"{"partition":0,"cursor":"_first"}"#,
                "its checkpoint is no cursor: `_first` and `_last` are not cursors",
            ),
        ] {
            assert_eq!(zero().read(line.as_bytes()).unwrap_err().to_string(), problem, "{line}");
        }
    }

    #[test]
    fn a_line_of_an_unknown_kind_is_passed_over_in_feedapi() {
        assert_eq!(LineForm::FeedApi.read(br#"{"heartbeat":true}"#), Ok(Line::Nothing));
        assert!(LineForm::FeedApi.read(b"Internal server error").is_err());
    }
}
