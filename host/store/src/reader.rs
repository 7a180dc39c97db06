//! The reader: what commands show. It never migrates, never writes and hardly waits.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidemill_pipeline::{
    Checkpoint, Code, Digest, Failure, FeedName, Instances, PartitionId, PartitionKey, ProcessorId, ProcessorName,
    Quota, Snapshot, Stage, StateSpace, Stored, Value,
};

use crate::{
    connection::{database_path, open_read_only},
    entries,
    error::{Result, StoreError},
    kept::{self, Kept},
    parked::{self, Parked},
    rows::{CHECKPOINT, checkpoint, digest, partition_key, unsigned},
    schema,
    snapshot::ReaderSnapshot,
    stored,
};

/// A view of the database of a data directory, beside a host that runs or without one. Blocks.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// A processor, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorStatus {
    /// The processor.
    pub id: ProcessorId,
    /// How often it was claimed.
    pub epoch: u64,
    /// Who claimed it last.
    pub owner: String,
    /// When, in UTC as RFC 3339 writes it.
    pub claimed_at: String,
    /// The generation of its shared state.
    pub state_generation: u64,
    /// The component that it accepted last.
    pub component: Option<Digest>,
    /// Its partitions in the order of their names.
    pub partitions: Vec<PartitionStatus>,
    /// How many events are parked, copies not counted.
    pub parked: u64,
    /// How many of them wait for one before them that has the same key.
    pub waiting: u64,
    /// How many keys have parked events.
    pub held_keys: u64,
    /// The size of its state: keys, and bytes of keys and values.
    pub state: Stored,
    /// Everything that it keeps: its state and its parked events.
    pub stored: Stored,
    /// The most that it may keep, as the host said that claimed it last.
    pub quota: Quota,
}

/// A partition, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The partition.
    pub key: PartitionKey,
    /// Where it is.
    pub checkpoint: Checkpoint,
    /// When the checkpoint moved last, in UTC as RFC 3339 writes it.
    pub updated_at: String,
    /// Which code computed its part of the state, oldest first.
    pub lineage: Vec<Lineage>,
}

/// A stretch of a partition that was computed by the same code. It ends where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The first generation that it made.
    pub from_generation: u64,
    /// How many events were before it.
    pub from_position: u64,
    /// The code.
    pub code: Code,
    /// Since when, in UTC as RFC 3339 writes it.
    pub since: String,
}

impl Reader {
    /// Opens the database of a data directory for reading.
    ///
    /// # Errors
    /// When there is none, or it is of another schema than this program's: the failure says which is newer.
    pub fn open(directory: &Path) -> std::result::Result<Self, Failure> {
        let path = database_path(directory);
        let open = || {
            let connection = open_read_only(&path)?;
            schema::require_current(&connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|error: StoreError| error.of_file(&path, Stage::Load))?;
        Ok(Self { connection, path })
    }

    /// All processors in the order of their names, as they are at one moment. Those that were removed are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn status(&self) -> std::result::Result<Vec<ProcessorStatus>, Failure> {
        self.at_one_moment(status)
    }

    /// The key spaces of a processor: the shared one, or those of its partitions that were written to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn spaces(&self, processor: &ProcessorId) -> std::result::Result<Vec<StateSpace>, Failure> {
        spaces(&self.connection, processor).map_err(|error| self.failure(error))
    }

    /// Which kinds of key spaces the processors keep something in, in the order of their names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn kept(&self) -> std::result::Result<Vec<Kept>, Failure> {
        self.at_one_moment(kept::load)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get(
        &self,
        processor: &ProcessorId,
        space: &StateSpace,
        key: &str,
    ) -> std::result::Result<Option<Value>, Failure> {
        self.at_one_moment(|connection| match entries::space(connection, processor, space)? {
            Some(space) => entries::get(connection, space, key),
            None => Ok(None),
        })
    }

    /// Entries whose keys begin with `prefix` and are greater than `after`, in the order of the bytes of their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scan(
        &self,
        processor: &ProcessorId,
        space: &StateSpace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> std::result::Result<Vec<(String, Value)>, Failure> {
        self.at_one_moment(|connection| match entries::space(connection, processor, space)? {
            Some(space) => entries::scan(connection, space, prefix, after, limit),
            None => Ok(Vec::new()),
        })
    }

    /// Parked events with numbers greater than `after` (0 for the first page), of one processor or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn parked_list(
        &self,
        processor: Option<&ProcessorId>,
        after: i64,
        limit: usize,
    ) -> std::result::Result<Vec<Parked>, Failure> {
        parked::list(&self.connection, processor, after, limit).map_err(|error| self.failure(error))
    }

    /// A parked event by its number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn parked(&self, number: i64) -> std::result::Result<Option<Parked>, Failure> {
        parked::find(&self.connection, number).map_err(|error| self.failure(error))
    }

    /// A key space as it is now, whatever is written while it is read. For as long as it is held, the write-ahead log grows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn into_snapshot(
        self,
        processor: &ProcessorId,
        space: &StateSpace,
    ) -> std::result::Result<Box<dyn Snapshot>, Failure> {
        let Self { connection, path } = self;
        Ok(Box::new(ReaderSnapshot::open(connection, path, processor, space)?))
    }

    fn at_one_moment<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, Failure> {
        let transaction = self.connection.unchecked_transaction().map_err(|error| self.failure(error.into()))?;
        read(&transaction).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: StoreError) -> Failure {
        error.of_file(&self.path, Stage::Load)
    }
}

