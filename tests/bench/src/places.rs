//! Where the things of a run lie: the program beside this one, guests, Python, and room for databases.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// The files of this checkout that a run needs.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    root: PathBuf,
    program: PathBuf,
}

impl Places {
    /// Those of this checkout, and the program that was built together with this one.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let program = std::env::current_exe()?.with_file_name("tidemill");
        ensure!(program.exists(), "{} is not built\nhint: cargo xtask bench", program.display());
        Ok(Self { root, program })
    }

    /// The program that is measured.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The component `totals` in a language.
    pub(crate) fn totals(&self, language: &str) -> Result<PathBuf> {
        self.component(language, "totals")
    }

    /// An example's component.
    pub(crate) fn component(&self, language: &str, name: &str) -> Result<PathBuf> {
        let file = self.root.join(format!("target/guests/{language}/{name}.wasm"));
        ensure!(file.exists(), "{} is not built\nhint: cargo xtask guests {language}", file.display());
        Ok(file)
    }

    /// The Python that has the package `zeroeventhub`.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        let file = self.root.join("target/interop-venv/bin/python");
        ensure!(file.exists(), "{} is not there\nhint: cargo xtask interop", file.display());
        Ok(file)
    }

    /// A consumer in Python.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.root.join("tests/bench/python").join(name)
    }

    /// What is measured, and kept until it is complete. On the disk of the checkout, for a commit has to cost what a disk costs.
    pub(crate) fn kept(&self) -> PathBuf {
        self.root.join("target/bench")
    }

    /// The file of the results.
    pub(crate) fn results(&self) -> PathBuf {
        self.kept().join("results.json")
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
