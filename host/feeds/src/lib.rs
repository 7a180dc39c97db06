//! The sources: ZeroEventHub, FeedAPI and NDJSON files, each as a [`Source`](tidemill_pipeline::Source) per partition.
//!
//! ```text
//!   Feed ──discover──▶ partitions
//!    │
//!    └─source─▶ FeedSource ──▶ Reader ──▶ Readership ──▶ Flight: Http ──▶ Body ──▶ Page ──▶ spans
//!                    │          one of     what they       request,  bytes    lines
//!                    │          many       share           answer
//!                    └───────▶ file ───────────────────────────────────────────────────▶ spans
//! ```
//!
//! [`Page`] and what is below it (lines, JSON, CloudEvents) is pure: bytes in, spans out. What is done about a
//! failure (waiting, asking again, stopping) is the pipeline's matter: here it is classified.

mod settings;
mod feed;
mod source;
mod reader;
mod readership;
mod walk;
mod seat;
mod reading;
mod rest;
mod recent;
mod room;
mod flight;
mod discovery;
mod request;
mod http;
mod credential;
mod answer;
mod body;
mod file;
mod recorded;
mod recording;
mod page;
mod line;
mod cloud_event;

pub use discovery::{Discovery, NoDiscovery, parse_discovery};
pub use feed::Feed;
pub use file::line_event;
pub use line::LineForm;
pub use page::{Page, PageBounds, PageError, PageProblem};
pub use recording::{RecordedSpan, Recording, RecordingError, record_span, record_start, recording_header};
pub use settings::{Address, Bounds, Credential, FeedError, FeedSettings, Protocol};
pub use source::FeedSource;
