//! The commit: a batch's writes and its cursor as one compare-and-set, and what the store knows of a partition.

use std::fmt;

use crate::{Cursor, Digest, EventKey, Failure, Metadata, PartitionKey, ProcessorId, ReadFrom, Value, WriteSet};

/// A host's right to change a processor. A later claim ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The processor.
    pub processor: ProcessorId,
    /// Raised by every claim.
    pub epoch: u64,
}

/// Which state a batch reads and writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StateSpace {
    /// One key space for all partitions of all feeds.
    Shared,
    /// A key space for each partition of each feed.
    Partition(PartitionKey),
}

/// Which state a commit writes, and what must not have changed since the worker read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateGuard {
    /// Shared state: nobody else committed since this generation of it.
    Shared {
        /// The generation that the snapshot was taken at.
        generation: u64,
    },
    /// The partition's own state: its checkpoint's generation guards it.
    Partition(PartitionKey),
}

/// Everything that changes in one transaction. Either all of it happens, or none.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The claim that must still stand.
    pub claim: Claim,
    /// The state that is written.
    pub guard: StateGuard,
    /// The step of one partition; none when parked events are retried or partitions are opened.
    pub step: Option<Step>,
    /// The component's writes.
    pub writes: WriteSet,
    /// Events that the policy put aside.
    pub parked: Vec<ParkedEvent>,
    /// Parked events that this commit settles, one after the other.
    pub settled: Vec<Settled>,
    /// Partitions that begin with this commit, if they are not there yet.
    pub opened: Vec<NewPartition>,
    /// What computed the writes; none if no component was asked.
    pub code: Option<Code>,
    /// Whether the commit must survive a power cut before it is acknowledged.
    pub durability: Durability,
}

impl Commit {
    /// A commit that moves a partition and writes nothing else.
    #[must_use]
    pub fn of_step(claim: Claim, guard: StateGuard, step: Step) -> Self {
        Self { step: Some(step), ..Self::nothing(claim, guard) }
    }

    /// A commit that changes nothing: what others are made of.
    #[must_use]
    pub fn nothing(claim: Claim, guard: StateGuard) -> Self {
        Self {
            claim,
            guard,
            step: None,
            writes: WriteSet::default(),
            parked: Vec::new(),
            settled: Vec::new(),
            opened: Vec::new(),
            code: None,
            durability: Durability::Normal,
        }
    }
}

/// How a commit changes a partition's checkpoint. The generation rises by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The partition.
    pub key: PartitionKey,
    /// The generation that the checkpoint must still have.
    pub from_generation: u64,
    /// The cursor behind the batch; none leaves the cursor as it is.
    pub to: Option<Cursor>,
    /// Events that the step moves over.
    pub events: u64,
    /// The status from now on.
    pub status: Status,
    /// Why it stopped, if it did. None clears the error before.
    pub error: Option<LastError>,
}

impl Step {
    /// A step that leaves the cursor where it is.
    #[must_use]
    pub fn staying(key: PartitionKey, from_generation: u64, status: Status, error: Option<LastError>) -> Self {
        Self { key, from_generation, to: None, events: 0, status, error }
    }
}

/// What the store knows of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where to read from: the committed cursor, or where the partition starts.
    pub read_from: ReadFrom,
    /// Raised by every commit; never used twice.
    pub generation: u64,
    /// How many events were moved over since the beginning.
    pub position: u64,
    /// Whether, and why not, it runs.
    pub status: Status,
    /// Why it stopped, if it did.
    pub error: Option<LastError>,
    /// Which feed the cursor belongs to.
    pub feed_identity: String,
    /// What an operator decided about the events that it stopped at, one after the other: a span may have several. The
    /// next commit that moves the cursor clears it.
    pub resolutions: Vec<Resolution>,
}

/// What happens to an event that is rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RejectPolicy {
    /// Nothing of its span is committed, and the partition stops.
    #[default]
    Halt,
    /// It is put aside with its error; the rest of the span is committed.
    Park,
    /// It is left out; the rest of the span is committed.
    Skip,
}

