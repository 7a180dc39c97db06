//! Cases: events, and what must come of them, for components in any language. `tidemill test` runs them.
//!
//! ```text
//!   Case::read ──▶ Workbench::run ──▶ CaseOutcome ──▶ compare ──▶ differences
//!                       │
//!                       └─ the real engine and the worker's own rules, over a state in memory
//! ```

mod case;
mod differences;
mod events;
mod file_events;
mod outcome;
mod update;
mod workbench;

pub use case::{Case, CaseDefaults};
pub use differences::{Difference, compare};
pub(crate) use file_events::FileEvents;
pub(crate) use outcome::Heard;
pub use outcome::{CaseFailure, CaseOutcome, LogLine};
pub use update::updated;
pub use workbench::Workbench;

pub use crate::config::{ExpectedFailure, FailedAs};
