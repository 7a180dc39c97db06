//! The shim: the library of `tests/faults/shim`, compiled here and loaded under the program with `LD_PRELOAD`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, Result, ensure};
use e2e::project::Project;
use tempfile::TempDir;

use super::Journal;

/// A shim and the files by which it is told what to do, for one project.
#[derive(Debug)]
pub(crate) struct Shim {
    directory: TempDir,
    serial: u64,
}

/// Calls that are made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Which calls, see `trouble.c`: o open for writing, w write, t truncate, s sync, u unlink, n rename, r read.
    pub(crate) calls: &'static str,
    /// The error that they get; none for writes of half of their bytes.
    pub(crate) error: Option<rustix::io::Errno>,
    /// The first of them that fails, from 1 on.
    pub(crate) first: u64,
    /// How many fail; 0 for all until the trouble is over.
    pub(crate) times: u64,
    /// What their path has in it.
    pub(crate) part: &'static str,
}

impl Shim {
    /// Makes ready what it needs for a project, and [loads](Self::load) it. `kinds` are the records of its journal, see `shim.h`.
    pub(crate) fn under(project: &mut Project, kinds: &str) -> Result<Self> {
        let shim = Self { directory: tempfile::tempdir()?, serial: 0 };
        fs::write(shim.trouble(), "")?;
        fs::write(shim.directory.path().join("journal"), "")?;
        let root = project.path().canonicalize()?.join("data");
        for (name, value) in [
            ("TIDEMILL_SHIM_ROOT", &root),
            ("TIDEMILL_SHIM_JOURNAL", &shim.directory.path().join("journal")),
            ("TIDEMILL_SHIM_TROUBLE", &shim.trouble()),
        ] {
            project.set_environment(name, Some(value.to_str().context("a path that is no text")?));
        }
        project.set_environment("TIDEMILL_SHIM_KINDS", Some(kinds));
        Self::load(project)?;
        Ok(shim)
    }

    /// Loads it under every program that the project starts from now on.
    pub(crate) fn load(project: &mut Project) -> Result<()> {
        project.set_environment("LD_PRELOAD", Some(library()?.to_str().context("a path that is no text")?));
        Ok(())
    }

    /// What the project starts from now on is without it.
    pub(crate) fn unload(project: &mut Project) {
        project.set_environment("LD_PRELOAD", None);
    }

    /// From now on these calls fail, counted from now.
    pub(crate) fn begin(&mut self, trouble: Trouble) -> Result<()> {
        self.serial += 1;
        let Trouble { calls, error, first, times, part } = trouble;
        let error = error.map_or(-1, rustix::io::Errno::raw_os_error);
        self.write(&format!("{} {calls} {error} {first} {times} {part}", self.serial))
    }

    /// Nothing fails any more.
    pub(crate) fn end(&self) -> Result<()> {
        self.write("")
    }

    /// What was done until now.
    pub(crate) fn journal(&self) -> Result<Journal> {
        Ok(Journal::parse(fs::read(self.directory.path().join("journal"))?.into()))
    }

    fn trouble(&self) -> PathBuf {
        self.directory.path().join("trouble")
    }

    /// The file stays the one that the shim has open. It is longer than any line, so that one write replaces all.
    fn write(&self, line: &str) -> Result<()> {
        let file = fs::OpenOptions::new().write(true).open(self.trouble())?;
        std::os::unix::fs::FileExt::write_all_at(&file, format!("{line:<200}\n").as_bytes(), 0)?;
        Ok(())
    }
}

/// The library, compiled once for this process.
fn library() -> Result<&'static PathBuf> {
    static LIBRARY: OnceLock<std::result::Result<(TempDir, PathBuf), String>> = OnceLock::new();
    match LIBRARY.get_or_init(|| compile().map_err(|error| format!("{error:#}"))) {
        Ok((_, library)) => Ok(library),
        Err(error) => anyhow::bail!("{error}"),
    }
}

fn compile() -> Result<(TempDir, PathBuf)> {
    let directory = tempfile::tempdir()?;
    let library = directory.path().join("shim.so");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let sources = ["calls.c", "clock.c", "journal.c", "trouble.c"].map(|name| sources.join(name));
    let output = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&library)
        .args(sources)
        .arg("-lpthread")
        .output()
        .with_context(|| format!("`{compiler}` cannot be run\nhint: install a C compiler, or name one in CC"))?;
    ensure!(output.status.success(), "the shim does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok((directory, library))
}
