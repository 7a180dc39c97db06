//! Event processors for Tidemill, in Rust.
//!
//! ```
//! use std::borrow::Cow;
//! use tidemill_sdk::prelude::*;
//!
//! /// The sum of each user's amounts.
//! const TOTALS: Map<str, i128> = Map::new("total/");
//!
//! #[derive(serde::Deserialize)]
//! struct Payment<'a> {
//!     #[serde(borrow)]
//!     user: Cow<'a, str>,
//!     amount: i64,
//! }
//!
//! #[derive(Default)]
//! struct Totals;
//!
//! impl Processor for Totals {
//!     fn apply(&mut self, event: Event<'_>) -> Result {
//!         let payment: Payment = event.json().context("not a payment")?;
//!         TOTALS.add(&payment.user, payment.amount)
//!     }
//! }
//!
//! tidemill_sdk::export!(Totals);
//!
//! // In a test, on this machine, without Wasm:
//! let mut host = tidemill_sdk::testing::Host::new();
//! host.apply::<Totals>([r#"{"user": "ada", "amount": 3}"#, r#"{"user": "ada", "amount": 4}"#]).unwrap();
//! assert_eq!(host.text("total/ada"), Some("7"));
//! ```
//!
//! What happens in a call, from top to bottom:
//!
//! ```text
//!   the host ── process(batch) ──▶ run ── begin ── apply, event by event ── end ──▶ flush ──▶ the host
//!                                            │             │                          │
//!                                            └─ Map ──▶ overlay ◀─ reads, once a key ─┘ one get-many, one apply
//! ```

mod processor;
mod event;
mod columns;
mod map;
mod key;
mod value;
mod overlay;
mod error;
mod safe_integer;
mod log_lines;
mod port;
pub mod config;
pub mod contract;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use crate::{
    contract::types::Value,
    error::{Context, Error, Result},
    event::{Batch, Event, PayloadError},
    key::Key,
    map::{Entries, Map},
    processor::{Processor, run},
    safe_integer::SafeInteger,
    value::{Json, Stored},
};
pub use log;
#[doc(hidden)]
pub use wit_bindgen;

/// What most processors use: `use tidemill_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{Batch, Context, Error, Event, Json, Map, Processor, Result, SafeInteger, Value, config};
    pub use log::{debug, error, info, trace, warn};
}
