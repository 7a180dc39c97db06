//! The stores of Tidemill: SQLite, where state and cursor change in one transaction.
//!
//! ```text
//!   commits ──▶ queue ──▶ writer ──▶ BEGIN, a savepoint each, COMMIT ──▶ tidemill.db + its log
//!                                                                              ▲
//!   snapshots, checkpoints ──▶ gate ──▶ pool of read connections ──────────────┘
//! ```
//!
//! [`Sqlite`] is the store of the host that runs and holds the [`DataLock`]. Commands beside it look with a [`Reader`] and ask
//! with [`Requests`]. [`backup`] and [`restore`] copy the database as a whole.

mod apply;
mod backup;
mod connection;
mod effects;
mod entries;
mod error;
mod gate;
mod identity;
mod integrity;
mod job;
mod kept;
mod lock;
mod operations;
mod parked;
mod pauses;
mod pool;
mod reader;
mod request;
mod restore;
mod rows;
mod schema;
mod shape;
mod snapshot;
mod sqlite;
mod stored;
mod wal;
#[cfg(test)]
mod tests;
mod writer;

pub use backup::backup;
pub use connection::DATABASE_FILE;
pub use kept::Kept;
pub use lock::{DataLock, Held, Owner};
pub use parked::Parked;
pub use reader::{Lineage, PartitionStatus, ProcessorStatus, Reader};
pub use request::{Outcome, Request, RequestId, RequestKind, Requests};
pub use restore::{RESTORE_GAP, Restored, restore};
pub use sqlite::{Options, Sqlite};
