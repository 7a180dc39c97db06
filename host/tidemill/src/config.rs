//! The configuration: what `tidemill.toml` says, checked and resolved.

mod bounds;
mod case;
mod feed;
mod kinds;
mod names;
mod problem;
mod processor;
mod quotas;
mod reference;
mod schema;
mod section;
mod url;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use tidemill_pipeline::{FeedName, ProcessorName};
use toml::{Spanned, de::DeTable};

pub use bounds::FeedBounds;
pub use case::{CaseEvents, CaseFile, ExpectedFailure, FailedAs, GivenLimits};
pub use feed::{FeedConfig, FeedUrl, Protocol, RequestHeaders};
pub use kinds::SecretSource;
pub use names::{feed_name, processor_name};
pub use problem::{ConfigError, Problem};
pub use processor::{Limits, ProcessorConfig, Start, StateLayout};
pub use quotas::Quotas;
pub use reference::reference;
pub use schema::schema;
pub use values::ComponentConfig;

use self::{
    kinds::File,
    names::name_problem,
    problem::{Problems, did_you_mean, one_of},
    section::{Reading, Section},
};

/// The largest file that is read. Ten thousand processors fit.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the program uses. Every path is resolved, every bound checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory of the database, the code cache and the lock.
    pub data: PathBuf,
    /// The feeds by name.
    pub feeds: BTreeMap<FeedName, FeedConfig>,
    /// The processors by name. Each feed that they name is there.
    pub processors: BTreeMap<ProcessorName, ProcessorConfig>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &text(path)?)
    }

    /// The same for whoever looks at what a file names, though the file itself may be wrong: gives what could be read of it too. What is
    /// wrong is left out, or stands there with its default.
    #[must_use]
    pub fn survey(path: &Path) -> (Option<Self>, Option<ConfigError>) {
        match text(path) {
            Ok(text) => gather(path, &text, read),
            Err(error) => (None, Some(error)),
        }
    }

    /// Checks a text as if it stood at `path`, which gives the directory for relative paths and the name in errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        parse(path, text, read)
    }
}

/// What stands in a file.
fn text(path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    let file = fs::File::open(path);
    let read = file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let hint = "make a project with `tidemill new NAME --lang LANGUAGE`, or name the file with `--config FILE`";
            Err(ConfigError::unreadable(path, "there is no such file".to_owned(), hint))
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(ConfigError::unreadable(path, "the file is not UTF-8".to_owned(), "TOML is always UTF-8"))
        }
        Err(error) => {
            Err(ConfigError::unreadable(path, format!("it cannot be read: {error}"), "look at the file's permissions"))
        }
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            Err(ConfigError::unreadable(path, "the file is larger than 16MiB".to_owned(), "is it the right file?"))
        }
        Ok(_) => Ok(text),
    }
}

/// Reads a TOML text as if it stood at `path`, and gathers everything that is wrong with it.
fn parse<T>(
    path: &Path,
    text: &str,
    read: impl for<'a> FnOnce(&'a Spanned<DeTable<'a>>, Reading<'a>) -> T,
) -> Result<T, ConfigError> {
    match gather(path, text, read) {
        (Some(config), None) => Ok(config),
        (_, Some(error)) => Err(error),
        (None, None) => {
            Err(ConfigError::unreadable(path, "it cannot be understood".to_owned(), "this is a bug: please report it"))
        }
    }
}

/// The same, with what could be read beside what is wrong. Of what is no TOML nothing can be.
fn gather<T>(
    path: &Path,
    text: &str,
    read: impl for<'a> FnOnce(&'a Spanned<DeTable<'a>>, Reading<'a>) -> T,
) -> (Option<T>, Option<ConfigError>) {
    let problems = Problems::default();
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        problems.add(error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()), None);
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    // A table that was cut short by a syntax error would only be blamed for what it lacks.
    let config = syntax.is_empty().then(|| read(&document, Reading { directory, problems: &problems }));
    (config, problems.locate(path, text))
}

/// The settings of the host itself.
fn read_host(section: &mut Section<'_>) -> PathBuf {
    let doc = "The directory of the database, the code cache and the lock. Whoever can write to it controls what runs.";
    section.setting("data", &File, "\"data\"", doc)
}

fn read<'a>(document: &'a Spanned<DeTable<'a>>, reading: Reading<'a>) -> Config {
    let mut file = Section::new(String::new(), document, reading);
    let data = read_host(&mut file);

    let mut names = BTreeSet::new();
    let mut feeds = BTreeMap::new();
    for (key, value) in file.entries("feeds", "[feeds.NAME]") {
        let name = key.get_ref().as_ref();
        check_name(key, "feed", reading);
        names.insert(name);
        let Some(mut section) = Section::of(format!("feeds.{name}"), value, reading) else { continue };
        let feed = FeedConfig::read(&mut section);
        section.finish();
        if let (Ok(name), Some(feed)) = (feed_name(name), feed) {
            feeds.insert(name, feed);
        }
    }

    let mut processors = BTreeMap::new();
    for (key, value) in file.entries("processors", "[processors.NAME]") {
        let name = key.get_ref().as_ref();
        check_name(key, "processor", reading);
        let Some(mut section) = Section::of(format!("processors.{name}"), value, reading) else { continue };
        let (processor, wanted) = ProcessorConfig::read(&mut section);
        section.finish();
        let feeds = known_feeds(&wanted, &names, reading);
        if let (Ok(name), Some(mut processor)) = (processor_name(name), processor) {
            processor.feeds = feeds;
            processors.insert(name, processor);
        }
    }
    file.finish();
    Config { data, feeds, processors }
}

fn check_name(key: &Spanned<toml::de::DeString<'_>>, noun: &str, reading: Reading<'_>) {
    if let Some(rule) = name_problem(key.get_ref()) {
        reading.problems.add(key.span(), format!("`{}` is not a {noun}'s name", key.get_ref()), rule.to_owned());
    }
}

/// The feeds that a processor names. Each must be there, and only once.
fn known_feeds(wanted: &[Spanned<String>], names: &BTreeSet<&str>, reading: Reading<'_>) -> Vec<FeedName> {
    let mut feeds = Vec::new();
    for feed in wanted {
        let text = feed.get_ref().as_str();
        if !names.contains(text) {
            let hint = did_you_mean(text, names.iter().copied()).unwrap_or_else(|| match names.len() {
                0 => format!("this file has no feed: add one under `[feeds.{text}]`"),
                _ => format!("the feeds of this file are {}", one_of(names.iter().copied())),
            });
            reading.problems.add(feed.span(), format!("there is no feed `{text}`"), hint);
        } else if let Ok(name) = feed_name(text) {
            if feeds.contains(&name) {
                reading.problems.add(
                    feed.span(),
                    format!("feed `{text}` stands here twice"),
                    "leave one out".to_owned(),
                );
            } else {
                feeds.push(name);
            }
        }
    }
    feeds
}

#[cfg(test)]
mod tests;