impl RejectPolicy {
    /// The word for it in the configuration and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Park => "park",
            Self::Skip => "skip",
        }
    }
}

/// An operator's decision about one event (`resume --park`, `resume --skip`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The event.
    pub event: ParkedId,
    /// What happens to it.
    pub policy: RejectPolicy,
}

/// Whether a partition runs, and why not. Kept in the store: a restart changes nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `start = "last"`, and no checkpoint yet: nothing is promised.
    Starting,
    /// It runs.
    Running,
    /// An operator paused it.
    Paused,
    /// An event was rejected, or the component asked for a person.
    Halted,
    /// The component met the wall clock again and again.
    Stalled,
    /// Configuration or the feed: see the error. A restart tries again.
    Stopped,
    /// The partition was closed and read to its end.
    Finished,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Starting, Self::Running, Self::Paused, Self::Halted, Self::Stalled, Self::Stopped, Self::Finished];

    /// The word for it in the database and in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::Stalled => "stalled",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether a worker goes on from it by itself, after a restart at the latest.
    #[must_use]
    pub fn runs(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopped)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a partition stopped, for people and for `resume --park` and `--skip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The failure's kind and stage, as words.
    pub kind: String,
    /// The stage, as a word.
    pub stage: String,
    /// What happened.
    pub cause: String,
    /// What a person can do.
    pub hint: Option<String>,
    /// The event that it stopped at.
    pub event: Option<ParkedId>,
    /// The guest's frames, where there are any.
    pub backtrace: Option<String>,
}

/// A partition that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartition {
    /// The partition.
    pub key: PartitionKey,
    /// Where it starts.
    pub start: ReadFrom,
    /// Which feed its cursors belong to.
    pub feed_identity: String,
}

/// What identifies an event that was put aside: never an index, for between checkpoints the order may change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParkedId {
    /// The partition.
    pub key: PartitionKey,
    /// The place that its span began at.
    pub span_from: ReadFrom,
    /// The digest of its payload.
    pub payload: Digest,
}

/// A parked event that is over. One with a key must be the first of its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What identifies it.
    pub id: ParkedId,
    /// Its key, if it has one.
    pub key: Option<EventKey>,
}

impl From<&ParkedEvent> for Settled {
    fn from(event: &ParkedEvent) -> Self {
        Self { id: event.id.clone(), key: event.key.clone() }
    }
}

/// An event that was put aside, with all that is needed to look at it and to retry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    /// What identifies it.
    pub id: ParkedId,
    /// How many events of the span have this payload and were put aside; at least 1. Where order is kept by key, each
    /// event with a key is put aside for itself.
    pub copies: u32,
    /// Its key, where order is kept by key: it stands in a queue, behind all of that key and feed that were parked before it
    /// over the same state, and those that come wait behind it.
    pub key: Option<EventKey>,
    /// The payload as it came.
    pub payload: Value,
    /// What the publisher said about it.
    pub metadata: Option<Metadata>,
    /// What ended the call, as a word.
    pub cause: String,
    /// For people.
    pub reason: String,
    /// The guest's frames, where there are any.
    pub backtrace: Option<String>,
    /// The component that rejected it; none if it was given to none.
    pub component: Option<Digest>,
}

/// What computed some writes: the lineage of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The digest of the component file that the user gave.
    pub component: Digest,
    /// The digest of the processor's configuration.
    pub config: Digest,
    /// Whether instances are fresh for each batch or reused.
    pub instances: Instances,
}

/// How long an instance lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Instances {
    /// For one call.
    #[default]
    Fresh,
    /// For as long as its calls are committed.
    Reuse,
}

impl Instances {
    /// The word for it in the configuration and in the lineage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reuse => "reuse",
        }
    }
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// When the operating system has it: a power cut may take back the last commits, state and cursor together.
    #[default]
    Normal,
    /// When the disk has it.
    Full,
}

impl LastError {
    /// A failure as it is kept.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        Self {
            kind: failure.kind.as_str().to_owned(),
            stage: failure.stage.as_str().to_owned(),
            cause: failure.cause.clone(),
            hint: failure.hint.clone(),
            event: None,
            backtrace: None,
        }
    }
}
