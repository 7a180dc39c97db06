//! The document that `status --json` prints. Its fields are stable: they may become more.

use serde::Serialize;
use tidemill_pipeline::{
    Checkpoint, FeedName, LastError, ParkedId, ProcessorName, Quota, ReadFrom, Resolution, Stage, Stored, reproduce,
};
use tidemill_store::{Lineage, PartitionStatus, ProcessorStatus};

use crate::{
    config::{Config, ProcessorConfig},
    host::Trouble,
};

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Document {
    pub(super) host: Host,
    pub(super) processors: Vec<Processor>,
    /// Why something waits although it runs, as the host says.
    pub(super) troubles: Vec<Trouble>,
}

/// Whether a host runs on the data directory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Host {
    pub(super) running: bool,
    /// Who holds the data directory.
    pub(super) owner: Option<String>,
}

/// A processor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Processor {
    pub(super) name: String,
    pub(super) version: u32,
    /// False: it is kept, and nothing runs it.
    pub(super) configured: bool,
    pub(super) epoch: u64,
    /// Who claimed it last.
    pub(super) owner: String,
    pub(super) claimed_at: String,
    /// The component that was accepted last.
    pub(super) component: Option<String>,
    pub(super) state_generation: u64,
    /// Keys, and bytes of keys and values.
    pub(super) state: Size,
    /// Everything that it keeps: its state and its parked events.
    pub(super) stored: Size,
    pub(super) quotas: Quotas,
    pub(super) parked: u64,
    /// How many of them wait for one before them that has the same key.
    pub(super) waiting: u64,
    /// How many keys have parked events.
    pub(super) held_keys: u64,
    pub(super) partitions: Vec<Partition>,
}

/// The most that a processor may keep, by its configuration when it was started last.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Quotas {
    /// Null: as many as the disk takes.
    pub(super) stored_rows: Option<u64>,
    /// Null: as many as the disk takes.
    pub(super) stored_bytes: Option<u64>,
}

/// How much something is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Size {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// A partition of a feed.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are the document's")]
#[serde(rename_all = "kebab-case")]
pub(super) struct Partition {
    pub(super) feed: String,
    pub(super) partition: String,
    /// False: its processor is not configured, or does not read its feed.
    pub(super) configured: bool,
    /// As it is kept: one that is `running` would go on if it were configured.
    pub(super) status: &'static str,
    /// Null before the first checkpoint; then `start` says where it begins.
    pub(super) cursor: Option<String>,
    /// `first` or `last`, as long as there is no cursor.
    pub(super) start: Option<&'static str>,
    pub(super) generation: u64,
    /// Events that it moved over.
    pub(super) position: u64,
    /// Events that are ahead; null: unknown. No protocol says it so far.
    pub(super) lag: Option<u64>,
    pub(super) updated_at: String,
    pub(super) feed_identity: String,
    pub(super) last_error: Option<Error>,
    /// What an operator decided about events that it stood at; until the cursor moves.
    pub(super) resolutions: Vec<Decision>,
    pub(super) lineage: Vec<Stretch>,
}

/// Why a partition stopped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Error {
    pub(super) kind: String,
    pub(super) stage: String,
    pub(super) cause: String,
    pub(super) hint: Option<String>,
    pub(super) event: Option<Event>,
    pub(super) backtrace: Option<String>,
    /// The command that shows it again, over the state as it is: with the event alone, if there is one.
    pub(super) reproduce: Option<String>,
}

/// What identifies an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Event {
    /// The cursor that its span begins at; null: the beginning.
    pub(super) span_from: Option<String>,
    /// The digest of its payload.
    pub(super) payload: String,
}

/// What an operator decided.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Decision {
    pub(super) policy: &'static str,
    pub(super) event: Event,
}

/// A stretch of a partition that the same code computed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Stretch {
    pub(super) component: String,
    pub(super) config: String,
    pub(super) instances: &'static str,
    pub(super) from_generation: u64,
    /// Events before it.
    pub(super) from_position: u64,
    /// Events up to its end: where the next begins, or where the partition is.
    pub(super) to_position: u64,
    pub(super) since: String,
}

