//! The write-ahead log's length: checkpoints, and the gate that keeps it bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{
    connection::BUSY_WAIT,
    error::Result,
    gate::{GATE_WAIT, Gate},
};

/// How much the log grows between two checkpoints that wait for nobody.
const CHECKPOINT_BYTES: u64 = 8 * 1024 * 1024;

/// Watches the log from the writer's thread.
pub(crate) struct Wal {
    gate: Arc<Gate>,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU64>,
    page_bytes: u64,
    /// Past this length new snapshots wait.
    gate_bytes: u64,
    /// The length when it was looked at before.
    last_bytes: u64,
    /// The length at which the next checkpoint is due.
    due_bytes: u64,
    closed_at: Option<Instant>,
    /// After a wait in vain: the length at which snapshots may wait again.
    patience_bytes: u64,
}

impl Wal {
    /// Takes the place of SQLite's own checkpoints on this connection.
    pub(crate) fn watch(connection: &mut Connection, gate: Arc<Gate>, bytes_max: u64) -> Result<Self> {
        let pages = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, length: i32| {
            seen.store(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?;
        // The calls that run when the gate closes still commit, so it closes before the bound.
        let gate_bytes = bytes_max / 4 * 3;
        let page_bytes = u64::from(page_bytes);
        Ok(Self {
            gate,
            pages,
            page_bytes,
            gate_bytes,
            last_bytes: 0,
            due_bytes: CHECKPOINT_BYTES,
            closed_at: None,
            patience_bytes: 0,
        })
    }

    /// Whether snapshots wait for a checkpoint.
    pub(crate) fn holds_snapshots(&self) -> bool {
        self.closed_at.is_some()
    }

    /// Checkpoints if it is time. Called between transactions.
    pub(crate) fn tend(&mut self, connection: &Connection) -> Result<()> {
        let bytes = self.pages.load(Ordering::Relaxed) * self.page_bytes;
        if bytes >= self.gate_bytes.max(self.patience_bytes) || self.holds_snapshots() {
            return self.reset(connection, bytes);
        }
        if bytes < self.last_bytes {
            // It was started over.
            self.due_bytes = CHECKPOINT_BYTES;
        }
        self.last_bytes = bytes;
        if bytes >= self.due_bytes {
            // Waits for nobody. If no reader looks at the log, the next commit starts it over.
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            self.due_bytes = bytes + CHECKPOINT_BYTES;
        }
        Ok(())
    }

    /// Empties the log, for which every reader must have left it. Tried again and again while the gate is closed.
    fn reset(&mut self, connection: &Connection, bytes: u64) -> Result<()> {
        let closed_at = *self.closed_at.get_or_insert_with(|| {
            self.gate.close();
            Instant::now()
        });
        connection.busy_timeout(Duration::ZERO)?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        connection.busy_timeout(BUSY_WAIT)?;
        let emptied = !busy?;
        if emptied {
            self.pages.store(0, Ordering::Relaxed);
            (self.due_bytes, self.patience_bytes) = (CHECKPOINT_BYTES, 0);
        } else if closed_at.elapsed() >= GATE_WAIT {
            // Somebody reads for long, such as a backup. The log grows for a while before snapshots wait again.
            self.patience_bytes = bytes + self.gate_bytes / 4;
            tracing::warn!(bytes, "a long read keeps the write-ahead log from being emptied");
        } else {
            return Ok(());
        }
        self.end();
        Ok(())
    }

    /// Lets everybody pass.
    pub(crate) fn end(&mut self) {
        self.closed_at = None;
        self.gate.open();
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.end();
    }
}
