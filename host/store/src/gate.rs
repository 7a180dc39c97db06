//! The gate that keeps the write-ahead log bounded: while it is closed, new snapshots wait, so that the log can be reset.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a snapshot waits at a closed gate. Then it goes on: a long log is better than a halt.
pub(crate) const GATE_WAIT: Duration = Duration::from_secs(2);

/// Open or closed. Opens for good when the writer ends.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Waits while it is closed, at most [`GATE_WAIT`].
    pub(crate) fn pass(&self) {
        let closed = self.state();
        if *closed {
            drop(self.opened.wait_timeout_while(closed, GATE_WAIT, |closed| *closed));
        }
    }

    pub(crate) fn close(&self) {
        *self.state() = true;
    }

    pub(crate) fn open(&self) {
        *self.state() = false;
        self.opened.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
