//! SQLite as a store: one file, one writer, a few readers.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OptionalExtension};
use tidemill_pipeline::{
    Checkpoint, Claim, Commit, Durability, Failure, Held, PartitionKey, ProcessorId, Snapshot, Stage, StateSpace,
    Store, Usage, Value,
};

use crate::{
    apply,
    connection::{create_file, database_path, open_writer, sync_directory, tidy_up_at_the_end},
    error::{Result, StoreError},
    gate::Gate,
    identity::{self, Identity},
    integrity::{self, Check, Checker},
    parked,
    pool::{Lease, Pool},
    rows::{CHECKPOINT, NOW, checkpoint, partition_key, unsigned},
    schema,
    snapshot::SqliteSnapshot,
    wal::Wal,
    writer::{Stopped, Writer},
};

/// Bounds of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The length of the write-ahead log in bytes past which new snapshots wait for a checkpoint, briefly.
    pub wal_bytes_max: u64,
    /// Read connections, and so snapshots at the same time; at least 1. A further one waits.
    pub readers_max: usize,
    /// How long the start may look for damage after a power cut, before it goes on doing so in the background.
    pub check_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wal_bytes_max: 64 * 1024 * 1024, readers_max: 32, check_time: Duration::from_secs(10) }
    }
}

/// The database of a data directory. Clones share it. Whoever opens it holds the [`DataLock`](crate::DataLock).
#[derive(Clone)]
pub struct Sqlite {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) writer: Writer,
    pub(crate) pool: Arc<Pool>,
    pub(crate) stopped: Arc<Stopped>,
    identity: Identity,
    checker: Option<Checker>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl Sqlite {
    /// Opens the database in a directory, makes it if it is not there, and brings its schema up to date. After a
    /// power cut or an I/O error it is checked first. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be written, the file is no database of Tidemill, is of a newer one, or is damaged.
    pub fn open(directory: &Path, options: &Options) -> std::result::Result<Self, Failure> {
        Self::open_at(directory, options, &integrity::boot_id())
            .map_err(|error| error.of_file(&database_path(directory), Stage::Load))
    }

    pub(crate) fn open_at(directory: &Path, options: &Options, boot: &str) -> Result<Self> {
        let path = database_path(directory);
        identity::refuse_log_alone(&path)?;
        create_file(&path)?;
        let mut connection = open_writer(&path)?;
        // The writer changes that when all has gone well.
        tidy_up_at_the_end(&connection, false)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let begun = schema::migrate(&mut connection)
            .and_then(|()| integrity::begin(&mut connection, &path, boot, options.check_time));
        let check = begun.inspect_err(|error| {
            if error.stops_the_store() {
                integrity::mark_suspect(&path);
            }
        })?;
        // The log is there by now. SQLite syncs its name too, but tells nobody if that fails.
        sync_directory(&path)?;
        let identity = Identity::of(&path)?;
        let gate = Arc::new(Gate::default());
        let wal = Wal::watch(&mut connection, Arc::clone(&gate), options.wal_bytes_max)?;
        let stopped = Arc::new(Stopped::default());
        let pool = Arc::new(Pool::new(path, gate, options.readers_max.max(1)));
        let writer = Writer::start(connection, wal, identity.clone(), Arc::clone(&stopped))?;
        let checker = match check {
            Check::Unfinished => Some(Checker::start(database_path(directory), Arc::clone(&stopped))?),
            Check::NotNeeded | Check::Passed => None,
        };
        Ok(Self { inner: Arc::new(Inner { writer, pool, stopped, identity, checker }) })
    }

    /// Ends the writer after the commits that wait, and notes that the store was closed well. Blocks. Whatever is
    /// asked afterwards, by any clone, fails.
    ///
    /// # Errors
    /// When the note could not be written; then the next start may check the file.
    pub fn close(&self) -> std::result::Result<(), Failure> {
        self.inner.pool.close();
        self.inner.checker.iter().for_each(Checker::end);
        self.inner.writer.close().map_err(|error| error.classify(Stage::Commit))
    }

    /// Why the store has stopped for good, if it has: the disk failed, or the file is damaged. Nothing is written any
    /// more; only a new start, which checks the file, can go on.
    #[must_use]
    pub fn has_stopped(&self) -> Option<Failure> {
        self.inner.stopped.failure()
    }

    /// Claims a processor: earlier claims end. The label, which is not empty, says to those who held them who took over: a process, a
    /// host, a time.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim(&self, processor: &ProcessorId, label: &str) -> std::result::Result<Claim, Failure> {
        assert!(!label.is_empty(), "who has no owner was removed");
        let (id, owner) = (processor.clone(), label.to_owned());
        let epoch =
            self.inner.writer.run(Durability::Full, Stage::Load, 0, move |connection| claim(connection, &id, &owner));
        Ok(Claim { processor: processor.clone(), epoch: epoch.await? })
    }

    /// Every partition of a processor that was ever opened, finished ones included, in the order of their names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn partitions(
        &self,
        processor: &ProcessorId,
    ) -> std::result::Result<Vec<(PartitionKey, Checkpoint)>, Failure> {
        let processor = processor.clone();
        self.read(move |connection| partitions(connection, &processor)).await
    }

    /// Reads on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Failure> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::task::spawn_blocking(move || {
            inner.stopped.check()?;
            let read = || {
                inner.identity.check()?;
                let lease: Lease = inner.pool.lease_briefly()?;
                read(&lease)
            };
            read().inspect_err(|error| inner.stopped.stop_over(error))
        });
        let result = task.await.unwrap_or(Err(StoreError::Closed));
        result.map_err(|error| error.classify(Stage::Load))
    }
}

