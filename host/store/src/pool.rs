//! The pool of read connections. A lease is one read transaction at a time.

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

use crate::{
    connection::open_host_reader,
    error::{Result, StoreError},
    gate::Gate,
};

/// How long a read waits for a connection. Calls are bounded, so connections come back.
const LEASE_WAIT: Duration = Duration::from_secs(30);

/// Read connections, opened when they are needed and kept.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    gate: Arc<Gate>,
    connections_max: usize,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Connections {
    idle: Vec<Connection>,
    leased: usize,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, gate: Arc<Gate>, connections_max: usize) -> Self {
        Self { path, gate, connections_max, connections: Mutex::default(), returned: Condvar::new() }
    }

    /// A connection for a read that may last as long as a call of a component. Blocks.
    pub(crate) fn lease(self: &Arc<Self>) -> Result<Lease> {
        self.gate.pass();
        self.lease_briefly()
    }

    /// A connection for a read of a moment, which does not wait for the write-ahead log. Blocks.
    pub(crate) fn lease_briefly(self: &Arc<Self>) -> Result<Lease> {
        let full = |connections: &mut Connections| {
            !connections.closed && connections.idle.is_empty() && connections.leased >= self.connections_max
        };
        let waited = self.returned.wait_timeout_while(self.lock(), LEASE_WAIT, full);
        let (mut connections, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if connections.closed {
            return Err(StoreError::Closed);
        }
        if waited.timed_out() {
            return Err(StoreError::ReadersBusy(self.connections_max, LEASE_WAIT.as_secs()));
        }
        let idle = connections.idle.pop();
        connections.leased += 1;
        drop(connections);
        // From here on the lease gives back its place, whatever happens.
        let mut lease = Lease { connection: idle, pool: Arc::clone(self) };
        if lease.connection.is_none() {
            lease.connection = Some(open_host_reader(&self.path)?);
        }
        Ok(lease)
    }

    /// Closes the idle connections, and each other one when it comes back.
    pub(crate) fn close(&self) {
        let mut connections = self.lock();
        connections.closed = true;
        connections.idle.clear();
        self.returned.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that goes back to its pool when dropped; an open transaction ends.
#[derive(Debug)]
pub(crate) struct Lease {
    connection: Option<Connection>,
    pool: Arc<Pool>,
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a lease has its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let usable = self.connection.take().filter(|connection| {
            connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() && connection.is_autocommit()
        });
        let mut connections = self.pool.lock();
        connections.leased -= 1;
        if !connections.closed {
            connections.idle.extend(usable);
        }
        self.pool.returned.notify_one();
    }
}
