//! A project directory with a `tidemill.toml` that was generated, and the program run in it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use tidemill_pipeline::Instances;

use super::{Assignment, State};
use crate::{places::Places, subject::digest};

/// A language of the component `totals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Guest {
    /// Rust with the SDK.
    Rust,
    /// C.
    C,
    /// Go.
    Go,
    /// JavaScript.
    Js,
    /// Python.
    Python,
}

impl Guest {
    /// All that compete.
    pub(crate) const ALL: [Self; 5] = [Self::Rust, Self::C, Self::Go, Self::Js, Self::Python];

    /// Those whose components are compiled in a moment: what a quick form tries.
    pub(crate) const QUICK: [Self; 2] = [Self::Rust, Self::C];

    /// Whether it is tried, `quick` or not.
    pub(crate) fn takes_part(self, quick: bool) -> bool {
        !quick || Self::QUICK.contains(&self)
    }

    /// Its folder among the examples.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Go => "go",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    /// What its instances should be, as `docs/languages.md` advises: `reuse` where a start takes milliseconds.
    pub(crate) fn instances(self) -> Instances {
        match self {
            Self::Rust | Self::C => Instances::Fresh,
            Self::Go | Self::Js | Self::Python => Instances::Reuse,
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.folder())
    }
}

/// A project directory.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    directory: PathBuf,
}

impl Project {
    /// One that is there.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Writes the configuration of one processor `totals`, which is given these fields of payloads or whole ones. Everything
    /// that is not measured is as it is by default.
    pub(crate) fn make(
        guest: Guest,
        fields: Option<&[&str]>,
        places: &Places,
        assignment: &Assignment<'_>,
    ) -> Result<Self> {
        let Assignment { url, feed, durability, state, directory } = assignment;
        let component = places.totals(guest.folder())?;
        let state = match state {
            State::Shared => "shared",
            State::Partitioned => "partitioned",
        };
        let configuration = format!(
            "[feeds.payments]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {partitions}\npage-size = {page}\n\n\
             [processors.totals]\ncomponent = \"{component}\"\nfeeds = [\"payments\"]\ninstances = \"{instances}\"\n\
             durability = \"{durability}\"\nstate = \"{state}\"\n{fields}",
            fields = fields.map_or_else(String::new, |fields| format!("fields = {fields:?}\n")),
            partitions = feed.partitions,
            page = feed.page,
            component = component.display(),
            instances = guest.instances().as_str(),
            durability = durability.word(),
        );
        fs::create_dir_all(directory)?;
        fs::write(directory.join("tidemill.toml"), configuration)?;
        Ok(Self::at(directory))
    }

    /// `tidemill run --until-idle`, not yet started.
    pub(crate) fn until_idle(&self, places: &Places) -> Command {
        let mut command = self.command(places, &["run", "--until-idle", "--log-level", "warn"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// The program in this directory, not yet started.
    pub(crate) fn command(&self, places: &Places, arguments: &[&str]) -> Command {
        let mut command = Command::new(places.program());
        command.args(arguments).current_dir(&self.directory).env_remove("TIDEMILL_LOG").env_remove("TIDEMILL_CONFIG");
        command
    }

    /// A project that nobody has used but to compile a component: the code is in its cache. It is kept from run to run.
    pub(crate) fn warm(guest: Guest, places: &Places) -> Result<Self> {
        let component = places.totals(guest.folder())?;
        let name = format!("{guest}-{}", digest(&[places.program(), &component])?);
        let kept = places.kept().join("warm");
        let project = Self::at(&kept.join(&name));
        if !project.directory.exists() {
            remove_others(&kept, &format!("{guest}-"))?;
            let making = Self::at(&kept.join(format!("{name}.making")));
            fs::create_dir_all(&making.directory)?;
            // Another processor than the one that is measured, over a feed without events.
            let configuration = format!(
                "[feeds.nothing]\nurl = \"file:nothing.ndjson\"\n\n\
                 [processors.warm]\ncomponent = \"{}\"\nfeeds = [\"nothing\"]\n",
                component.display()
            );
            fs::write(making.directory.join("tidemill.toml"), configuration)?;
            fs::write(making.directory.join("nothing.ndjson"), "")?;
            let status = making.until_idle(places).status()?;
            ensure!(status.success(), "the program does not run over an empty feed: {status}");
            fs::rename(&making.directory, &project.directory)?;
        }
        Ok(project)
    }

    /// Makes another directory as this one is. Components and code are the same files.
    pub(crate) fn copy(&self, to: &Path) -> Result<()> {
        copy(&self.directory, to)
    }
}

/// Removes what was kept for other builds.
fn remove_others(kept: &Path, prefix: &str) -> Result<()> {
    fs::create_dir_all(kept)?;
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a directory as another one is. Components and compiled code, which never change, are the same files.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let new = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &new)?;
        } else if from.ends_with("code") || from.ends_with("components") {
            fs::hard_link(entry.path(), new)?;
        } else {
            fs::copy(entry.path(), new)?;
        }
    }
    Ok(())
}
