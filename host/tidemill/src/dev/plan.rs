//! The plan: what the loop runs and watches, made of the configuration and the command line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use tidemill_pipeline::{ProcessorName, ReadFrom};

use super::sources::{Sources, absolute};
use crate::{
    cli::{DevArgs, From},
    config::{Config, FeedUrl, ProcessorConfig},
    exit::Misuse,
};

/// The data directory of the loop, within that of the configuration.
const DATA: &str = "dev";
/// The same when a file stands in for the feed.
const DATA_OF_FILE: &str = "dev-from";

/// What the loop runs and watches.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration with other data, the processors that were named, and perhaps a file for a feed.
    pub(crate) config: Config,
    /// Where to begin, if not where the configuration says.
    pub(crate) start: Option<ReadFrom>,
    /// Where build commands run.
    pub(crate) directory: PathBuf,
    /// What is built and watched, in the order of its first processor.
    pub(crate) projects: Vec<Project>,
}

/// Processors that are built by one command.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The command; none if the components are built elsewhere, and only watched.
    pub(crate) build: Option<String>,
    /// What it is built of.
    pub(crate) sources: Vec<Sources>,
    /// The processors.
    pub(crate) processors: Vec<ProcessorName>,
}

impl Plan {
    /// Makes a plan. Nothing is touched.
    ///
    /// # Errors
    /// [`Misuse`] when what was typed does not fit the configuration.
    pub(crate) fn new(args: &DevArgs, path: &Path, mut config: Config) -> anyhow::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = absolute(directory);
        choose(&args.processors, &mut config)?;
        let mut left_out: Vec<PathBuf> = vec![config.data.clone(), path.to_owned()];
        left_out.extend(config.processors.values().map(|processor| processor.component.clone()));
        left_out.extend(config.feeds.values().filter_map(|feed| match &feed.url {
            FeedUrl::File(file) => Some(file.clone()),
            FeedUrl::Http(_) => None,
        }));
        let projects = projects(&config, &directory, &left_out);
        let mut start = None;
        let mut data = DATA;
        match &args.from {
            None => {}
            Some(From::File(file)) => {
                data = DATA_OF_FILE;
                replace_feeds(&mut config, file)?;
            }
            Some(From::Place(place)) => start = Some(place.clone()),
        }
        config.data = config.data.join(data);
        Ok(Self { config, start, directory, projects })
    }
}

/// Leaves the processors that were named; all if none was.
fn choose(names: &[ProcessorName], config: &mut Config) -> Result<(), Misuse> {
    let known = || config.processors.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if config.processors.is_empty() {
        return Err(Misuse {
            message: "the configuration has no processor".to_owned(),
            hint: "add one under `[processors.NAME]`, or begin a project with `tidemill new`".to_owned(),
        });
    }
    if let Some(unknown) = names.iter().find(|name| !config.processors.contains_key(*name)) {
        return Err(Misuse {
            message: format!("the configuration has no processor `{unknown}`"),
            hint: format!("it has {}", known()),
        });
    }
    if !names.is_empty() {
        config.processors.retain(|name, _| names.contains(name));
    }
    Ok(())
}

/// Processors with the same command are built once.
fn projects(config: &Config, directory: &Path, left_out: &[PathBuf]) -> Vec<Project> {
    let mut projects: Vec<Project> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, processor) in &config.processors {
        let sources = sources(processor, directory, left_out);
        let place = processor.build.as_deref().and_then(|build| places.get(build).copied());
        if let Some(project) = place.and_then(|place| projects.get_mut(place)) {
            project.sources.push(sources);
            project.processors.push(name.clone());
            continue;
        }
        if let Some(build) = &processor.build {
            places.insert(build, projects.len());
        }
        projects.push(Project {
            build: processor.build.clone(),
            sources: vec![sources],
            processors: vec![name.clone()],
        });
    }
    projects
}

fn sources(processor: &ProcessorConfig, directory: &Path, left_out: &[PathBuf]) -> Sources {
    match (&processor.build, &processor.sources) {
        // Somebody else builds it.
        (None, _) => Sources::new(std::slice::from_ref(&processor.component), []),
        (Some(_), None) => Sources::new(&[directory.to_owned()], left_out.iter().cloned()),
        (Some(_), Some(sources)) => Sources::new(sources, left_out.iter().cloned()),
    }
}

/// Lets the processors read a file in place of their feed.
fn replace_feeds(config: &mut Config, file: &Path) -> Result<(), Misuse> {
    if !file.is_file() {
        return Err(Misuse {
            message: format!("there is no file {}", file.display()),
            hint: "give a file with a payload a line, `first`, `last`, or a cursor".to_owned(),
        });
    }
    for (name, processor) in &config.processors {
        let [feed] = processor.feeds.as_slice() else {
            return Err(Misuse {
                message: format!(
                    "processor `{name}` reads {} feeds, and a file can only stand in for one",
                    processor.feeds.len()
                ),
                hint: "name a processor that reads one feed".to_owned(),
            });
        };
        if let Some(feed) = config.feeds.get_mut(feed) {
            feed.url = FeedUrl::File(file.to_owned());
        }
    }
    Ok(())
}
