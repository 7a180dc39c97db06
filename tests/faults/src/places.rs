//! Where the things of a run lie.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

/// The checkout.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    root: PathBuf,
}

impl Places {
    /// Those of this checkout.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self { root: Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()? })
    }

    /// A file of the documentation.
    pub(crate) fn docs(&self, name: &str) -> PathBuf {
        self.root.join("docs").join(name)
    }

    /// The commit that is checked out, abbreviated.
    pub(crate) fn commit(&self) -> Result<String> {
        let arguments = ["rev-parse", "--short=9", "HEAD"];
        let output = Command::new("git").args(arguments).current_dir(&self.root).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
