//! Requests: what operators ask of the host that runs, through a table.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::{Deserialize, Serialize};
use tidemill_pipeline::{Failure, FeedName, PartitionKey, ProcessorId, ProcessorName, ReadFrom, Resolution, Stage};

use crate::{
    connection::{database_path, open_requests},
    error::{Result, StoreError},
    rows::{NOW, ResolutionJson, json, parse_json, parse_place, partition_key, place},
    schema,
};

/// How long outcomes are kept, as SQLite says it.
const KEPT: &str = "-7 days";

/// A request's number. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// The processor that it is about.
    pub processor: ProcessorId,
    /// What is to happen.
    pub kind: RequestKind,
}

/// What is to happen to a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Partitions stop until they are resumed. Those that stand over an error stand then until they are resumed, and keep it
    /// in sight. What was decided about an event stays decided.
    Pause {
        /// One partition; none for all.
        partition: Option<PartitionKey>,
    },
    /// Partitions that stand go on from their checkpoints. What was decided about an event stays decided.
    Resume {
        /// One partition; none for all.
        partition: Option<PartitionKey>,
        /// What happens to the event that its partition stands at; refused if it stands at another one by now.
        resolution: Option<Resolution>,
    },
    /// Everything is forgotten: state, parked events, positions. Every partition begins at the first event.
    Reset {
        /// The feeds' identities from now on; those not named keep theirs.
        identities: Vec<(FeedName, String)>,
    },
    /// Everything of a processor that no configuration has any more is removed. Only its numbers stay, for none is used twice.
    Remove,
    /// One partition goes on from another place. State that partitions share stays.
    ResetPartition {
        /// The partition.
        key: PartitionKey,
        /// The first event or a cursor. With the first event its parked events are forgotten, and the state that
        /// is its own.
        to: ReadFrom,
        /// The feed's identity from now on; none keeps it.
        identity: Option<String>,
    },
    /// The feed has another address and is still the same one.
    AcceptFeedChange {
        /// The feed.
        feed: FeedName,
        /// Its identity from now on.
        identity: String,
    },
    /// Parked events are given to the component again. The host does it, with
    /// [`Sqlite::commit_for_request`](crate::Sqlite::commit_for_request).
    RetryParked {
        /// Their numbers.
        parked: Vec<i64>,
    },
    /// Parked events are given up.
    DropParked {
        /// Their numbers.
        parked: Vec<i64>,
    },
    /// Something that a newer program asks for. It is refused.
    Unknown(String),
}

impl RequestKind {
    /// The word for it in the database and in logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Reset { .. } => "reset",
            Self::Remove => "remove",
            Self::ResetPartition { .. } => "reset-partition",
            Self::AcceptFeedChange { .. } => "accept-feed-change",
            Self::RetryParked { .. } => "parked-retry",
            Self::DropParked { .. } => "parked-drop",
            Self::Unknown(word) => word,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done, as a sentence for people.
    Done(String),
    /// It was not done, and nothing changed.
    Refused {
        /// Why.
        cause: String,
        /// What a person can do.
        hint: Option<String>,
    },
}

/// The way of a command to the host that runs: it asks, and waits for the outcome. Never migrates.
#[derive(Debug)]
pub struct Requests {
    connection: Connection,
    path: PathBuf,
}

impl Requests {
    /// Opens the database of a data directory for asking. Blocks.
    ///
    /// # Errors
    /// When there is no database, or it is of another schema than this program's.
    pub fn open(directory: &Path) -> std::result::Result<Self, Failure> {
        let path = database_path(directory);
        let open = || {
            let connection = open_requests(&path)?;
            schema::require_current(&connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|error: StoreError| error.of_file(&path, Stage::Load))?;
        Ok(Self { connection, path })
    }

    /// Asks. The request survives a power cut. Blocks while another program writes, a few seconds at most.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn submit(&mut self, processor: &ProcessorId, kind: &RequestKind) -> std::result::Result<RequestId, Failure> {
        let mut submit = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction
                .execute("DELETE FROM request WHERE done_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1)", [KEPT])?;
            let text = format!("INSERT INTO request (asked, asked_at) VALUES (?1, {NOW})");
            transaction.execute(&text, [asked(processor, kind)?])?;
            let id = RequestId(transaction.last_insert_rowid());
            transaction.commit()?;
            Ok(id)
        };
        submit().map_err(|error: StoreError| error.of_file(&self.path, Stage::Commit))
    }

    /// What became of a request; none while it waits.
    ///
    /// # Errors
    /// When there is no such request, or the database cannot be read.
    pub fn outcome(&self, id: RequestId) -> std::result::Result<Option<Outcome>, Failure> {
        outcome(&self.connection, id).map_err(|error| error.of_file(&self.path, Stage::Load))
    }

    /// Takes a request back, so that it does not happen long after its command gave up. False if it was done before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn withdraw(&self, id: RequestId) -> std::result::Result<bool, Failure> {
        let deleted = self.connection.execute("DELETE FROM request WHERE id = ?1 AND outcome IS NULL", [id.0]);
        let failure = |error| StoreError::from(error).of_file(&self.path, Stage::Commit);
        deleted.map(|rows| rows > 0).map_err(failure)
    }
}

