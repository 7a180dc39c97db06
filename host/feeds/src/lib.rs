//! The sources: ZeroEventHub, FeedAPI and NDJSON files, each as a [`Source`](tidemill_pipeline::Source) per partition.
//!
//! ```text
//!   Feed ──discover──▶ partitions
//!    │
//!    └─source─▶ FeedSource ──▶ Http ──▶ Body ──▶ Page ──▶ spans
//!                    │        request,  bytes    lines
//!                    │        answer
//!                    └───────▶ file ─────────────────────▶ spans
//! ```
//!
//! [`Page`] and what is below it (lines, JSON, CloudEvents) is pure: bytes in, spans out.

mod json;
mod cloud_event;
mod line;
mod page;

pub use line::LineForm;
pub use page::{Page, PageBounds, PageError, PageProblem};
