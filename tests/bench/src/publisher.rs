//! The publisher: a process of its own, so that what it costs can be told from what its readers cost.

mod server;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{child::Child, feed::Feed};

pub(crate) use server::{PublishArgs, publish};

/// A publisher that runs. Its feed is empty until some of its pages are opened.
#[derive(Debug)]
pub(crate) struct Publisher {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

/// The first thing that it says.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    url: String,
}

/// What it has seen since its pages were opened.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// When pages were opened last.
    pub(crate) opened: Option<SystemTime>,
    /// When the first request came, whether there was something to give or not.
    pub(crate) first_request: Option<SystemTime>,
    /// When the last opened page of the last partition was asked for.
    pub(crate) last_page: Option<SystemTime>,
    /// How many requests came.
    pub(crate) requests: u64,
    /// How many of them were answered with a page: the others came when there was no more.
    pub(crate) pages: u64,
}

impl Publisher {
    /// Renders so many pages of each partition, and serves none of them yet.
    pub(crate) fn start(feed: &Feed, pages: usize) -> Result<Self> {
        Self::start_with(feed, pages, &[])
    }

    /// The same, and whoever asks for what is not there yet is answered when it comes: a long poll.
    pub(crate) fn start_holding(feed: &Feed, pages: usize) -> Result<Self> {
        Self::start_with(feed, pages, &["--hold"])
    }

    fn start_with(feed: &Feed, pages: usize, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("publish").args(["--pages", &pages.to_string()]);
        command.args(["--payload-bytes", &feed.payload_bytes.to_string(), "--keys", &feed.keys.to_string()]);
        command.args(["--partitions", &feed.partitions.to_string(), "--page", &feed.page.to_string()]);
        if feed.everybody_first {
            command.arg("--everybody-first");
        }
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Child::start("the publisher", &mut command)?;
        let commands = process.process().stdin.take().expect("it was piped");
        let mut answers = BufReader::new(process.process().stdout.take().expect("it was piped"));
        let Ready { url } = answer(&mut answers)?;
        Ok(Self { process, commands, answers, url })
    }

    /// Where its feed is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on the first pages of each partition, so many, are there to be read; what was seen is forgotten.
    pub(crate) fn open(&mut self, pages: usize) -> Result<Seen> {
        self.obey(&format!("open {pages}"))
    }

    /// What it has seen since pages were opened.
    pub(crate) fn seen(&mut self) -> Result<Seen> {
        self.obey("seen")
    }

    /// The processor time that it took until now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }

    fn obey(&mut self, command: &str) -> Result<Seen> {
        writeln!(self.commands, "{command}").context("the publisher has ended")?;
        answer(&mut self.answers)
    }
}

fn answer<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the publisher said `{line}`"))
}
