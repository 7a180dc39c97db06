//! Where the things of a run lie.

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use e2e::suite::root;

/// A file of the documentation.
pub(crate) fn docs(name: &str) -> PathBuf {
    root().join("docs").join(name)
}

/// The commit that is checked out, abbreviated.
pub(crate) fn commit() -> Result<String> {
    let output = Command::new("git").args(["rev-parse", "--short=9", "HEAD"]).current_dir(root()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
