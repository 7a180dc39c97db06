//! The rules of Tidemill, and nothing else: no socket, file, SQL or Wasm.
//!
//! ```text
//!   Source ── Span ──▶ worker ── Call ──▶ Processor
//!                        │                    │ writes
//!                        ▼                    ▼
//!                      Store ◀── Commit ── Overlay
//! ```
//!
//! A [`Source`] hands on spans: the events up to a checkpoint. The worker makes batches of whole spans, gives them
//! to a [`Processor`], whose reads and writes go to an [`Overlay`] over the state, and commits the writes together
//! with the cursor: a compare-and-set in the [`Store`].

pub mod failpoint;
pub mod json;
mod names;
mod cursor;
mod value;
mod digest;
mod fields;
mod event;
mod batch;
mod topology;
mod lengths;
mod write_set;
mod overlay;
mod pace;
mod failure;
mod quota;
mod commit;
mod ports;
mod backoff;
mod spans;
mod fetch;
mod intake;
mod key;
mod held;
mod cooldown;
mod queues;
mod recent;
mod lane;
mod aside;
mod parkings;
mod apply;
mod rehearse;
mod retry;
mod monitor;
mod observer;
mod strain;
mod turn;
mod progress;
mod line;
mod worker;

pub use apply::{from_option, option, quoted, reproduce};
pub use aside::Rejected;
pub use backoff::*;
pub use batch::*;
pub use commit::*;
pub use cursor::*;
pub use digest::*;
pub use event::*;
pub use failure::*;
pub use fetch::*;
pub use fields::Fields;
pub use held::*;
pub use key::*;
pub use lane::*;
pub use lengths::KnownLength;
pub use monitor::*;
pub use names::*;
pub use observer::*;
pub use overlay::*;
pub use ports::*;
pub use quota::*;
pub use rehearse::*;
pub use retry::*;
pub use spans::*;
pub use topology::*;
pub use value::*;
pub use worker::*;
pub use write_set::WriteSet;
