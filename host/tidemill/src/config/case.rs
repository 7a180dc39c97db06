//! The file of a case: events for a processor, and what must come of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidemill_pipeline::{FeedName, Instances, Metadata, PartitionId, PartitionKey, RejectPolicy, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use tracing::Level;

use super::{
    ComponentConfig, ConfigError, Limits, feed_name,
    kinds::{Choice, Count, File, Kind},
    processor::{LOG_LEVELS, POLICIES, read_fields},
    section::{Reading, Section},
};

/// What the file of a case says.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The most events in one call, where it is said.
    pub batch_events: Option<usize>,
    /// What happens to an event that is rejected, where it is said.
    pub on_reject: Option<RejectPolicy>,
    /// How long an instance lives, where it is said.
    pub instances: Option<Instances>,
    /// The least level of log lines that are kept, where it is said.
    pub log_level: Option<Level>,
    /// The feed and the partition that the events seem to come from.
    pub key: PartitionKey,
    /// The events.
    pub events: CaseEvents,
    /// The members of payloads that the component is given, where it is said.
    pub fields: Option<BTreeSet<String>>,
    /// What the component may read, over what the configuration says.
    pub config: ComponentConfig,
    /// What the component may use, over what the configuration says.
    pub limits: GivenLimits,
    /// The state at the beginning.
    pub before: BTreeMap<String, Value>,
    /// The state at the end; none if the file does not say it.
    pub after: Option<BTreeMap<String, Value>>,
    /// How many keys there are at the end that begin with a text; they need not stand in `after`.
    pub after_count: BTreeMap<String, u64>,
    /// What goes wrong, in order.
    pub failures: Vec<ExpectedFailure>,
}

/// The events of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseEvents {
    /// Payloads, one a line.
    Lines(String),
    /// A file with payloads, one a line, or a recording.
    File(PathBuf),
    /// Payloads with what a publisher says about them.
    Events(Vec<(Value, Metadata)>),
}

/// The limits that a file gives; the others stay.
#[derive(Clone, Debug)]
pub struct GivenLimits {
    limits: Limits,
    given: BTreeSet<&'static str>,
}

/// Something that goes wrong in a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFailure {
    /// The event's place from 1 over all events of the case; none if the failure concerns the call.
    pub event: Option<u64>,
    /// Which kind.
    pub kind: FailedAs,
    /// What must occur in the reason.
    pub reason: String,
    /// When the component wants to be called again, where it is said.
    pub after_ms: Option<u64>,
}

/// How an event or a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedAs {
    /// The event was rejected: by the component, a trap, or a limit.
    Rejected,
    /// The component asked to be called again.
    Retry,
    /// The component asked for a person.
    Halted,
    /// The call took too long, or the host could not do its part.
    Broken,
}

impl FailedAs {
    const ALL: &'static [(&'static str, Self)] =
        &[("rejected", Self::Rejected), ("retry", Self::Retry), ("halted", Self::Halted)];

    /// The word for it in a case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::Halted => "halted",
            Self::Broken => "broken",
        }
    }
}

impl GivenLimits {
    /// The limits that were given, over these.
    #[must_use]
    pub fn over(&self, base: &Limits) -> Limits {
        let mut limits = *base;
        for name in &self.given {
            match *name {
                "memory" => limits.memory_bytes_max = self.limits.memory_bytes_max,
                "call-time" => limits.call_time = self.limits.call_time,
                "fuel-per-call" => limits.fuel_per_call = self.limits.fuel_per_call,
                "fuel-per-event" => limits.fuel_per_event = self.limits.fuel_per_event,
                "fuel-per-byte" => limits.fuel_per_byte = self.limits.fuel_per_byte,
                "write-rows" => limits.writes.rows_max = self.limits.writes.rows_max,
                "write-bytes" => limits.writes.bytes_max = self.limits.writes.bytes_max,
                "component-size" => limits.component_bytes_max = self.limits.component_bytes_max,
                other => unreachable!("`{other}` is no limit: LIMITS names them all"),
            }
        }
        limits
    }
}

/// Every setting of `[limits]`.
const LIMITS: [&str; 8] = [
    "memory",
    "call-time",
    "fuel-per-call",
    "fuel-per-event",
    "fuel-per-byte",
    "write-rows",
    "write-bytes",
    "component-size",
];

impl CaseFile {
    /// Checks a text as if it stood at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(path: &std::path::Path, text: &str) -> Result<Self, ConfigError> {
        super::parse(path, text, read)
    }
}

