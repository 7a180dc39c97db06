//! How the pipeline's types look in the database, both ways.

use rusqlite::{
    Row,
    types::{ToSqlOutput, ValueRef as Sql},
};
use serde::{Deserialize, Serialize};
use tidemill_pipeline::{
    Checkpoint, Cursor, Digest, EventKey, FeedName, LastError, Metadata, ParkedEvent, ParkedId, PartitionId,
    PartitionKey, ReadFrom, RejectPolicy, Resolution, Status, Value,
};

use crate::error::{Result, StoreError};

/// Now, as the database writes time: UTC with milliseconds.
pub(crate) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// A counter as SQLite stores it. Past 2^63 is past every use.
pub(crate) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StoreError::Unreadable(format!("the number {number}")))
}

/// A counter as SQLite gives it.
pub(crate) fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| StoreError::Unreadable(format!("the number {number}")))
}

/// Borrows a value for a statement: text is TEXT and bytes are BLOB.
pub(crate) fn sql(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Text(text) => Sql::Text(text.as_bytes()),
        Value::Bytes(bytes) => Sql::Blob(bytes),
    })
}

/// Reads a value.
pub(crate) fn value(sql: Sql<'_>) -> Result<Value> {
    match sql {
        Sql::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(StoreError::Unreadable("text that is not UTF-8".into())),
        },
        Sql::Blob(bytes) => Ok(Value::Bytes(bytes.to_owned())),
        Sql::Null | Sql::Integer(_) | Sql::Real(_) => {
            Err(StoreError::Unreadable(format!("a value of the type {}", sql.data_type())))
        }
    }
}

/// A place in a partition as text: `first`, `last` or `after:CURSOR`.
pub(crate) fn place(from: &ReadFrom) -> String {
    match from {
        ReadFrom::First => "first".into(),
        ReadFrom::Last => "last".into(),
        ReadFrom::After(cursor) => format!("after:{cursor}"),
    }
}

/// Reads a place.
pub(crate) fn parse_place(text: &str) -> Result<ReadFrom> {
    match text {
        "first" => Ok(ReadFrom::First),
        "last" => Ok(ReadFrom::Last),
        _ => match text.strip_prefix("after:") {
            Some(text) => Ok(ReadFrom::After(cursor(text)?)),
            None => Err(StoreError::Unreadable(format!("the place `{text}`"))),
        },
    }
}

/// The columns `start` and `cursor` of a place.
pub(crate) fn start_and_cursor(from: &ReadFrom) -> (&'static str, Option<&str>) {
    match from {
        ReadFrom::First => ("first", None),
        ReadFrom::Last => ("last", None),
        ReadFrom::After(cursor) => ("first", Some(cursor.as_str())),
    }
}

/// Reads a digest.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest> {
    // A digest is only made from text or by hashing, so the bytes take the way over text.
    let mut text = String::with_capacity(64);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text.parse().map_err(|_| StoreError::Unreadable(format!("the digest `{text}`")))
}

/// Reads a partition's key; a name is never empty.
pub(crate) fn partition_key(feed: String, partition: String) -> Result<PartitionKey> {
    if feed.is_empty() || partition.is_empty() {
        return Err(StoreError::Unreadable("a partition without a name".into()));
    }
    Ok(PartitionKey { feed: FeedName::new(feed), partition: PartitionId::new(partition) })
}

fn cursor(text: &str) -> Result<Cursor> {
    Cursor::new(text).map_err(|error| StoreError::Unreadable(format!("the cursor `{text}` ({error})")))
}

/// The columns of a checkpoint, as [`checkpoint`] reads them.
pub(crate) const CHECKPOINT: &str =
    "start, cursor, generation, position, status, last_error, feed_identity, resolution";

/// Reads a checkpoint that begins at a column.
pub(crate) fn checkpoint(row: &Row<'_>, at: usize) -> Result<Checkpoint> {
    let start: String = row.get(at)?;
    let read_from = match row.get::<_, Option<String>>(at + 1)? {
        Some(text) => ReadFrom::After(cursor(&text)?),
        None => parse_place(&start)?,
    };
    let status: String = row.get(at + 4)?;
    let error: Option<String> = row.get(at + 5)?;
    let resolutions: Option<String> = row.get(at + 7)?;
    Ok(Checkpoint {
        read_from,
        generation: unsigned(row.get(at + 2)?)?,
        position: unsigned(row.get(at + 3)?)?,
        status: Status::parse(&status).ok_or_else(|| StoreError::Unreadable(format!("the status `{status}`")))?,
        error: error.as_deref().map(parse_error).transpose()?,
        feed_identity: row.get(at + 6)?,
        resolutions: resolutions.as_deref().map_or(Ok(Vec::new()), parse_resolutions)?,
    })
}

/// The columns of a parked event, as [`parked_event`] reads them.
pub(crate) const PARKED: &str =
    "feed, partition, span_from, digest, copies, payload, metadata, cause, reason, backtrace, component, key";

