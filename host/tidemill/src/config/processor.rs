//! A processor's settings.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use tidemill_pipeline::{
    BatchBounds, Digest, Durability, FeedName, Instances, KeyOrder, Parking, RejectPolicy, WriteBounds,
};
use toml::Spanned;
use tracing::Level;

use super::{
    kinds::{Choice, Count, File, Line, Paths, Pointer, Size, Time, Words},
    problem::Problems,
    quotas::Quotas,
    section::{Reading, Section},
    values::ComponentConfig,
};

/// A component, the feeds that it reads, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorConfig {
    /// The file of the component.
    pub component: PathBuf,
    /// What `dev` runs to build the component, if somebody said.
    pub build: Option<String>,
    /// What `dev` watches; none for the configuration's directory.
    pub sources: Option<Vec<PathBuf>>,
    /// The feeds that it reads, in the order of the file, none twice; at least one.
    pub feeds: Vec<FeedName>,
    /// Where the partitions of the first discovery begin.
    pub start: Start,
    /// What happens to an event that the component cannot apply.
    pub on_reject: RejectPolicy,
    /// What happens to the events behind one that was put aside.
    pub parking: Parking,
    /// Whether all partitions share one state.
    pub state: StateLayout,
    /// How long an instance lives.
    pub instances: Instances,
    /// When a commit counts as done.
    pub durability: Durability,
    /// How large a batch may be.
    pub batch: BatchBounds,
    /// How long a batch should take.
    pub batch_time: Duration,
    /// The least level of the component's log lines that are kept.
    pub log_level: Level,
    /// The members of payloads that the component is given; none for whole payloads.
    pub fields: Option<BTreeSet<String>>,
    /// What the component may read.
    pub config: ComponentConfig,
    /// What the component may use.
    pub limits: Limits,
    /// What the processor may keep and say.
    pub quotas: Quotas,
}

/// Where a processor begins to read a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the beginning.
    First,
    /// Somewhere around now.
    Last,
}

/// Whether the partitions of a processor share one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateLayout {
    /// One key space; batches run one at a time.
    Shared,
    /// A key space for each partition; batches run beside each other.
    Partitioned,
}

/// What a component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, in bytes.
    pub memory_bytes_max: usize,
    /// Wall time of a call, host calls included.
    pub call_time: Duration,
    /// Fuel that every call may use, the start of its instance included.
    pub fuel_per_call: u64,
    /// Fuel that each event adds.
    pub fuel_per_event: u64,
    /// Fuel that each byte of a payload adds.
    pub fuel_per_byte: u64,
    /// What a batch may write.
    pub writes: WriteBounds,
    /// The size of the component's file.
    pub component_bytes_max: usize,
}

/// The words for what happens to an event that is rejected.
pub(super) const POLICIES: &[(&str, RejectPolicy)] =
    &[("halt", RejectPolicy::Halt), ("park", RejectPolicy::Park), ("skip", RejectPolicy::Skip)];
/// The words for the levels of log lines.
pub(super) const LOG_LEVELS: &[(&str, Level)] = &[
    ("trace", Level::TRACE),
    ("debug", Level::DEBUG),
    ("info", Level::INFO),
    ("warn", Level::WARN),
    ("error", Level::ERROR),
];

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

impl ProcessorConfig {
    /// Declares and reads the settings. The names of the feeds are checked by [`super::Config`], which knows them.
    pub(super) fn read(section: &mut Section<'_>) -> (Option<Self>, Vec<Spanned<String>>) {
        let component = section.required(
            "component",
            &File,
            "The WebAssembly component. When the file changes, it is reloaded between two batches.",
        );
        let build = section.optional("build", &Line, "The command that builds the component, for `tidemill dev`. A shell runs it in the directory of this file. `run` ignores it.");
        let sources = section.optional("sources", &Paths, "What `tidemill dev` watches: files and directories. Without it the directory of this file. In directories some things are passed over: hidden files, what is built, data, components; see [development.md](development.md).");
        let feeds = section.required("feeds", &Words("feed names"), "The feeds that it reads; at least one.");
        let start = section.setting("start", &Choice(&[("first", Start::First), ("last", Start::Last)]), "\"first\"", "Where to begin at the first start: `first` reads the whole feed, `last` from about now. Later starts go on from the cursor.");
        let on_reject = section.setting(
            "on-reject",
            &Choice(POLICIES),
            "\"halt\"",
            "What happens to an event that the component cannot apply: stop the partition, put the event aside, or leave it out.",
        );
        let parking = read_parking(section);
        let state = section.setting(
            "state",
            &Choice(&[("shared", StateLayout::Shared), ("partitioned", StateLayout::Partitioned)]),
            "\"shared\"",
            "`shared`: one key space, one batch at a time. `partitioned`: a key space for each partition, batches in parallel.",
        );
        let instances = section.setting(
            "instances",
            &Choice(&[("fresh", Instances::Fresh), ("reuse", Instances::Reuse)]),
            "\"fresh\"",
            "`reuse` keeps an instance from batch to batch: for components that are slow to start. A batch then waits until the one before it is committed.",
        );
        let durability = section.setting("durability", &Choice(&[("normal", Durability::Normal), ("full", Durability::Full)]), "\"normal\"", "`full` waits for the disk at every commit. `normal` may lose the last commits at a power cut, state and cursor together, and reads them again.");
        let events_max = section.setting("batch-events", &Count(1..=100_000), "10_000", "The most events in one call.");
        let batch_time = section.setting("batch-time", &Time(Duration::from_millis(1)..=Duration::from_mins(1)), "\"100ms\"", "How long the component should take for a batch. Batches grow towards `batch-events` while it is quicker, and shrink when it is slower, but never below what stands between two checkpoints of the feed: that is given to the component in several calls.");
        let bytes_max =
            section.setting("batch-bytes", &Size(KIB..=256 * MIB), "\"4MiB\"", "The most bytes of events in one call.");
        let log_level = section.setting(
            "log-level",
            &Choice(LOG_LEVELS),
            "\"info\"",
            "The least level of the component's own log lines that are kept. It may ask, so this is part of its configuration, unlike `--log-level`.",
        );
        let fields = read_fields(section);
        let config = ComponentConfig::read(section);
        let limits = section.table("limits").map(|mut limits| {
            let read = Limits::read(&mut limits);
            limits.finish();
            read
        });
        let quotas = section.table("quotas").map(|mut quotas| {
            let read = Quotas::read(&mut quotas);
            quotas.finish();
            read
        });
        if feeds.as_ref().is_some_and(Vec::is_empty) {
            section.problem(section.place_of("feeds"), "`feeds` is empty", "name at least one feed of this file");
        }
        let batch = BatchBounds { events_max: usize::try_from(events_max).unwrap_or(usize::MAX), bytes_max };
        let read = component.zip(limits).zip(quotas).map(|((component, limits), quotas)| Self {
            component,
            build,
            sources,
            feeds: Vec::new(),
            start,
            on_reject,
            parking,
            state,
            instances,
            durability,
            batch,
            batch_time,
            log_level,
            fields,
            config,
            limits,
            quotas,
        });
        (read, feeds.unwrap_or_default())
    }

