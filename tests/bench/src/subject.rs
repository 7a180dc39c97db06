//! What is measured: the program, the components and their opponents, told from any other build by a digest.

use std::{
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{competitor::Guest, places::Places};

/// A build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// Of every file that runs. Results of another digest are not continued.
    pub(crate) digest: String,
    /// The commit of the checkout, with `-dirty` behind it where something was changed.
    pub(crate) commit: String,
    /// The compiler of the host.
    pub(crate) rustc: String,
    /// SQLite, as it is bundled; Python brings its own.
    pub(crate) sqlite: String,
    /// Python and its SQLite.
    pub(crate) python: String,
}

impl Subject {
    /// That of this checkout.
    pub(crate) fn of(places: &Places) -> Result<Self> {
        let mut files = vec![std::env::current_exe()?, places.program().to_owned()];
        for guest in Guest::ALL {
            files.push(places.totals(guest.folder())?);
        }
        files.extend(["plain.py", "tuned.py", "ledger.py"].map(|script| places.script(script)));
        let question =
            "import platform, sqlite3; print(platform.python_version() + ', SQLite ' + sqlite3.sqlite_version)";
        Ok(Self {
            digest: digest(&files)?,
            commit: said(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(places.root()))?,
            rustc: said(Command::new("rustc").arg("--version").current_dir(places.root()))?,
            sqlite: rusqlite::version().to_owned(),
            python: said(Command::new(places.python()?).args(["-c", question]))?,
        })
    }
}

/// A digest of the contents of files, in their order.
pub(crate) fn digest(files: &[impl AsRef<Path>]) -> Result<String> {
    let mut digest = DefaultHasher::new();
    for file in files {
        let file = file.as_ref();
        digest.write(&fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?);
    }
    Ok(format!("{:016x}", digest.finish()))
}

/// The one line that a command prints.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
