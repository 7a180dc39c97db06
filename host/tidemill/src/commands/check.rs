//! `check`: everything that is wrong with the configuration, its feeds and its components, at once.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use tidemill_pipeline::{Digest, Failure, ProcessorName};

use super::block_on;
use crate::{
    cases::Workbench,
    config::{Config, ProcessorConfig, StateLayout},
    exit::{Exit, with_hint},
    host::{Reader, open_feed, unloadable, unreadable, unseen},
    output::{Table, complain, print},
};

/// Loads the configuration, opens its feeds without asking them, loads its components, and prints what it comes to. Ends as `run` would
/// over the same: what the configuration says may be wrong, or what it names.
pub(super) fn execute(path: &Path) -> anyhow::Result<Exit> {
    let (config, error) = Config::survey(path);
    if let Some(error) = &error {
        complain(&error.to_string());
    }
    let Some(config) = config else { return Ok(Exit::Misconfigured) };
    // A setting that could not be read is not what it will say: nobody is told to forget a state for that.
    let states = if error.is_none() { state_problems(&config) } else { Vec::new() };
    let (feeds, sources, components) = (feed_problems(&config)?, source_problems(&config), Components::load(&config)?);
    let named = || feeds.iter().chain(&sources).chain(&components.problems);
    for problem in states.iter().chain(named()) {
        complain(&format!("error: {problem}"));
    }
    if error.is_some() {
        // What could be read of it is not what it will say.
        return Ok(Exit::Misconfigured);
    }
    print(&summary(&config, &components.digests))?;
    Ok(match (states.is_empty(), named().next()) {
        (false, _) => Exit::Misconfigured,
        (true, Some(_)) => Exit::Failed,
        (true, None) => Exit::Done,
    })
}

/// What is wrong with the feeds that a processor reads, as far as this machine knows.
fn feed_problems(config: &Config) -> anyhow::Result<Vec<String>> {
    let read = |name| config.processors.values().any(|processor| processor.feeds.contains(name));
    let feeds = config.feeds.iter().filter(|(name, _)| read(name));
    block_on(async {
        let mut problems = Vec::new();
        for (name, feed) in feeds {
            match open_feed(name, feed) {
                Err(error) => problems.push(format!("{error:#}")),
                Ok(feed) => problems.extend(
                    feed.look().await.err().map(|failure| format!("feed `{name}`: {}", with_hint(&failure.into()))),
                ),
            }
        }
        Ok(problems)
    })
}

/// Sources that are not there: `dev` would never see them change.
fn source_problems(config: &Config) -> Vec<String> {
    let sources = config.processors.iter().flat_map(|(name, processor)| {
        processor.sources.iter().flatten().filter(|source| !source.exists()).map(move |source| (name, source))
    });
    let problem = |(name, source): (&ProcessorName, &PathBuf)| {
        format!(
            "processor `{name}`: there is no {}\n  hint: `sources` names files and directories that are there",
            source.display()
        )
    };
    sources.map(problem).collect()
}

/// State that is kept and would not be seen. A database that cannot be read, or is not there yet, says nothing about the configuration.
fn state_problems(config: &Config) -> Vec<String> {
    let unseen = Reader::open(&config.data).and_then(|reader| unseen(&reader, config)).unwrap_or_else(|failure| {
        tracing::debug!(cause = %failure.cause, "it is not known which state is kept");
        Vec::new()
    });
    unseen.iter().map(|unseen| unseen.misuse().to_string()).collect()
}

/// What the components came to.
#[derive(Default)]
struct Components {
    digests: BTreeMap<ProcessorName, Digest>,
    problems: Vec<String>,
}

impl Components {
    /// Compiles and loads each, on the user's workbench: a host that runs notices nothing, and what was compiled once is
    /// found again.
    fn load(config: &Config) -> anyhow::Result<Self> {
        let mut components = Self::default();
        if config.processors.is_empty() {
            return Ok(components);
        }
        let workbench = Workbench::of_the_user()?;
        for (name, processor) in &config.processors {
            match load(&workbench, processor) {
                Ok(digest) => {
                    components.digests.insert(name.clone(), digest);
                }
                Err(failure) => {
                    components.problems.push(format!("processor `{name}`: {}", with_hint(&failure.into())));
                }
            }
        }
        Ok(components)
    }
}

/// Whether a component loads.
fn load(workbench: &Workbench, processor: &ProcessorConfig) -> Result<Digest, Failure> {
    let path = &processor.component;
    let mut bytes = Vec::new();
    let file = fs::File::open(path);
    // One byte more than is allowed tells the engine that it is too large.
    let read = file.and_then(|file| file.take(processor.limits.component_bytes_max as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    let loaded = workbench.load_read(path, &bytes, &processor.limits);
    Ok(loaded.map_err(|error| unloadable(path, &error))?.digest())
}

fn summary(config: &Config, digests: &BTreeMap<ProcessorName, Digest>) -> String {
    let mut feeds = Table::new(["feed", "address"]);
    for (name, feed) in &config.feeds {
        feeds.row([name.to_string(), feed.address()]);
    }
    let mut processors = Table::new(["processor", "component", "digest", "feeds", "state", "on reject"]);
    for (name, processor) in &config.processors {
        let state = match processor.state {
            StateLayout::Shared => "shared",
            StateLayout::Partitioned => "partitioned",
        };
        processors.row([
            name.to_string(),
            processor.component.display().to_string(),
            digests.get(name).map_or_else(|| "-".to_owned(), Digest::short),
            processor.feeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            state.to_owned(),
            processor.on_reject.as_str().to_owned(),
        ]);
    }
    format!("data  {}\n\n{feeds}\n\n{processors}\n", config.data.display())
}