    /// The digest of what the component sees beside its events and its state.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let config = self.config.digest();
        let Some(fields) = &self.fields else { return config };
        let names: serde_json::Value = fields.iter().map(String::as_str).collect();
        let names = names.to_string();
        Digest::of(&[config.as_bytes().as_slice(), names.as_bytes()].concat())
    }
}

/// Declares and reads the fields.
pub(super) fn read_fields(section: &mut Section<'_>) -> Option<BTreeSet<String>> {
    let names = section.optional("fields", &Words("names of members"), "Of payloads that are JSON objects, the members that the component is given, by name; the others stay outside, which is the cheaper the larger they are. Payloads that are no objects are given whole. Without it all are, as the publisher sent them.");
    names.map(|names| names.into_iter().map(Spanned::into_inner).collect())
}

/// Declares and reads how events are put aside.
fn read_parking(section: &mut Section<'_>) -> Parking {
    let by_key = section.setting(
        "park",
        &Choice(&[("event", false), ("key", true)]),
        "\"event\"",
        "What happens to the events behind one that was put aside. `event`: they are applied. `key`: those of the same key wait behind it, in their order, until it is retried or dropped. An event without a key stands for itself.",
    );
    let pointer = section.optional("park-key", &Pointer, "With `park = \"key\"`, where in the payload the key stands, as a JSON pointer: text or a number. Without it the key is what the publisher says: CloudEvents `partitionkey`, else `subject`.");
    if by_key {
        return Parking::Key(KeyOrder { pointer, ..KeyOrder::default() });
    }
    if pointer.is_some() {
        let hint = "add `park = \"key\"`, or take `park-key` out";
        section.problem(section.place_of("park-key"), "`park-key` means nothing without `park = \"key\"`", hint);
    }
    Parking::Event
}

impl Limits {
    /// Declares and reads the settings.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let key_bytes_max = WriteBounds::default().key_bytes_max;
        let memory_bytes_max = section.setting(
            "memory",
            &Size(MIB..=4096 * MIB),
            "\"64MiB\"",
            "The linear memory of an instance. Python, JavaScript and Go run in the default; what a batch brings and reads comes on top.",
        );
        let call_time = section.setting("call-time", &Time(Duration::from_millis(10)..=Duration::from_mins(10)), "\"5s\"", "The longest wall time of one call, host calls included. Three times past it on fresh instances stops the partition as `stalled`.");
        let fuel = || Count(1..=1_000_000_000_000);
        let fuel_per_call = section.setting("fuel-per-call", &fuel(), "1_000_000_000", "Fuel that every call may use, the start of its instance included: about one unit an instruction, host calls cost more.");
        let fuel_per_event =
            section.setting("fuel-per-event", &fuel(), "10_000_000", "Fuel that each event of a call adds.");
        let fuel_per_byte =
            section.setting("fuel-per-byte", &fuel(), "1_000", "Fuel that each byte of an event's payload adds.");
        let rows_max =
            section.setting("write-rows", &Count(1..=10_000_000), "100_000", "The most keys that a batch may write.");
        let bytes_max = section.setting(
            "write-bytes",
            &Size(KIB..=1024 * MIB),
            "\"16MiB\"",
            "The most bytes of keys and values that a batch may write.",
        );
        let component_bytes_max =
            section.setting("component-size", &Size(KIB..=512 * MIB), "\"64MiB\"", "The largest file of a component.");
        let writes =
            WriteBounds { rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX), bytes_max, key_bytes_max };
        Self { memory_bytes_max, call_time, fuel_per_call, fuel_per_event, fuel_per_byte, writes, component_bytes_max }
    }
}

impl Default for Limits {
    /// What is written in no file.
    fn default() -> Self {
        let problems = Problems::default();
        Self::read(&mut Section::absent(String::new(), 0..0, Reading { directory: Path::new(""), problems: &problems }))
    }
}