impl Document {
    /// What the database, the lock and the host say, beside the configuration.
    pub(super) fn new(
        owner: Option<String>,
        processors: &[ProcessorStatus],
        troubles: Vec<Trouble>,
        config: &Config,
    ) -> Self {
        let host = Host { running: owner.is_some(), owner };
        let processors = processors.iter().map(|status| Processor::new(status, config.processors.get(&status.id.name)));
        Self { host, processors: processors.collect(), troubles }
    }
}

impl Processor {
    fn new(status: &ProcessorStatus, configured: Option<&ProcessorConfig>) -> Self {
        let reads = |feed: &FeedName| configured.is_some_and(|processor| processor.feeds.contains(feed));
        let partition =
            |partition: &PartitionStatus| Partition::new(&status.id.name, partition, reads(&partition.key.feed));
        Self {
            name: status.id.name.to_string(),
            version: status.id.version,
            configured: configured.is_some(),
            epoch: status.epoch,
            owner: status.owner.clone(),
            claimed_at: status.claimed_at.clone(),
            component: status.component.map(|digest| digest.to_string()),
            state_generation: status.state_generation,
            state: status.state.into(),
            stored: status.stored.into(),
            quotas: status.quota.into(),
            parked: status.parked,
            waiting: status.waiting,
            held_keys: status.held_keys,
            partitions: status.partitions.iter().map(partition).collect(),
        }
    }
}

impl From<Stored> for Size {
    fn from(Stored { rows, bytes }: Stored) -> Self {
        Self { rows, bytes }
    }
}

impl From<Quota> for Quotas {
    fn from(Quota { rows_max, bytes_max }: Quota) -> Self {
        Self { stored_rows: rows_max, stored_bytes: bytes_max }
    }
}

impl Partition {
    fn new(processor: &ProcessorName, status: &PartitionStatus, configured: bool) -> Self {
        let Checkpoint { read_from, generation, position, status: word, error, feed_identity, resolutions } =
            &status.checkpoint;
        Self {
            feed: status.key.feed.to_string(),
            partition: status.key.partition.to_string(),
            configured,
            status: word.as_str(),
            cursor: read_from.cursor().map(ToString::to_string),
            start: match read_from {
                ReadFrom::First => Some("first"),
                ReadFrom::Last => Some("last"),
                ReadFrom::After(_) => None,
            },
            generation: *generation,
            position: *position,
            lag: None,
            updated_at: status.updated_at.clone(),
            feed_identity: feed_identity.clone(),
            last_error: error.as_ref().map(|error| Error::new(processor, status, error)),
            resolutions: resolutions.iter().map(Decision::from).collect(),
            lineage: stretches(&status.lineage, *position),
        }
    }
}

/// Each ends where the next begins. After a reset the positions begin anew, so an end may lie before its begin.
fn stretches(lineage: &[Lineage], position: u64) -> Vec<Stretch> {
    let ends = lineage.iter().skip(1).map(|next| next.from_position).chain([position]);
    lineage
        .iter()
        .zip(ends)
        .map(|(stretch, end)| Stretch {
            component: stretch.code.component.to_string(),
            config: stretch.code.config.to_string(),
            instances: stretch.code.instances.as_str(),
            from_generation: stretch.from_generation,
            from_position: stretch.from_position,
            to_position: end,
            since: stretch.since.clone(),
        })
        .collect()
}

impl Error {
    fn new(processor: &ProcessorName, status: &PartitionStatus, error: &LastError) -> Self {
        let LastError { kind, stage, cause, hint, event, backtrace } = error.clone();
        let again = match &event {
            Some(event) => Some(reproduce(processor, &event.key, &event.span_from, Some(&event.payload))),
            // The component asked for a person, or met the clock: in what comes next.
            None => (stage == Stage::Process.as_str())
                .then(|| reproduce(processor, &status.key, &status.checkpoint.read_from, None)),
        };
        Self { kind, stage, cause, hint, event: event.as_ref().map(Event::from), backtrace, reproduce: again }
    }
}

impl From<&ParkedId> for Event {
    fn from(id: &ParkedId) -> Self {
        Self { span_from: id.span_from.cursor().map(ToString::to_string), payload: id.payload.to_string() }
    }
}

impl From<&Resolution> for Decision {
    fn from(resolution: &Resolution) -> Self {
        Self { policy: resolution.policy.as_str(), event: Event::from(&resolution.event) }
    }
}