/// Reads a parked event that begins at a column.
pub(crate) fn parked_event(row: &Row<'_>, at: usize) -> Result<ParkedEvent> {
    let metadata: Option<String> = row.get(at + 6)?;
    let component: Option<Vec<u8>> = row.get(at + 10)?;
    Ok(ParkedEvent {
        id: ParkedId {
            key: partition_key(row.get(at)?, row.get(at + 1)?)?,
            span_from: parse_place(&row.get::<_, String>(at + 2)?)?,
            payload: digest(&row.get::<_, Vec<u8>>(at + 3)?)?,
        },
        copies: row.get(at + 4)?,
        payload: value(row.get_ref(at + 5)?)?,
        metadata: metadata.as_deref().map(parse_metadata).transpose()?,
        cause: row.get(at + 7)?,
        reason: row.get(at + 8)?,
        backtrace: row.get(at + 9)?,
        component: component.as_deref().map(digest).transpose()?,
        key: row.get::<_, Option<String>>(at + 11)?.as_deref().and_then(EventKey::new),
    })
}

/// A value as JSON; every type here has a JSON form.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(format!("a value without JSON: {error}")))
}

/// Reads JSON that the database holds.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Unreadable(format!("{what} that is not as expected: {error}")))
}

/// A parked event's identity as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedIdJson {
    feed: String,
    partition: String,
    span_from: String,
    digest: String,
}

impl From<&ParkedId> for ParkedIdJson {
    fn from(id: &ParkedId) -> Self {
        Self {
            feed: id.key.feed.to_string(),
            partition: id.key.partition.to_string(),
            span_from: place(&id.span_from),
            digest: id.payload.to_string(),
        }
    }
}

impl TryFrom<ParkedIdJson> for ParkedId {
    type Error = StoreError;

    fn try_from(json: ParkedIdJson) -> Result<Self> {
        let payload = json.digest.parse();
        Ok(Self {
            key: partition_key(json.feed, json.partition)?,
            span_from: parse_place(&json.span_from)?,
            payload: payload.map_err(|_| StoreError::Unreadable(format!("the digest `{}`", json.digest)))?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct ErrorJson {
    kind: String,
    stage: String,
    cause: String,
    hint: Option<String>,
    event: Option<ParkedIdJson>,
    backtrace: Option<String>,
}

/// A checkpoint's error as JSON.
pub(crate) fn error_json(error: &LastError) -> Result<String> {
    let LastError { kind, stage, cause, hint, event, backtrace } = error.clone();
    json(&ErrorJson { kind, stage, cause, hint, event: event.as_ref().map(ParkedIdJson::from), backtrace })
}

fn parse_error(text: &str) -> Result<LastError> {
    let ErrorJson { kind, stage, cause, hint, event, backtrace } = parse_json(text, "an error")?;
    Ok(LastError { kind, stage, cause, hint, event: event.map(ParkedId::try_from).transpose()?, backtrace })
}

/// An operator's decision as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResolutionJson {
    event: ParkedIdJson,
    policy: String,
}

impl From<&Resolution> for ResolutionJson {
    fn from(resolution: &Resolution) -> Self {
        Self { event: (&resolution.event).into(), policy: resolution.policy.as_str().into() }
    }
}

impl TryFrom<ResolutionJson> for Resolution {
    type Error = StoreError;

    fn try_from(json: ResolutionJson) -> Result<Self> {
        let policy = [RejectPolicy::Halt, RejectPolicy::Park, RejectPolicy::Skip]
            .into_iter()
            .find(|policy| policy.as_str() == json.policy)
            .ok_or_else(|| StoreError::Unreadable(format!("the policy `{}`", json.policy)))?;
        Ok(Self { event: json.event.try_into()?, policy })
    }
}

/// One, as the first versions wrote it, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum ResolutionsJson {
    One(ResolutionJson),
    Several(Vec<ResolutionJson>),
}

fn parse_resolutions(text: &str) -> Result<Vec<Resolution>> {
    match parse_json::<ResolutionsJson>(text, "a resolution")? {
        ResolutionsJson::One(one) => Ok(vec![one.try_into()?]),
        ResolutionsJson::Several(several) => several.into_iter().map(Resolution::try_from).collect(),
    }
}

#[derive(Serialize, Deserialize)]
struct MetadataJson {
    headers: Vec<(Box<str>, Box<str>)>,
    id: Option<Box<str>>,
    kind: Option<Box<str>>,
    key: Option<Box<str>>,
    occurred_at_us: Option<i64>,
}

/// An event's metadata as JSON.
pub(crate) fn metadata_json(metadata: &Metadata) -> Result<String> {
    let Metadata { headers, id, kind, key, occurred_at_us } = metadata.clone();
    json(&MetadataJson { headers, id, kind, key, occurred_at_us })
}

fn parse_metadata(text: &str) -> Result<Metadata> {
    let MetadataJson { headers, id, kind, key, occurred_at_us } = parse_json(text, "metadata")?;
    Ok(Metadata { headers, id, kind, key, occurred_at_us })
}
