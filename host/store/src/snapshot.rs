//! A snapshot: a read transaction that begins with the first read and ends when it is dropped.

use std::{path::PathBuf, sync::Arc};

use rusqlite::Connection;
use tidemill_pipeline::{Failure, ProcessorId, Snapshot, Stage, StateSpace, Value};

use crate::{
    entries,
    error::{Result, StoreError},
    pool::{Lease, Pool},
    writer::Stopped,
};

/// One processor's state at one moment.
pub(crate) struct SqliteSnapshot {
    pool: Arc<Pool>,
    stopped: Arc<Stopped>,
    processor: ProcessorId,
    space: StateSpace,
    open: Option<Open>,
}

struct Open {
    lease: Lease,
    space: Option<i64>,
}

impl SqliteSnapshot {
    pub(crate) fn new(pool: Arc<Pool>, stopped: Arc<Stopped>, processor: ProcessorId, space: StateSpace) -> Self {
        Self { pool, stopped, processor, space, open: None }
    }

    fn read<T: Default>(&mut self, read: impl FnOnce(&Lease, i64) -> Result<T>) -> std::result::Result<T, Failure> {
        let result = self.open().and_then(|open| match open.space {
            Some(space) => read(&open.lease, space),
            None => Ok(T::default()),
        });
        let result = result.inspect_err(|error: &StoreError| self.stopped.stop_over(error));
        result.map_err(|error| error.classify(Stage::Load))
    }

    fn open(&mut self) -> Result<&Open> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let lease = self.pool.lease()?;
            lease.execute_batch("BEGIN")?;
            let space = entries::space(&lease, &self.processor, &self.space)?;
            Open { lease, space }
        };
        Ok(self.open.insert(open))
    }
}

/// A key space as a command reads it, at one moment.
pub(crate) struct ReaderSnapshot {
    connection: Connection,
    path: PathBuf,
    space: Option<i64>,
}

impl ReaderSnapshot {
    /// Begins to read from the database of this path.
    pub(crate) fn open(
        connection: Connection,
        path: PathBuf,
        processor: &ProcessorId,
        space: &StateSpace,
    ) -> std::result::Result<Self, Failure> {
        let begin = || {
            connection.execute_batch("BEGIN")?;
            entries::space(&connection, processor, space)
        };
        let space = begin().map_err(|error: StoreError| error.of_file(&path, Stage::Load))?;
        Ok(Self { connection, path, space })
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Connection, i64) -> Result<T>) -> std::result::Result<T, Failure> {
        let result = self.space.map_or_else(|| Ok(T::default()), |space| read(&self.connection, space));
        result.map_err(|error: StoreError| error.of_file(&self.path, Stage::Load))
    }
}

impl Snapshot for ReaderSnapshot {
    fn get(&mut self, key: &str) -> std::result::Result<Option<Value>, Failure> {
        self.read(|connection, space| entries::get(connection, space, key))
    }

    fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> std::result::Result<Vec<(String, Value)>, Failure> {
        self.read(|connection, space| entries::scan(connection, space, prefix, after, limit))
    }
}

impl Snapshot for SqliteSnapshot {
    fn get(&mut self, key: &str) -> std::result::Result<Option<Value>, Failure> {
        self.read(|lease, space| entries::get(lease, space, key))
    }

    fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> std::result::Result<Vec<(String, Value)>, Failure> {
        self.read(|lease, space| entries::scan(lease, space, prefix, after, limit))
    }
}
