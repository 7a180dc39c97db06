//! What was tried so far, in `docs/reliability.json`: a row can be tried again with another seed, and adds to it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    places,
    trial::{Done, Tally},
};

/// The results and their file.
#[derive(Debug)]
pub(crate) struct Results {
    file: PathBuf,
    commit: String,
    kept: Kept,
}

/// The file: by row, the runs by seed.
pub(crate) type Kept = BTreeMap<String, BTreeMap<u64, Run>>;

/// A run of a row that held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The commit that was tried.
    pub(crate) commit: String,
    /// How long it took, in seconds.
    pub(crate) seconds: u64,
    /// The rules that were broken on purpose, and found.
    pub(crate) found: Vec<String>,
    /// What came of it.
    #[serde(flatten)]
    pub(crate) tally: Tally,
}

impl Results {
    /// What is there.
    pub(crate) fn open() -> Result<Self> {
        let file = places::docs("reliability.json");
        let kept = if file.exists() {
            let text = fs::read_to_string(&file)?;
            serde_json::from_str(&text).with_context(|| format!("{} cannot be read", file.display()))?
        } else {
            Kept::new()
        };
        Ok(Self { file, commit: places::commit()?, kept })
    }

    /// What is kept.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Keeps a run. One with the same seed is replaced: it was the same dice.
    pub(crate) fn keep(&mut self, row: &str, seed: u64, done: Done) -> Result<()> {
        let run = Run {
            commit: self.commit.clone(),
            seconds: done.took.as_secs(),
            found: done.found.into_iter().map(str::to_owned).collect(),
            tally: done.tally,
        };
        self.kept.entry(row.to_owned()).or_default().insert(seed, run);
        let new = self.file.with_extension("json.new");
        fs::write(&new, serde_json::to_string_pretty(&self.kept)? + "\n")?;
        fs::rename(new, &self.file)?;
        Ok(())
    }
}