fn read<'a>(document: &'a Spanned<DeTable<'a>>, reading: Reading<'a>) -> CaseFile {
    let mut file = Section::new(String::new(), document, reading);
    let batch_events = file.optional("batch-events", &Count(1..=100_000), "The most events in one call.");
    let on_reject = file.optional("on-reject", &Choice(POLICIES), "What happens to an event that is rejected.");
    let instances = file.optional(
        "instances",
        &Choice(&[("fresh", Instances::Fresh), ("reuse", Instances::Reuse)]),
        "How long an instance lives.",
    );
    let log_level = file.optional("log-level", &Choice(LOG_LEVELS), "The least level of log lines that are kept.");
    let feed = file.optional("feed", &Text, "The feed.");
    let partition = file.optional("partition", &Text, "The partition.");
    let feed = feed.unwrap_or_else(|| "events".to_owned());
    let feed = feed_name(&feed).unwrap_or_else(|rule| {
        file.problem(file.place_of("feed"), format!("`{feed}` is not a feed's name"), rule);
        FeedName::new("events")
    });
    let partition = partition.filter(|name| !name.is_empty()).unwrap_or_else(|| "0".to_owned());
    let events = events(&mut file, reading);
    let fields = read_fields(&mut file);
    let config = ComponentConfig::read(&mut file);
    let limits = limits(&mut file);
    let before = state(&mut file, "before", reading).unwrap_or_default();
    let after = state(&mut file, "after", reading);
    let after_count = counts(&mut file, reading);
    let failures = failures(&mut file, reading);
    file.finish();
    let batch_events = batch_events.map(|events| usize::try_from(events).unwrap_or(usize::MAX));
    let key = PartitionKey { feed, partition: PartitionId::new(partition) };
    CaseFile {
        batch_events,
        on_reject,
        instances,
        log_level,
        key,
        events,
        fields,
        config,
        limits,
        before,
        after,
        after_count,
        failures,
    }
}

fn limits(file: &mut Section<'_>) -> GivenLimits {
    let Some(mut section) = file.table("limits") else {
        return GivenLimits { limits: Limits::default(), given: BTreeSet::new() };
    };
    let limits = Limits::read(&mut section);
    let given = LIMITS.into_iter().filter(|name| section.given(name).is_some()).collect();
    section.finish();
    GivenLimits { limits, given }
}

/// The events, said in exactly one way.
fn events(file: &mut Section<'_>, reading: Reading<'_>) -> CaseEvents {
    let lines = file.optional("events", &Text, "Payloads, one a line.");
    let path = file.optional("events-file", &File, "A file with payloads, one a line, or a recording.");
    let tables = file.tables("event", "[[event]]");
    let ways = usize::from(file.given("events").is_some())
        + usize::from(file.given("events-file").is_some())
        + usize::from(file.given("event").is_some());
    if ways != 1 {
        let what = if ways == 0 { "the case has no events" } else { "the case gives its events in more than one way" };
        file.problem(0..0, what, "give one of `events = '''…'''`, `events-file = \"…\"` and `[[event]]`");
    }
    match (lines, path) {
        (Some(lines), _) => CaseEvents::Lines(lines),
        (None, Some(path)) => CaseEvents::File(path),
        (None, None) => CaseEvents::Events(tables.into_iter().flat_map(|section| event(section, reading)).collect()),
    }
}

/// The most bytes that one `[[event]]` may come to: they are all in memory.
const REPEATED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One `[[event]]`, as often as it is to be repeated.
fn event(mut section: Section<'_>, reading: Reading<'_>) -> Vec<(Value, Metadata)> {
    let text = section.optional("data", &Text, "The payload as text.");
    let bytes = section.optional("data-base64", &Text, "The payload as bytes.");
    let repeat = section.optional("repeat", &Count(1..=1_000_000), "How often.");
    let mut boxed = |name, doc| section.optional(name, &Text, doc).map(String::into_boxed_str);
    let id = boxed("id", "What the publisher calls it.");
    let kind = boxed("kind", "Its kind.");
    let key = boxed("key", "What it is about.");
    let time = section.optional("occurred-at", &Text, "When it occurred.");
    let headers = section.value("headers").map(|value| headers(value, reading)).unwrap_or_default();
    let occurred_at_us = time.and_then(|time| {
        let parsed = time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
        if parsed.is_none() {
            let hint = "write it as \"2026-01-02T03:04:05.000006Z\"";
            section.problem(section.place_of("occurred-at"), format!("`{time}` is no time in RFC 3339"), hint);
        }
        parsed
    });
    let bytes = bytes.and_then(|text| {
        let decoded = STANDARD.decode(&text).ok();
        if decoded.is_none() {
            section.problem(section.place_of("data-base64"), "`data-base64` is not base64", NO_BASE64);
        }
        decoded
    });
    if section.given("data").is_some() == section.given("data-base64").is_some() {
        section.problem(
            section.place_of(""),
            "an event has one payload",
            "give `data = \"…\"` or `data-base64 = \"…\"`",
        );
    }
    let bytes_each = text.as_ref().map_or(0, String::len).max(bytes.as_ref().map_or(0, Vec::len)) as u64;
    let large = repeat.unwrap_or(1).saturating_mul(bytes_each) > REPEATED_BYTES_MAX;
    if large {
        let message = "the event and its repetitions have more than 256 MiB";
        section.problem(section.place_of("repeat"), message, "repeat it less often, or make it smaller");
    }
    section.finish();
    let metadata = Metadata { headers, id, kind, key, occurred_at_us };
    let one = |number: u64| match (&text, &bytes) {
        (Some(text), _) if repeat.is_some() => Value::Text(text.replace("{n}", &number.to_string())),
        (Some(text), _) => Value::Text(text.clone()),
        (None, bytes) => Value::Bytes(bytes.clone().unwrap_or_default()),
    };
    (0..repeat.unwrap_or(1)).filter(|_| !large).map(|number| (one(number), metadata.clone())).collect()
}

