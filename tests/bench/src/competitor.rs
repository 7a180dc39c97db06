//! The competitors: who reads the feed, and how each is started.

mod hand_plain;
mod hand_tuned;
mod ledger;
mod project;

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{database::Tables, feed::Feed, places::Places};
pub(crate) use project::{Guest, Project, copy};

/// Who reads the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Competitor {
    /// The consumer that a competent engineer writes in Rust.
    HandPlain,
    /// The consumer that somebody tunes for days.
    HandTuned,
    /// The Python package `zeroeventhub` with sqlite3, as its README shows.
    Python,
    /// Python without the package, tuned.
    PythonTuned,
    /// The program, with `totals` in a language, which is given the fields that it reads.
    Tidemill(Guest),
    /// The program, with `totals` in Rust, which is given whole payloads.
    Whole,
}

impl Competitor {
    /// Everybody.
    pub(crate) fn all() -> Vec<Self> {
        let by_hand = [Self::HandPlain, Self::HandTuned, Self::Python, Self::PythonTuned];
        by_hand.into_iter().chain(Guest::ALL.map(Self::Tidemill)).chain([Self::Whole]).collect()
    }

    /// Its name in tables and in kept results.
    pub(crate) fn name(self) -> String {
        match self {
            Self::HandPlain => "hand-plain".to_owned(),
            Self::HandTuned => "hand-tuned".to_owned(),
            Self::Python => "python".to_owned(),
            Self::PythonTuned => "python-tuned".to_owned(),
            Self::Tidemill(guest) => format!("tidemill {guest}"),
            Self::Whole => "tidemill rust, whole payloads".to_owned(),
        }
    }

    /// The language of the program's component.
    pub(crate) fn guest(self) -> Option<Guest> {
        match self {
            Self::Tidemill(guest) => Some(guest),
            Self::Whole => Some(Guest::Rust),
            Self::HandPlain | Self::HandTuned | Self::Python | Self::PythonTuned => None,
        }
    }
}

impl fmt::Display for Competitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// What a commit waits for. The same for everybody: SQLite with a write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Durability {
    /// `synchronous = NORMAL`: a power cut may take the last commits.
    #[default]
    Normal,
    /// `synchronous = FULL`: every commit waits for the disk.
    Full,
}

impl Durability {
    /// The word in `tidemill.toml`, and in the scripts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }
}

/// How the state lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// One key space.
    #[default]
    Shared,
    /// One for each partition, in parallel. Only the program knows this.
    Partitioned,
}

/// What a competitor has to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assignment<'a> {
    /// The feed's address.
    pub(crate) url: &'a str,
    /// What the feed looks like.
    pub(crate) feed: &'a Feed,
    /// What a commit waits for.
    pub(crate) durability: Durability,
    /// How the state lies.
    pub(crate) state: State,
    /// The directory of its database.
    pub(crate) directory: &'a Path,
}

impl Competitor {
    /// Its database within its directory, and how it lies there.
    pub(crate) fn database(self, directory: &Path) -> (PathBuf, Tables) {
        match self.guest() {
            Some(_) => (directory.join("data/tidemill.db"), Tables::Tidemill),
            None => (directory.join("totals.db"), Tables::ByHand),
        }
    }

    /// The process that reads the feed to its end, not yet started.
    pub(crate) fn command(self, places: &Places, assignment: &Assignment<'_>) -> Result<Command> {
        let consumer = |mut command: Command| {
            let database = assignment.directory.join("totals.db");
            command.args(["--url", assignment.url]).args(["--partitions", &assignment.feed.partitions.to_string()]);
            command.args(["--durability", assignment.durability.word()]).arg("--database").arg(database);
            command
        };
        let this = |hand: &str| -> Result<Command> {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["consume", hand]);
            Ok(consumer(command))
        };
        let python = |script: &str| -> Result<Command> {
            let mut command = Command::new(places.python()?);
            command.arg(places.script(script));
            Ok(consumer(command))
        };
        let mut command = match self {
            Self::HandPlain => this("plain")?,
            Self::HandTuned => this("tuned")?,
            Self::Python => python("plain.py")?,
            Self::PythonTuned => python("tuned.py")?,
            Self::Tidemill(_) | Self::Whole => Project::at(assignment.directory).until_idle(places),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }
}

/// `consume`
#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    #[command(subcommand)]
    hand: Hand,
}

#[derive(Debug, Subcommand)]
enum Hand {
    /// As a competent engineer writes it.
    Plain(ConsumerArgs),
    /// As somebody tunes it.
    Tuned(ConsumerArgs),
}

/// What a consumer has to know.
#[derive(Debug, Args)]
struct ConsumerArgs {
    #[arg(long)]
    url: String,
    #[arg(long)]
    partitions: u32,
    #[arg(long)]
    durability: Durability,
    #[arg(long)]
    database: PathBuf,
}

/// Reads a feed to its end by hand.
pub(crate) fn consume(arguments: &ConsumeArgs) -> Result<()> {
    // The build of the HTTP client that the program has wants to be told, even where nothing is encrypted.
    rustls::crypto::ring::default_provider().install_default().map_err(|_| anyhow!("a provider is there already"))?;
    match &arguments.hand {
        Hand::Plain(consumer) => hand_plain::run(consumer),
        Hand::Tuned(consumer) => hand_tuned::run(consumer),
    }
}
