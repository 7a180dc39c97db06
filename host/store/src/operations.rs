//! What a host does with its store beside moving batches: requests, accepted components, the code cache's hashes.

use rusqlite::{OptionalExtension, params};
use tidemill_pipeline::{
    Claim, Commit, Digest, Durability, EventKey, Failure, FeedName, ProcessorId, Quota, Stage, StateSpace, Stored,
};

use crate::{
    apply, effects,
    error::Result,
    parked::{self, Parked},
    pauses,
    request::{self, Outcome, Request, RequestId},
    rows::digest,
    sqlite::{Sqlite, check},
    stored,
};

/// Requests that one look gives; the others wait for the next.
const PENDING_MAX: usize = 100;

impl Sqlite {
    /// The requests that wait, oldest first, a hundred at most. Cheap: to be asked several times a second.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pending(&self) -> std::result::Result<Vec<Request>, Failure> {
        self.read(|connection| request::pending(connection, PENDING_MAX)).await
    }

    /// Executes a request under a claim: its effect and its outcome are one transaction, which survives a power cut.
    /// Who is at work on what it changes is fenced. A request that was answered before is not executed again.
    ///
    /// # Errors
    /// [`Superseded`](tidemill_pipeline::FailureKind::Superseded) when the claim does not stand, else when the
    /// database cannot be written. A request that cannot be fulfilled is an [`Outcome::Refused`], not an error.
    pub async fn execute(&self, claim: &Claim, id: RequestId) -> std::result::Result<Outcome, Failure> {
        let claim = claim.clone();
        self.write(move |connection| effects::execute(connection, &claim, id)).await
    }

    /// Applies a commit and writes the outcome of the request that asked for it, in one transaction which survives a
    /// power cut.
    ///
    /// # Errors
    /// Those of a commit; [`Fenced`](tidemill_pipeline::FailureKind::Fenced) also when the request was answered or
    /// taken back.
    pub async fn commit_for_request(
        &self,
        id: RequestId,
        commit: Commit,
        outcome: Outcome,
    ) -> std::result::Result<(), Failure> {
        let (_, bytes) = check(&commit);
        let function = move |connection: &rusqlite::Connection| {
            apply::commit(connection, &commit)?;
            request::finish(connection, id, &outcome)
        };
        self.inner.writer.run(Durability::Full, Stage::Commit, bytes, function).await
    }

    /// Answers a request without an effect, such as one about a processor that is not configured.
    ///
    /// # Errors
    /// [`Fenced`](tidemill_pipeline::FailureKind::Fenced) when it was answered or taken back.
    pub async fn answer(&self, id: RequestId, outcome: Outcome) -> std::result::Result<(), Failure> {
        self.write(move |connection| request::finish(connection, id, &outcome)).await
    }

    /// Whether a request still waits: it was neither answered nor taken back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_pending(&self, id: RequestId) -> std::result::Result<bool, Failure> {
        self.read(move |connection| request::is_pending(connection, id)).await
    }

    /// A parked event by its number, with the processor that parked it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn parked(&self, number: i64) -> std::result::Result<Option<Parked>, Failure> {
        self.read(move |connection| parked::find(connection, number)).await
    }

    /// A parked event and those behind it in its queue, in their order: so many, and so many bytes
    /// of payloads, at most, but at least the first.
    /// Empty if it is gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn parked_queue(
        &self,
        first: i64,
        rows_max: usize,
        bytes_max: usize,
    ) -> std::result::Result<Vec<Parked>, Failure> {
        self.read(move |connection| parked::queue(connection, first, rows_max, bytes_max)).await
    }

    /// The number of the first parked event of a key; none if none is parked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn parked_first(
        &self,
        processor: &ProcessorId,
        feed: &FeedName,
        space: &StateSpace,
        key: &EventKey,
    ) -> std::result::Result<Option<i64>, Failure> {
        let (processor, feed, space, key) = (processor.clone(), feed.clone(), space.clone(), key.clone());
        self.read(move |connection| parked::first(connection, &processor, &feed, &space, &key)).await
    }

    /// Notes the component that a processor runs from now on, as the last one that was good. If it is another one than
    /// before, the partitions that stopped over an event or a slow call may try again, in the same transaction: says
    /// how many those are.
    ///
    /// # Errors
    /// [`Superseded`](tidemill_pipeline::FailureKind::Superseded) when the claim does not stand, else when the
    /// database cannot be written.
    pub async fn accept_component(&self, claim: &Claim, component: Digest) -> std::result::Result<usize, Failure> {
        let claim = claim.clone();
        let function = move |connection: &rusqlite::Connection| {
            apply::require_claim(connection, &claim)?;
            let changed = connection.execute(
                "UPDATE processor SET component = ?3 WHERE processor = ?1 AND version = ?2 AND component IS NOT ?3",
                params![claim.processor.name.as_str(), claim.processor.version, component.as_bytes()],
            )?;
            if changed == 0 { Ok(0) } else { pauses::try_again(connection, &claim.processor) }
        };
        self.write(function).await
    }

    /// Sets how much a processor may keep from now on, and says how much that is already. It may be more: then nothing
    /// that grows is committed.
    ///
    /// # Errors
    /// [`Superseded`](tidemill_pipeline::FailureKind::Superseded) when the claim does not stand, else when the
    /// database cannot be written.
    pub async fn set_quota(&self, claim: &Claim, quota: Quota) -> std::result::Result<Stored, Failure> {
        let claim = claim.clone();
        self.write(move |connection| stored::limit(connection, &claim, quota)).await
    }

    /// The component that a processor accepted last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accepted_component(&self, processor: &ProcessorId) -> std::result::Result<Option<Digest>, Failure> {
        let processor = processor.clone();
        let function = move |connection: &rusqlite::Connection| {
            let bytes = connection
                .prepare_cached("SELECT component FROM processor WHERE processor = ?1 AND version = ?2")?
                .query_row((processor.name.as_str(), processor.version), |row| row.get::<_, Option<Vec<u8>>>(0))
                .optional()?;
            bytes.flatten().as_deref().map(digest).transpose()
        };
        self.read(function).await
    }

    /// The hash that a file of compiled code must have.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn code_hash(&self, key: &str) -> std::result::Result<Option<Digest>, Failure> {
        let key = key.to_owned();
        let function = move |connection: &rusqlite::Connection| {
            let bytes = connection
                .prepare_cached("SELECT hash FROM code WHERE key = ?1")?
                .query_row([key], |row| row.get::<_, Vec<u8>>(0))
                .optional()?;
            bytes.as_deref().map(digest).transpose()
        };
        self.read(function).await
    }

    /// Notes the hash of a file of compiled code. It may be lost in a power cut; then the code is compiled again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_code_hash(&self, key: &str, hash: Digest) -> std::result::Result<(), Failure> {
        let key = key.to_owned();
        let function = move |connection: &rusqlite::Connection| {
            connection.execute("INSERT OR REPLACE INTO code VALUES (?1, ?2)", params![key, hash.as_bytes()])?;
            Ok(())
        };
        self.inner.writer.run(Durability::Normal, Stage::Commit, 0, function).await
    }

    /// Writes so that it survives a power cut.
    async fn write<T: Send + 'static>(
        &self,
        function: impl FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Failure> {
        self.inner.writer.run(Durability::Full, Stage::Commit, 0, function).await
    }
}