impl Store for Sqlite {
    async fn state_generation(&self, claim: &Claim) -> std::result::Result<u64, Failure> {
        let claim = claim.clone();
        self.read(move |connection| apply::state_generation(connection, &claim)).await
    }

    async fn load(&self, claim: &Claim, key: &PartitionKey) -> std::result::Result<Option<Checkpoint>, Failure> {
        let (processor, key) = (claim.processor.clone(), key.clone());
        self.read(move |connection| load(connection, &processor, &key)).await
    }

    async fn held(&self, claim: &Claim, space: &StateSpace) -> std::result::Result<Held, Failure> {
        let (processor, space) = (claim.processor.clone(), space.clone());
        self.read(move |connection| parked::held(connection, &processor, &space)).await
    }

    fn snapshot(&self, claim: &Claim, space: &StateSpace) -> Box<dyn Snapshot> {
        Box::new(SqliteSnapshot::new(
            Arc::clone(&self.inner.pool),
            Arc::clone(&self.inner.stopped),
            claim.processor.clone(),
            space.clone(),
        ))
    }

    async fn commit(&self, commit: Commit) -> std::result::Result<Usage, Failure> {
        let (durability, bytes) = check(&commit);
        self.inner
            .writer
            .run(durability, Stage::Commit, bytes, move |connection| apply::commit(connection, &commit))
            .await
    }
}

/// How durable a commit is at least, and how many bytes it writes.
pub(crate) fn check(commit: &Commit) -> (Durability, usize) {
    if let (Some(step), tidemill_pipeline::StateGuard::Partition(key)) = (&commit.step, &commit.guard) {
        assert_eq!(&step.key, key, "a partition's own state is written by its own step");
    }
    let parks = !commit.parked.is_empty() || !commit.settled.is_empty();
    let durability = if parks { Durability::Full } else { commit.durability };
    let bytes = commit.writes.iter().map(|(key, value)| key.len() + value.map_or(0, Value::len)).sum();
    (durability, bytes)
}

fn claim(connection: &Connection, processor: &ProcessorId, owner: &str) -> Result<u64> {
    let text = format!(
        "INSERT INTO processor (processor, version, epoch, state_generation, owner, claimed_at) VALUES (?1, ?2, 1, 0, ?3, {NOW})
         ON CONFLICT (processor, version) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner, claimed_at = excluded.claimed_at
         RETURNING epoch"
    );
    let epoch = connection
        .prepare_cached(&text)?
        .query_row((processor.name.as_str(), processor.version, owner), |row| row.get(0))?;
    unsigned(epoch)
}

/// A partition's checkpoint.
pub(crate) fn load(connection: &Connection, processor: &ProcessorId, key: &PartitionKey) -> Result<Option<Checkpoint>> {
    let text = format!(
        "SELECT {CHECKPOINT} FROM checkpoint WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let names = (processor.name.as_str(), processor.version, key.feed.as_str(), key.partition.as_str());
    let read = statement.query_row(names, |row| Ok(checkpoint(row, 0))).optional()?.transpose();
    read.map_err(|error| error.of_partition(processor, key))
}

/// Every partition of a processor.
pub(crate) fn partitions(connection: &Connection, processor: &ProcessorId) -> Result<Vec<(PartitionKey, Checkpoint)>> {
    let text = format!(
        "SELECT feed, partition, {CHECKPOINT} FROM checkpoint WHERE processor = ?1 AND version = ?2 ORDER BY feed, partition"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query((processor.name.as_str(), processor.version))?;
    let mut partitions = Vec::new();
    while let Some(row) = rows.next()? {
        let key = partition_key(row.get(0)?, row.get(1)?)?;
        let checkpoint = checkpoint(row, 2).map_err(|error| error.of_partition(processor, &key))?;
        partitions.push((key, checkpoint));
    }
    Ok(partitions)
}
