//! What a publisher says about an event beside its payload: its headers, and the attributes of CloudEvents in
//! headers or in the payload.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;
use tidemill_pipeline::{
    Metadata,
    json::{self, Members},
};

/// Prefixes of the attributes in headers: Kafka's binding, HTTP's, AMQP's.
const PREFIXES: [&str; 4] = ["ce_", "ce-", "cloudEvents:", "cloudEvents_"];

static SPEC_VERSION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"specversion\""));

/// The attributes that have a meaning here.
#[derive(Default)]
struct Attributes<'a> {
    id: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    partition_key: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
}

impl<'a> Attributes<'a> {
    fn set(&mut self, name: &[u8], value: Cow<'a, str>) {
        let place = match name {
            b"id" => &mut self.id,
            b"type" => &mut self.kind,
            b"partitionkey" => &mut self.partition_key,
            b"subject" => &mut self.subject,
            b"time" => &mut self.time,
            _ => return,
        };
        *place = Some(value);
    }

    fn into_metadata(self, headers: Vec<(Box<str>, Box<str>)>) -> Metadata {
        let boxed = |text: Option<Cow<'_, str>>| text.map(|text| text.into_owned().into_boxed_str());
        Metadata {
            headers,
            id: boxed(self.id),
            kind: boxed(self.kind),
            key: boxed(self.partition_key.or(self.subject)),
            occurred_at_us: self.time.and_then(|time| microseconds(&time)),
        }
    }
}

/// The metadata of an event, if there is any: from its headers, if some of them speak of CloudEvents, else from its payload.
///
/// # Errors
/// When the headers are no object, or not valid text.
pub(crate) fn metadata(headers: Option<&[u8]>, payload: &[u8]) -> Result<Option<Metadata>, &'static str> {
    if headers.is_none() && !may_be_event(payload) {
        // As most are. To build an empty one and to look at it took an eighth of the time of a line.
        return Ok(None);
    }
    let headers = headers.map_or(Ok(Vec::new()), pairs)?;
    let mut attributes = Attributes::default();
    let mut spoken = false;
    for (name, value) in &headers {
        if let Some(name) = attribute(name) {
            spoken = true;
            attributes.set(name.as_bytes(), Cow::Borrowed(value));
        }
    }
    if !spoken && may_be_event(payload) {
        attributes = of_payload(payload).unwrap_or_default();
    }
    if headers.is_empty() {
        return Ok(Some(attributes.into_metadata(Vec::new())));
    }
    let boxed = headers.iter().map(|(name, value)| (Box::from(&**name), Box::from(&**value))).collect();
    Ok(Some(attributes.into_metadata(boxed)))
}

/// A header's name and value.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The headers' names and values. A value that is no string is given as its JSON.
fn pairs(headers: &[u8]) -> Result<Vec<Pair<'_>>, &'static str> {
    const NO_TEXT: &str = "a header is not valid text";
    if headers == b"null" {
        return Ok(Vec::new());
    }
    let pair = |member: Result<json::Member, _>| {
        let member = member.map_err(|_| "the headers are not a JSON object")?;
        let name = match member.key(headers) {
            Cow::Borrowed(name) => Cow::Borrowed(std::str::from_utf8(name).map_err(|_| NO_TEXT)?),
            Cow::Owned(name) => Cow::Owned(String::from_utf8(name).map_err(|_| NO_TEXT)?),
        };
        let value = headers.get(member.value).unwrap_or_default();
        let value = match value.first() {
            Some(b'"') => json::text(value).ok_or(NO_TEXT)?,
            _ => Cow::Borrowed(std::str::from_utf8(value).map_err(|_| NO_TEXT)?),
        };
        Ok((name, value))
    };
    Members::new(headers).map(pair).collect()
}

/// The attribute that a header carries, if it carries one that has a meaning here.
fn attribute(header: &str) -> Option<&str> {
    let name = PREFIXES.iter().find_map(|prefix| {
        let (start, name) = header.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(name)
    })?;
    ["id", "type", "partitionkey", "subject", "time"].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a payload looks like one of the CloudEvents in JSON.
fn may_be_event(payload: &[u8]) -> bool {
    payload.first() == Some(&b'{') && SPEC_VERSION.find(payload).is_some()
}

/// The attributes of a payload that is one of the CloudEvents in JSON; none if it only looks like one.
fn of_payload(payload: &[u8]) -> Option<Attributes<'_>> {
    let mut attributes = Attributes::default();
    let mut is_event = false;
    for member in Members::new(payload) {
        let member = member.ok()?;
        let key = member.key(payload);
        is_event |= &*key == b"specversion";
        if let b"id" | b"type" | b"partitionkey" | b"subject" | b"time" = &*key
            && let Some(value) = payload.get(member.value).and_then(json::text)
        {
            attributes.set(&key, value);
        }
    }
    is_event.then_some(attributes)
}

/// Microseconds since 1970 of a time in RFC 3339.
fn microseconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_empty(metadata: Result<Option<Metadata>, &str>) -> bool {
        metadata.unwrap().is_none_or(|metadata| metadata.is_empty())
    }

    #[test]
    fn attributes_come_from_headers_with_any_of_the_prefixes() {
        for prefix in ["ce_", "CE-", "cloudEvents:"] {
            let headers = format!(
                r#"{{"{prefix}id":"7","{prefix}type":"paid","x":1,"{prefix}subject":"ada","{prefix}time":"1970-01-01T00:00:01.5Z"}}"#
            );
            let metadata =
                metadata(Some(headers.as_bytes()), br#"{"specversion":"1.0","id":"other"}"#).unwrap().unwrap();
            assert_eq!(metadata.headers.len(), 5);
            assert_eq!(metadata.headers[2], ("x".into(), "1".into()));
            assert_eq!(metadata.id.as_deref(), Some("7"));
            assert_eq!(metadata.kind.as_deref(), Some("paid"));
            assert_eq!(metadata.key.as_deref(), Some("ada"));
            assert_eq!(metadata.occurred_at_us, Some(1_500_000));
        }
    }

    #[test]
    fn attributes_come_from_a_payload_that_is_a_cloud_event() {
        let payload = br#"{"specversion":"1.0","type":"p\u0061id","partitionkey":"k","subject":"s","time":"2026-11-22T01:00:00.123456+01:00","data":{"id":"inner"},"x":NaN}"#;
        let metadata = metadata(None, payload).unwrap().unwrap();
        assert_eq!(metadata.id, None);
        assert_eq!(metadata.kind.as_deref(), Some("paid"));
        assert_eq!(metadata.key.as_deref(), Some("k"));
        assert_eq!(metadata.occurred_at_us, Some(1_795_305_600_123_456));
    }

    #[test]
    fn a_payload_that_only_mentions_cloud_events_says_nothing() {
        for payload in
            [&br#"{"id":"1","text":"\"specversion\"","nested":{"specversion":"1.0"}}"#[..], b"{\"specversion\"", b"[]"]
        {
            assert!(is_empty(metadata(None, payload)), "{payload:?}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_left_out() {
        for time in ["yesterday", "2026-11-22", "2026-11-22T01:00:00", ""] {
            assert_eq!(microseconds(time), None, "{time}");
        }
        assert_eq!(microseconds("1969-12-31T23:59:59Z"), Some(-1_000_000));
    }

    #[test]
    fn headers_that_are_no_object_are_an_error() {
        assert!(metadata(Some(b"[1]"), b"{}").is_err());
        assert!(metadata(Some(b"{\"a\":\"\xff\"}"), b"{}").is_err());
        assert!(is_empty(metadata(Some(b"null"), b"{}")));
    }
}