/// What became of a request; none while it waits.
pub(crate) fn outcome(connection: &Connection, id: RequestId) -> Result<Option<Outcome>> {
    let row = connection
        .prepare_cached("SELECT outcome FROM request WHERE id = ?1")?
        .query_row([id.0], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    match row {
        Some(text) => text.as_deref().map(|text| parse_json(text, "an outcome")).transpose(),
        None => Err(no_such_request(id)),
    }
}

/// Checks that every request can be read, and what became of it.
pub(crate) fn require_readable(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare("SELECT id, asked, outcome FROM request")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        parse(RequestId(row.get(0)?), row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        let outcome = row.get_ref(2)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        outcome.map(|text| parse_json::<Outcome>(text, "an outcome")).transpose()?;
    }
    Ok(())
}

/// Whether a request was neither answered nor taken back.
pub(crate) fn is_pending(connection: &Connection, id: RequestId) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM request WHERE id = ?1 AND outcome IS NULL")?;
    Ok(statement.exists([id.0])?)
}

/// A request and what became of it.
pub(crate) fn find(connection: &Connection, id: RequestId) -> Result<(Request, Option<Outcome>)> {
    let text = connection
        .prepare_cached("SELECT asked FROM request WHERE id = ?1")?
        .query_row([id.0], |row| row.get::<_, String>(0))
        .optional()?
        .ok_or_else(|| no_such_request(id))?;
    Ok((parse(id, &text)?, outcome(connection, id)?))
}

/// The requests that wait, oldest first, so many at most.
pub(crate) fn pending(connection: &Connection, limit: usize) -> Result<Vec<Request>> {
    let mut statement =
        connection.prepare_cached("SELECT id, asked FROM request WHERE outcome IS NULL ORDER BY id LIMIT ?1")?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut requests = Vec::new();
    while let Some(row) = rows.next()? {
        requests.push(parse(RequestId(row.get(0)?), row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(requests)
}

/// Writes what became of a request that waits.
pub(crate) fn finish(connection: &Connection, id: RequestId, outcome: &Outcome) -> Result<()> {
    let text = format!("UPDATE request SET outcome = ?2, done_at = {NOW} WHERE id = ?1 AND outcome IS NULL");
    match connection.prepare_cached(&text)?.execute((id.0, json(outcome)?))? {
        1 => Ok(()),
        _ => Err(StoreError::Fenced(format!("the request {id} was answered or taken back already"))),
    }
}

fn no_such_request(id: RequestId) -> StoreError {
    StoreError::Refused { cause: format!("there is no request {id}"), hint: None }
}

/// A request as JSON: one flat shape for all kinds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct AskedJson {
    kind: String,
    processor: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<ResolutionJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identities: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parked: Vec<i64>,
}

fn asked(processor: &ProcessorId, kind: &RequestKind) -> Result<String> {
    let mut asked = AskedJson {
        kind: kind.as_str().to_owned(),
        processor: processor.name.to_string(),
        version: processor.version,
        ..AskedJson::default()
    };
    let mut partition = |key: &PartitionKey| {
        asked.feed = Some(key.feed.to_string());
        asked.partition = Some(key.partition.to_string());
    };
    match kind {
        RequestKind::Pause { partition: key } => key.iter().for_each(partition),
        RequestKind::Resume { partition: key, resolution } => {
            key.iter().for_each(partition);
            asked.resolution = resolution.as_ref().map(ResolutionJson::from);
        }
        RequestKind::Reset { identities } => {
            asked.identities = identities.iter().map(|(feed, identity)| (feed.to_string(), identity.clone())).collect();
        }
        RequestKind::ResetPartition { key, to, identity } => {
            partition(key);
            asked.to = Some(place(to));
            asked.identities = identity.iter().map(|identity| (key.feed.to_string(), identity.clone())).collect();
        }
        RequestKind::AcceptFeedChange { feed, identity } => {
            asked.identities = vec![(feed.to_string(), identity.clone())];
        }
        RequestKind::RetryParked { parked } | RequestKind::DropParked { parked } => asked.parked.clone_from(parked),
        RequestKind::Remove | RequestKind::Unknown(_) => {}
    }
    json(&asked)
}

fn parse(id: RequestId, text: &str) -> Result<Request> {
    let AskedJson { kind, processor, version, feed, partition, to, resolution, identities, parked } =
        parse_json(text, "a request")?;
    let unreadable = || StoreError::Unreadable(format!("the request {id}"));
    if processor.is_empty() || identities.iter().any(|(feed, _)| feed.is_empty()) {
        return Err(unreadable());
    }
    let partition = match (feed, partition) {
        (Some(feed), Some(partition)) => Some(partition_key(feed, partition)?),
        _ => None,
    };
    let mut identities = identities.into_iter().map(|(feed, identity)| (FeedName::new(feed), identity));
    let kind = match kind.as_str() {
        "pause" => RequestKind::Pause { partition },
        "resume" => RequestKind::Resume { partition, resolution: resolution.map(Resolution::try_from).transpose()? },
        "reset" => RequestKind::Reset { identities: identities.collect() },
        "remove" => RequestKind::Remove,
        "reset-partition" => RequestKind::ResetPartition {
            key: partition.ok_or_else(unreadable)?,
            to: parse_place(&to.ok_or_else(unreadable)?)?,
            identity: identities.next().map(|(_, identity)| identity),
        },
        "accept-feed-change" => {
            let (feed, identity) = identities.next().ok_or_else(unreadable)?;
            RequestKind::AcceptFeedChange { feed, identity }
        }
        "parked-retry" => RequestKind::RetryParked { parked },
        "parked-drop" => RequestKind::DropParked { parked },
        _ => RequestKind::Unknown(kind),
    };
    Ok(Request { id, processor: ProcessorId { name: ProcessorName::new(processor), version }, kind })
}