fn headers(value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Vec<(Box<str>, Box<str>)> {
    let pair = |pair: &Spanned<DeValue<'_>>| {
        let pair = pair.get_ref().as_array()?;
        let mut texts = pair.iter().map(|text| text.get_ref().as_str());
        match (texts.next(), texts.next(), texts.next()) {
            (Some(Some(name)), Some(Some(value)), None) => Some((name.into(), value.into())),
            _ => None,
        }
    };
    let pairs: Option<Vec<_>> = value.get_ref().as_array().and_then(|pairs| pairs.iter().map(pair).collect());
    pairs.unwrap_or_else(|| {
        let hint = "write `headers = [[\"name\", \"value\"]]`".to_owned();
        reading.problems.add(value.span(), "`headers` must be a list of pairs of texts", hint);
        Vec::new()
    })
}

const NO_BASE64: &str = "bytes are written in base64 with padding, as in \"3q2+7w==\"";

/// A state; none if the file has no such table.
fn state(file: &mut Section<'_>, name: &'static str, reading: Reading<'_>) -> Option<BTreeMap<String, Value>> {
    let entries = file.entries(name, &format!("[{name}]"));
    file.given(name)?;
    let mut state = BTreeMap::new();
    for (key, value) in entries {
        if let Some(read) = stored(value.get_ref()) {
            state.insert(key.get_ref().to_string(), read);
        } else {
            let message = format!("the value of `{}` in [{name}] is neither text nor bytes", key.get_ref());
            let hint = "write `\"key\" = \"text\"` or `\"key\" = { base64 = \"…\" }`; a key with dots stands in quotes";
            reading.problems.add(value.span(), message, hint.to_owned());
        }
    }
    Some(state)
}

fn stored(value: &DeValue<'_>) -> Option<Value> {
    if let Some(text) = value.as_str() {
        return Some(Value::Text(text.to_owned()));
    }
    let mut entries = value.as_table()?.iter();
    let (name, value) = entries.next()?;
    let base64 = name.get_ref() == "base64" && entries.next().is_none();
    let text = value.get_ref().as_str().filter(|_| base64)?;
    STANDARD.decode(text).ok().map(Value::Bytes)
}

fn counts(file: &mut Section<'_>, reading: Reading<'_>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (key, value) in file.entries("after-count", "[after-count]") {
        if let Some(count) = Count(0..=1_000_000_000).read(key.get_ref(), value, reading) {
            counts.insert(key.get_ref().to_string(), count);
        }
    }
    counts
}

fn failures(file: &mut Section<'_>, _: Reading<'_>) -> Vec<ExpectedFailure> {
    let read = |mut section: Section<'_>| {
        let event = section.optional("event", &Count(1..=1_000_000_000), "The event's place.");
        let kind = section.required("kind", &Choice(FailedAs::ALL), "What went wrong.");
        let reason = section.optional("reason", &Text, "What must occur in the reason.");
        let after_ms = section.optional("after-ms", &Count(0..=1_000_000_000_000), "When to call again.");
        if kind == Some(FailedAs::Rejected) && section.given("event").is_none() {
            section.problem(section.place_of("kind"), "a rejection names no event", "add `event = N`, counted from 1");
        }
        if after_ms.is_some() && kind.is_some_and(|kind| kind != FailedAs::Retry) {
            section.problem(section.place_of("after-ms"), "`after-ms` belongs to `retry`", "leave it out");
        }
        section.finish();
        Some(ExpectedFailure { event, kind: kind?, reason: reason.unwrap_or_default(), after_ms })
    };
    file.tables("failures", "[[failures]]").into_iter().filter_map(read).collect()
}

/// Text.
struct Text;

impl Kind for Text {
    type Out = String;

    fn expects(&self) -> String {
        "text".to_owned()
    }

    fn schema(&self) -> serde_json::Value {
        serde_json::json!({ "type": "string" })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.mismatch(name, value, reading, None),
        }
    }
}
