//! The stores of Tidemill: SQLite, where state and cursor change in one transaction.
//!
//! ```text
//!   commits ──▶ queue ──▶ writer ──▶ BEGIN, a savepoint each, COMMIT ──▶ tidemill.db + its log
//!                                                                              ▲
//!   snapshots, checkpoints ──▶ gate ──▶ pool of read connections ──────────────┘
//! ```
//!
//! [`Sqlite`] is the store of a running host.

mod apply;
mod connection;
mod entries;
mod error;
mod gate;
mod integrity;
mod job;
mod lock;
mod pool;
mod rows;
mod schema;
mod snapshot;
mod sqlite;
mod wal;
mod writer;

pub use connection::DATABASE_FILE;
pub use lock::{DataLock, Held, Owner};
pub use sqlite::{Options, Sqlite};
