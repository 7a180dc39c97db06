//! Log lines: what a component says, bounded, in the host's own log or for whoever listens.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    contract::Level,
    last_words::LastWords,
    log_quota::{Admission, LogQuota},
    processor::Shared,
};

/// The longest line that is kept, in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Hears what a component says, instead of the host's log.
pub trait Listener: Send + Sync {
    /// A line of a call that runs, at most 4 KiB. It is called on the call's thread.
    fn hear(&self, level: LogLevel, line: &str);
}

/// Where lines go.
#[derive(Clone, Default)]
pub(crate) struct Ear(pub(crate) Option<Arc<dyn Listener>>);

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "a listener" } else { "the log" })
    }
}

/// The lines of one call.
#[derive(Debug)]
pub(crate) struct LogLines {
    ear: Ear,
    processor: String,
    feed: String,
    partition: String,
    level_min: Option<Level>,
    lines_max: u32,
    lines: u32,
    /// What the processor may say in all, if somebody counts.
    quota: Option<Arc<LogQuota>>,
    last_words: LastWords,
}

/// The least level of a component's lines that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// Debug and above.
    Debug,
    /// Info and above.
    #[default]
    Info,
    /// Warnings and errors.
    Warn,
    /// Errors only.
    Error,
    /// Nothing.
    Off,
}

impl LogLevel {
    fn of(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Off => "off",
        }
    }

    fn level(self) -> Option<Level> {
        match self {
            Self::Trace => Some(Level::Trace),
            Self::Debug => Some(Level::Debug),
            Self::Info => Some(Level::Info),
            Self::Warn => Some(Level::Warn),
            Self::Error => Some(Level::Error),
            Self::Off => None,
        }
    }
}

impl LogLines {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            ear: shared.ear.clone(),
            processor: shared.name.to_string(),
            feed: String::new(),
            partition: String::new(),
            level_min: shared.log_level.level(),
            lines_max: shared.limits.log_lines_max,
            lines: 0,
            quota: shared.log_quota.clone(),
            last_words: LastWords::default(),
        }
    }

    /// A call begins, with a share of its own.
    pub(crate) fn begin(&mut self, feed: &str, partition: &str) {
        feed.clone_into(&mut self.feed);
        partition.clone_into(&mut self.partition);
        self.lines = 0;
        self.last_words.clear();
    }

    pub(crate) fn enabled(&self, level: Level) -> bool {
        self.level_min.is_some_and(|min| level >= min)
    }

    /// Keeps a line, or cuts it, or drops it with a note. The component is told nothing of it.
    pub(crate) fn write(&mut self, level: Level, line: &str) {
        if level == Level::Error {
            self.last_words.logged(line);
        }
        if !self.enabled(level) || self.lines > self.lines_max {
            return;
        }
        self.lines += 1;
        if self.lines > self.lines_max {
            self.admit(
                Level::Warn,
                &format_args!("more than {} log lines in one call; the rest is dropped", self.lines_max),
            );
        } else {
            self.admit(level, &cut(line, LINE_BYTES_MAX));
        }
    }

    /// Says a line if the processor's quota has room for it.
    fn admit(&self, level: Level, line: &dyn fmt::Display) {
        let Some(quota) = &self.quota else { return self.emit(level, line) };
        let (admission, max) = (quota.admit(&self.processor, Instant::now()), quota.lines_max());
        if matches!(admission, Admission::Written | Admission::Nearly) {
            self.emit(level, line);
        }
        let (hint, message) = match admission {
            Admission::Nearly => (
                "what is said past it in this minute is left out: let the component say less, or raise quotas.log-lines",
                "the processor has nearly used up its log lines of this minute",
            ),
            Admission::Full => (
                "the processing goes on: let the component say less, or raise quotas.log-lines",
                "log lines of the processor are left out until its minute is over",
            ),
            Admission::Written | Admission::LeftOut => return,
        };
        tracing::warn!(processor = self.processor, max, setting = "quotas.log-lines", hint, "{message}");
    }

    /// What the call said of an error.
    pub(crate) fn last_words(&self) -> &LastWords {
        &self.last_words
    }

    pub(crate) fn last_words_mut(&mut self) -> &mut LastWords {
        &mut self.last_words
    }

    fn emit(&self, level: Level, line: &dyn fmt::Display) {
        if let Some(listener) = &self.ear.0 {
            return listener.hear(LogLevel::of(level), &line.to_string());
        }
        let Self { processor, feed, partition, .. } = self;
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(target: "guest", tracing::Level::$level, processor, feed, partition, "{line}")
            };
        }
        match level {
            Level::Trace => emit!(TRACE),
            Level::Debug => emit!(DEBUG),
            Level::Info => emit!(INFO),
            Level::Warn => emit!(WARN),
            Level::Error => emit!(ERROR),
        }
    }
}

/// At most so many bytes of a text, whole characters only.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}
