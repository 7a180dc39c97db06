//! The case: a file that was read, and its events as spans.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tidemill_pipeline::{BatchBounds, Fields, Instances, Parking, PartitionKey, RehearsalSettings, RejectPolicy, Span};
use tracing::Level;

use super::events;
use crate::config::{CaseFile, Limits, ProcessorConfig};

/// Events for a component, and what must come of them.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub file: CaseFile,
    /// The events, with where they come from: each a span of its own, except where a recording says otherwise.
    pub spans: Vec<(PartitionKey, Span)>,
}

/// What holds for a case where its file does not say it.
#[derive(Clone, Debug)]
pub struct CaseDefaults {
    /// The members of payloads that the component is given; none for whole payloads.
    pub fields: Option<BTreeSet<String>>,
    /// What the component may read.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// How large a batch may be.
    pub batch: BatchBounds,
    /// What happens to an event that is rejected.
    pub on_reject: RejectPolicy,
    /// What happens to the events behind one that was put aside.
    pub parking: Parking,
    /// How long an instance lives.
    pub instances: Instances,
    /// The least level of log lines that are kept.
    pub log_level: Level,
}

impl Default for CaseDefaults {
    fn default() -> Self {
        Self {
            fields: None,
            config: BTreeMap::new(),
            limits: Limits::default(),
            batch: BatchBounds::default(),
            on_reject: RejectPolicy::Halt,
            parking: Parking::Event,
            instances: Instances::Fresh,
            log_level: Level::INFO,
        }
    }
}

impl CaseDefaults {
    /// The part that the rules of batches need.
    #[must_use]
    pub fn rehearsal(&self) -> RehearsalSettings {
        let (on_reject, parking) = (self.on_reject, self.parking.clone());
        let fields = self.fields.as_ref().map(Fields::new);
        RehearsalSettings { fields, batch: self.batch, writes: self.limits.writes, on_reject, parking }
    }

    /// All that the configuration says of a processor: for a replay.
    #[must_use]
    pub fn exactly(processor: &ProcessorConfig) -> Self {
        Self {
            fields: processor.fields.clone(),
            config: processor.config.entries().clone(),
            limits: processor.limits,
            batch: processor.batch,
            on_reject: processor.on_reject,
            parking: processor.parking.clone(),
            instances: processor.instances,
            log_level: processor.log_level,
        }
    }

    /// What the configuration says of a processor. Cases are about components: rejected events halt, batches have the
    /// usual size, and instances are fresh, whatever the processor does.
    #[must_use]
    pub fn of(processor: &ProcessorConfig) -> Self {
        let (fields, config) = (processor.fields.clone(), processor.config.entries().clone());
        Self { fields, config, limits: processor.limits, ..Self::default() }
    }
}

impl Case {
    /// Reads a case, and the file of its events if it names one.
    ///
    /// # Errors
    /// A [`ConfigError`](crate::config::ConfigError) with everything that is wrong with it, or that a file cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("the case {} cannot be read", path.display()))?;
        let file = CaseFile::parse(path, &text)?;
        let spans = events::spans(&file).with_context(|| format!("the case {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, path: path.to_owned(), file, spans })
    }

    /// All cases of a directory, in the order of their names.
    ///
    /// # Errors
    /// As [`read`](Self::read), for the first that cannot be read.
    pub fn read_all(directory: &Path) -> anyhow::Result<Vec<Self>> {
        let unreadable = || format!("the directory of cases {} cannot be read", directory.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// How many events it has.
    #[must_use]
    pub fn events(&self) -> usize {
        self.spans.iter().map(|(_, span)| span.len()).sum()
    }

    /// What holds for it, all in all.
    pub(super) fn settings(&self, defaults: &CaseDefaults) -> CaseDefaults {
        let mut settings = defaults.clone();
        if let Some(fields) = &self.file.fields {
            settings.fields = Some(fields.clone());
        }
        settings.config.extend(self.file.config.entries().clone());
        settings.limits = self.file.limits.over(&defaults.limits);
        settings.batch.events_max = self.file.batch_events.unwrap_or(defaults.batch.events_max);
        settings.on_reject = self.file.on_reject.unwrap_or(defaults.on_reject);
        settings.instances = self.file.instances.unwrap_or(defaults.instances);
        settings.log_level = self.file.log_level.unwrap_or(defaults.log_level);
        settings
    }
}
