//! The outcome of a case: what its events came to.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tidemill_engine::{Listener, LogLevel};
use tidemill_pipeline::{Cost, Refusal, RehearsalEnd, Rehearsed, Value};

use crate::config::FailedAs;

/// What the events of a case came to.
#[derive(Debug, Default)]
pub struct CaseOutcome {
    /// Batch after batch, with what each would write.
    pub batches: Vec<Rehearsed>,
    /// The whole state afterwards.
    pub after: BTreeMap<String, Value>,
    /// What went wrong, in order.
    pub failures: Vec<CaseFailure>,
    /// What the calls that went well cost: their fuel together, and the most memory of any.
    pub cost: Cost,
    /// What the component said, also in calls that went wrong: a batch that is searched for its culprit says it again.
    pub lines: Vec<LogLine>,
}

/// A line that a component said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.as_str(), self.text)
    }
}

/// Keeps what a component says until somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<LogLine>>>);

impl Heard {
    /// The lines since the last time.
    pub(crate) fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener for Heard {
    fn hear(&self, level: LogLevel, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(LogLine { level, text: line.to_owned() });
        }
    }
}

/// The most lines that wait for somebody to ask.
const LINES_MAX: usize = 10_000;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// The event's place from 1 over all events of the case; none if the failure concerns the call.
    pub event: Option<u64>,
    /// Which kind.
    pub kind: FailedAs,
    /// What ended the call, as a word: `rejected`, `trap`, `fuel`, `memory`, `limit`; or that it was no event's fault.
    pub cause: String,
    /// For people.
    pub reason: String,
    /// When the component wants to be called again.
    pub after_ms: Option<u64>,
    /// The guest's frames, where there are any.
    pub backtrace: Option<String>,
}

impl CaseOutcome {
    /// Adds a batch.
    pub(super) fn add(&mut self, rehearsed: Rehearsed) {
        let before: usize = self.batches.iter().map(|before| before.batch.len()).sum();
        for rejected in &rehearsed.rejected {
            let event = &rejected.event;
            self.failures.push(CaseFailure {
                event: Some((before + rejected.index + 1) as u64),
                kind: FailedAs::Rejected,
                cause: event.cause.clone(),
                reason: event.reason.clone(),
                after_ms: None,
                backtrace: event.backtrace.clone(),
            });
        }
        if let Some(RehearsalEnd::Refused(refusal)) = &rehearsed.end {
            self.failures.push(refused(refusal));
        }
        self.cost.fuel += rehearsed.cost.fuel;
        self.cost.memory_bytes = self.cost.memory_bytes.max(rehearsed.cost.memory_bytes);
        self.batches.push(rehearsed);
    }
}

fn refused(refusal: &Refusal) -> CaseFailure {
    let (kind, reason, after_ms) = match refusal {
        Refusal::Retry { after, reason } => {
            (FailedAs::Retry, reason.clone(), Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
        }
        Refusal::Halt { reason } => (FailedAs::Halted, reason.clone(), None),
        Refusal::Overtime { limit } => {
            (FailedAs::Broken, format!("a call took longer than its {limit:?} (limits.call-time)"), None)
        }
        Refusal::Host(failure) => (FailedAs::Broken, failure.cause.clone(), None),
        Refusal::Rejected(rejection) => (FailedAs::Broken, rejection.reason.clone(), None),
    };
    CaseFailure { event: None, kind, cause: kind.as_str().to_owned(), reason, after_ms, backtrace: None }
}
