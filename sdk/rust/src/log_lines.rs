//! Log lines: the macros of the crate `log`, and what a panic says, go to the host.

use std::{panic, sync::Once};

use log::{LevelFilter, Log, Metadata, Record};

use crate::{contract::log::Level, port};

/// All levels, the most severe first.
const LEVELS: [(Level, LevelFilter); 5] = [
    (Level::Error, LevelFilter::Error),
    (Level::Warn, LevelFilter::Warn),
    (Level::Info, LevelFilter::Info),
    (Level::Debug, LevelFilter::Debug),
    (Level::Trace, LevelFilter::Trace),
];

struct Host;

/// Makes the host the place where lines and panics go. Only the first time counts.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Host).is_ok() {
            log::set_max_level(LevelFilter::Trace);
        }
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if is_hosted() {
                // As Rust says it, but in one line: a multi-line message keeps its lines.
                let place = panic.location().map_or_else(|| "panicked".to_owned(), |at| format!("panicked at {at}"));
                let message = panic.payload_as_str().unwrap_or("with a value that is not text");
                port::log::write(Level::Error, &format!("{place}: {message}"));
            } else {
                usual(panic);
            }
        }));
    });
}

/// In a component there is always a host; in a native test only while it calls the processor on this thread.
#[cfg(target_family = "wasm")]
const fn is_hosted() -> bool {
    true
}
#[cfg(not(target_family = "wasm"))]
use crate::testing::world::is_hosted;

impl Log for Host {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_hosted() && port::log::enabled(level(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if !is_hosted() {
            return;
        }
        if !self.enabled(record.metadata()) {
            // What is kept depends on the configuration only: from now on the macros know it without asking.
            log::set_max_level(kept());
            return;
        }
        let level = level(record.level());
        match record.args().as_str() {
            Some(text) => port::log::write(level, text),
            None => port::log::write(level, &record.args().to_string()),
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

/// The least severe level that the host keeps.
fn kept() -> LevelFilter {
    let kept = LEVELS.iter().rev().find(|(level, _)| port::log::enabled(*level));
    kept.map_or(LevelFilter::Off, |(_, filter)| *filter)
}
