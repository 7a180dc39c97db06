//! One run of a row: its dice, how often, and what is broken on purpose; and what comes of it.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// What a row is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// The seed of its dice. The same seed makes the same faults.
    pub(crate) seed: u64,
    /// How often to try.
    pub(crate) count: u64,
    /// The rule that the host is to break, so that the row must find it: `TIDEMILL_BREAK` of a process, or
    /// [`tidemill_pipeline::failpoint`] in this one. A row may name breaks of its own that it knows how to do.
    pub(crate) broken: Option<&'static str>,
}

impl Trial {
    /// Its dice.
    pub(crate) fn dice(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }
}

/// What came of a run in which the invariant held.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// How often the fault was tried.
    pub(crate) tried: u64,
    /// What happened how often, or was measured: shown beneath the row, in the order of the names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) details: BTreeMap<String, Detail>,
}

/// A detail of a tally.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Detail {
    /// A number of times: those of several runs are added.
    Count(u64),
    /// Words, such as a measure with its unit: those of the last run stand.
    Words(String),
}

impl Tally {
    /// Notes that something happened once more.
    pub(crate) fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    /// Notes that something happened some times more.
    pub(crate) fn add(&mut self, what: &str, times: u64) {
        let entry = self.details.entry(what.to_owned()).or_insert(Detail::Count(0));
        if let Detail::Count(count) = entry {
            *count += times;
        }
    }

    /// Notes what was measured.
    pub(crate) fn note(&mut self, what: &str, words: impl Into<String>) {
        self.details.insert(what.to_owned(), Detail::Words(words.into()));
    }

    /// Adds what came of another run.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tried += other.tried;
        for (what, detail) in other.details {
            match detail {
                Detail::Count(times) => self.add(&what, times),
                Detail::Words(words) => self.note(&what, words),
            }
        }
    }
}

/// A run that held, with what was found when rules were broken on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// What came of it.
    pub(crate) tally: Tally,
    /// The rules whose breaking was found.
    pub(crate) found: Vec<&'static str>,
    /// How long it took, the broken runs included.
    pub(crate) took: Duration,
}

/// The invariant did not hold. A row gives it as its error; anything else that goes wrong is no finding.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the invariant does not hold: {}", self.0)
    }
}

impl std::error::Error for Violation {}

/// Ends a row with a [`Violation`] unless a condition holds.
macro_rules! holds {
    ($condition:expr, $($words:tt)+) => {
        let held: bool = $condition;
        if !held {
            return Err(anyhow::Error::new($crate::trial::Violation(format!($($words)+))));
        }
    };
}
pub(crate) use holds;
