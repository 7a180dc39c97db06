//! Logs: to standard error, as text for people or as JSON, and never anywhere else.

mod tap;

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write},
};

use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub(crate) use self::tap::Said;
pub use self::tap::Tap;
use crate::{
    cli::{LogArgs, LogFormat},
    exit::Misuse,
    output::Progress,
};

/// The target of the lines that components write, so that they can be chosen by themselves: `info,guest=debug`.
pub const GUEST_TARGET: &str = "guest";

/// The target of the line that says that a component is being compiled: whoever develops waits for it.
pub(crate) const COMPILING_TARGET: &str = "tidemill::compiling";

/// The targets of our own lines.
const OUR_TARGETS: [&str; 5] = ["tidemill", "tidemill_engine", "tidemill_feeds", "tidemill_pipeline", "tidemill_store"];

/// Begins to log. Lines and progress share the terminal without tearing each other. With a tap, what components say and what
/// the host warns of goes there, and lines are written only if the command line asks for them.
///
/// # Errors
/// [`Misuse`] when the level is none.
pub fn start(args: &LogArgs, progress: &Progress, tap: Option<&Tap>) -> anyhow::Result<()> {
    let level = if tap.is_some() { "off" } else { "info" };
    let filter = filter(args.log_level.as_deref().unwrap_or(level))?;
    let terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(Lines(progress.clone()));
    let tap = tap.cloned().map(|tap| tap.with_filter(tapped()));
    let registry = tracing_subscriber::registry().with(tap);
    match args.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(colours(terminal)).with_filter(filter)).init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false).with_filter(filter)).init();
        }
    }
    Ok(())
}

/// What goes to a tap: everything that components say, our warnings, and the spans that tell their places.
fn tapped() -> Targets {
    let ours = OUR_TARGETS.iter().map(|target| (*target, LevelFilter::INFO));
    Targets::new().with_targets(ours).with_target(GUEST_TARGET, LevelFilter::TRACE)
}

/// A level alone is for our own lines and those of components; libraries only warn.
fn filter(level: &str) -> Result<EnvFilter, Misuse> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let misuse = |message: String| Misuse {
        message,
        hint: "say `error`, `warn`, `info`, `debug`, `trace` or `off`, or filters as in `info,guest=debug`".to_owned(),
    };
    let word = level.to_ascii_lowercase();
    if LEVELS.contains(&word.as_str()) {
        let libraries = if matches!(word.as_str(), "off" | "error") { word.as_str() } else { "warn" };
        let ours = OUR_TARGETS.iter().chain([&GUEST_TARGET]).map(|target| format!(",{target}={word}"));
        let directives = std::iter::once(libraries.to_owned()).chain(ours).collect::<String>();
        return EnvFilter::try_new(directives).map_err(|error| misuse(format!("`{level}` is no log level: {error}")));
    }
    if level.contains(['=', ',']) {
        return EnvFilter::try_new(level).map_err(|error| misuse(format!("`{level}` is no log filter: {error}")));
    }
    Err(misuse(format!("`{level}` is no log level")))
}

/// Colours are for terminals, and for people who did not refuse them (<https://no-color.org>).
fn colours(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes each line in one piece, beside the progress and not across it.
struct Lines(Progress);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Progress);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // It comes in one piece.
        let record = record(bytes);
        self.0.beside(|| io::stderr().lock().write_all(&record))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// A record of the log, of which only the first line begins at the margin: what a component or a publisher says in several lines
/// must not look as if the host said it.
fn record(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (body, end) = bytes.strip_suffix(b"\n").map_or((bytes, &b""[..]), |body| (body, &b"\n"[..]));
    if !body.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Cow::Borrowed(bytes);
    }
    let mut record = Vec::with_capacity(bytes.len() + 64);
    for byte in body {
        match byte {
            b'\n' => record.extend_from_slice(b"\n    "),
            b'\r' => record.extend_from_slice(b"\\r"),
            byte => record.push(*byte),
        }
    }
    record.extend_from_slice(end);
    Cow::Owned(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_begins_at_the_margin_of_its_log() {
        let shown = |text: &str| String::from_utf8(record(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(shown("INFO guest: hello\n"), "INFO guest: hello\n");
        assert_eq!(
            shown("INFO guest: hi\r\n2026-01-02 ERROR the host: forged\rover it\n"),
            "INFO guest: hi\\r\n    2026-01-02 ERROR the host: forged\\rover it\n"
        );
    }

    #[test]
    fn a_level_is_for_our_own_lines_and_libraries_only_warn() {
        let filter = filter("debug").unwrap().to_string();
        assert!(filter.contains("guest=debug") && filter.contains("tidemill_feeds=debug"), "{filter}");
        assert!(filter.split(',').any(|directive| directive == "warn"), "{filter}");
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_choices() {
        let error = filter("loud").unwrap_err();
        assert_eq!(error.message, "`loud` is no log level");
        assert!(error.hint.contains("`debug`"));
        assert!(filter("info,guest=loud").is_err());
        assert!(filter("info,guest=trace").is_ok());
    }
}
