//! What goes wrong: one type for the whole program. A kind to branch on, a stage, a cause for people, a hint.

use std::{fmt, time::Duration};

/// A failure, classified where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the worker does about it.
    pub kind: FailureKind,
    /// Where on the straight line it happened.
    pub stage: Stage,
    /// What happened, as a sentence for people, without a final full stop. Never a payload and never a secret.
    pub cause: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// The shortest wait that the other side asked for (`Retry-After`, a component's `after-ms`).
    pub retry_after: Option<Duration>,
}

/// What the worker does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The world is not ready. Waits, with back-off, and does the same again; never counts against an event.
    Unavailable,
    /// The component cannot apply an event. Deterministic; the policy decides.
    Rejected,
    /// The component asked for a person. The partition stops.
    Halted,
    /// The component met the wall clock again and again. The partition stops.
    Stalled,
    /// The feed's partitions changed. Every worker of the feed stops and the feed is discovered again.
    Moved,
    /// The store is not where the worker thought: it forgets what it knows and starts over from the store.
    Fenced,
    /// The processor's quota has no room for the commit. The batch becomes smaller; a span alone stops the partition.
    Full,
    /// Another host claimed the processor. It stops and never claims again by itself.
    Superseded,
    /// Configuration, a lost cursor, a component that does not fit. The worker stops; the others go on.
    Broken,
}

/// A stage of the straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Asking which partitions a feed has.
    Discover,
    /// Asking for a page and reading it.
    Fetch,
    /// Calling the component.
    Process,
    /// Committing its writes with the cursor.
    Commit,
    /// Reading the checkpoint or the state.
    Load,
}

impl Stage {
    /// The word for it in logs and in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Fetch => "fetch",
            Self::Process => "process",
            Self::Commit => "commit",
            Self::Load => "load",
        }
    }
}

impl FailureKind {
    /// The word for it in logs and in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Halted => "halted",
            Self::Stalled => "stalled",
            Self::Moved => "moved",
            Self::Fenced => "fenced",
            Self::Full => "full",
            Self::Superseded => "superseded",
            Self::Broken => "broken",
        }
    }
}

impl Failure {
    /// A failure without a hint.
    #[must_use]
    pub fn new(kind: FailureKind, stage: Stage, cause: impl Into<String>) -> Self {
        Self { kind, stage, cause: cause.into(), hint: None, retry_after: None }
    }

    /// The world is not ready.
    #[must_use]
    pub fn unavailable(stage: Stage, cause: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, stage, cause)
    }

    /// A person has to change something.
    #[must_use]
    pub fn broken(stage: Stage, cause: impl Into<String>) -> Self {
        Self::new(FailureKind::Broken, stage, cause)
    }

    /// With what a person can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the shortest wait that the other side asked for.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Failure {}

/// How a call of a component can end other than well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The component wants the same batch again, later.
    Retry {
        /// The shortest wait that it asked for.
        after: Duration,
        /// For people.
        reason: String,
    },
    /// An event can never be applied, as far as this call can tell. Deterministic.
    Rejected(Rejection),
    /// The component wants a person to look.
    Halt {
        /// For people.
        reason: String,
    },
    /// The call met its wall clock. It says nothing about the events: the machine may have been slow.
    Overtime {
        /// The limit that it met.
        limit: Duration,
    },
    /// The host could not do its part: the state could not be read, the component could not be instantiated.
    Host(Failure),
}

/// A component's rejection: said by it, or a trap, or a deterministic limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What ended the call.
    pub cause: RejectionCause,
    /// The event's place among the events of the call, where the component named one.
    pub index: Option<usize>,
    /// For people, at most [`REASON_BYTES_MAX`].
    pub reason: String,
    /// The guest's frames, innermost first, where there are any.
    pub backtrace: Option<String>,
}

/// The longest reason that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 4 * 1024;

/// What ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectionCause {
    /// The component returned `reject`.
    Returned,
    /// It trapped.
    Trap,
    /// It used up its fuel.
    Fuel,
    /// It asked for more memory, table elements or instances than it may have, and trapped over that.
    Memory,
    /// Its writes or host calls passed a limit.
    Limit,
    /// The host could not deliver the event: its payload is not what the contract promises.
    Undeliverable,
}

impl RejectionCause {
    /// The word for it in logs and in the list of parked events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "rejected",
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Limit => "limit",
            Self::Undeliverable => "undeliverable",
        }
    }
}
