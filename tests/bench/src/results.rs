//! What was measured, kept in a file after every step, so that a run that was broken off goes on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{machine::Machine, places::Places, subject::Subject};

/// The results of one subject on one machine.
#[derive(Debug)]
pub(crate) struct Results {
    file: PathBuf,
    kept: Kept,
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// What was measured.
    pub(crate) subject: Subject,
    /// What came, by section. Each section knows its own form.
    pub(crate) sections: BTreeMap<String, Value>,
}

impl Results {
    /// What is there already of this subject on this machine; nothing if it is `fresh` or another one was measured last.
    pub(crate) fn open(places: &Places, fresh: bool) -> Result<Self> {
        let file = places.results();
        let (machine, subject) = (Machine::describe()?, Subject::of(places)?);
        let before = if fresh { None } else { Kept::read(&file)? };
        let same = before.filter(|kept| kept.machine == machine && kept.subject.digest == subject.digest);
        let kept = same.unwrap_or_else(|| Kept { machine, subject, sections: BTreeMap::new() });
        Ok(Self { file, kept })
    }

    /// A section, or what it is when it is empty.
    pub(crate) fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        match self.kept.sections.get(name) {
            None => Ok(T::default()),
            Some(value) => serde_json::from_value(value.clone())
                .with_context(|| format!("{}: `{name}` has another form\nhint: --fresh", self.file.display())),
        }
    }

    /// Keeps a section.
    pub(crate) fn keep(&mut self, name: &str, section: &impl Serialize) -> Result<()> {
        self.kept.sections.insert(name.to_owned(), serde_json::to_value(section)?);
        fs::create_dir_all(self.file.parent().expect("it lies in a directory"))?;
        let new = self.file.with_extension("json.new");
        fs::write(&new, serde_json::to_string_pretty(&self.kept)? + "\n")?;
        fs::rename(new, &self.file)?;
        Ok(())
    }
}

impl Kept {
    /// What a file holds; none if it is not there or was written in another form.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        Ok(serde_json::from_str(&text).ok())
    }
}