fn status(connection: &Connection) -> Result<Vec<ProcessorStatus>> {
    let mut statement = connection.prepare_cached(
        "SELECT processor, version, epoch, owner, claimed_at, state_generation, component,
             stored_rows, stored_bytes, rows_max, bytes_max,
             (SELECT count(*) FROM parked_event AS event
              WHERE event.processor = processor.processor AND event.version = processor.version),
             (SELECT count(key) FROM parked_event AS event
              WHERE event.processor = processor.processor AND event.version = processor.version),
             (SELECT count(*) FROM (SELECT DISTINCT feed, lane, key FROM parked_event AS event
              WHERE event.processor = processor.processor AND event.version = processor.version AND key IS NOT NULL)),
             (SELECT coalesce(sum(stored_rows), 0) FROM space
              WHERE space.processor = processor.processor AND space.version = processor.version),
             (SELECT coalesce(sum(stored_bytes), 0) FROM space
              WHERE space.processor = processor.processor AND space.version = processor.version)
         FROM processor WHERE owner <> '' ORDER BY processor, version",
    )?;
    let mut rows = statement.query([])?;
    let mut processors = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let id = ProcessorId { name: ProcessorName::new(name), version: row.get(1)? };
        let component: Option<Vec<u8>> = row.get(6)?;
        let (stored, quota) = stored::read(row, 7)?;
        processors.push(ProcessorStatus {
            epoch: unsigned(row.get(2)?)?,
            owner: row.get(3)?,
            claimed_at: row.get(4)?,
            state_generation: unsigned(row.get(5)?)?,
            component: component.as_deref().map(digest).transpose()?,
            partitions: partitions(connection, &id)?,
            parked: unsigned(row.get(11)?)?,
            waiting: unsigned(row.get::<_, i64>(12)? - row.get::<_, i64>(13)?)?,
            held_keys: unsigned(row.get(13)?)?,
            state: Stored { rows: unsigned(row.get(14)?)?, bytes: unsigned(row.get(15)?)? },
            stored,
            quota,
            id,
        });
    }
    Ok(processors)
}

fn partitions(connection: &Connection, id: &ProcessorId) -> Result<Vec<PartitionStatus>> {
    let text = format!(
        "SELECT feed, partition, updated_at, {CHECKPOINT} FROM checkpoint WHERE processor = ?1 AND version = ?2
         ORDER BY feed, partition"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query((id.name.as_str(), id.version))?;
    let mut partitions = Vec::new();
    while let Some(row) = rows.next()? {
        let key = partition_key(row.get(0)?, row.get(1)?)?;
        let lineage = lineage(connection, id, &key)?;
        let checkpoint = checkpoint(row, 3).map_err(|error| error.of_partition(id, &key))?;
        partitions.push(PartitionStatus { key, checkpoint, updated_at: row.get(2)?, lineage });
    }
    Ok(partitions)
}

fn lineage(connection: &Connection, id: &ProcessorId, key: &PartitionKey) -> Result<Vec<Lineage>> {
    let mut statement = connection.prepare_cached(
        "SELECT from_generation, from_position, component, config, instances, since FROM lineage
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4 ORDER BY from_generation",
    )?;
    let mut rows = statement.query((id.name.as_str(), id.version, key.feed.as_str(), key.partition.as_str()))?;
    let mut lineage = Vec::new();
    while let Some(row) = rows.next()? {
        let instances = match row.get::<_, String>(4)?.as_str() {
            "reuse" => Instances::Reuse,
            _ => Instances::Fresh,
        };
        let component = digest(&row.get::<_, Vec<u8>>(2)?)?;
        let config = digest(&row.get::<_, Vec<u8>>(3)?)?;
        lineage.push(Lineage {
            from_generation: unsigned(row.get(0)?)?,
            from_position: unsigned(row.get(1)?)?,
            code: Code { component, config, instances },
            since: row.get(5)?,
        });
    }
    Ok(lineage)
}

fn spaces(connection: &Connection, id: &ProcessorId) -> Result<Vec<StateSpace>> {
    let mut statement = connection.prepare_cached(
        "SELECT feed, partition FROM space WHERE processor = ?1 AND version = ?2 ORDER BY feed, partition",
    )?;
    let mut rows = statement.query((id.name.as_str(), id.version))?;
    let mut spaces = Vec::new();
    while let Some(row) = rows.next()? {
        let (feed, partition): (String, String) = (row.get(0)?, row.get(1)?);
        spaces.push(if feed.is_empty() {
            StateSpace::Shared
        } else {
            StateSpace::Partition(PartitionKey { feed: FeedName::new(feed), partition: PartitionId::new(partition) })
        });
    }
    Ok(spaces)
}
