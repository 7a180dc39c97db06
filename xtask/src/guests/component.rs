//! A component that was built and lies where users and tests look for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

/// A component in `target/guests/LANGUAGE`.
pub(super) struct Component {
    pub(super) file: PathBuf,
    /// What its build took, or none if it was built before and nothing has changed.
    pub(super) took: Option<Duration>,
}

impl Component {
    /// A line for people: where it is, its size, what it took.
    pub(super) fn line(&self) -> Result<String> {
        let bytes = fs::metadata(&self.file)?.len();
        let file = self.file.strip_prefix(crate::project::root()).unwrap_or(&self.file).display();
        let took = self.took.map_or_else(|| "up to date".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
        Ok(format!("{:<36} {:>7} KiB  {took}", file.to_string(), bytes / 1024))
    }
}

/// Copies a component by rename, so that a host that watches the file never sees half of it, and leaves an equal one alone.
pub(super) fn install(file: &Path, directory: &Path) -> Result<PathBuf> {
    let name = file.file_name().context("a built file has a name")?;
    let to = directory.join(name);
    let bytes = fs::read(file)?;
    if fs::read(&to).ok().as_ref() != Some(&bytes) {
        let half = directory.join(format!(".{}.new", name.display()));
        fs::write(&half, bytes)?;
        fs::rename(&half, &to)?;
    }
    Ok(to)
}
