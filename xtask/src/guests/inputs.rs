//! What a component is built from, as a digest: equal digests mean that there is nothing to build.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::language::Language;
use crate::project::root;

/// Folders that builds and tests write. They are no inputs.
pub(super) const MADE: [&str; 5] = ["build", "node_modules", ".tools", "__pycache__", "target"];

/// The files that go into a component. The versions of the tools are pinned in them, so they are in it too.
pub(super) struct Inputs {
    files: Vec<PathBuf>,
}

impl Inputs {
    /// The example, what its language's examples share, the language's module, the contract, and for a language whose
    /// bindings the program generates, the versions of the generators.
    pub(super) fn of(language: Language, example: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(example, &mut files)?;
        collect(&root().join("wit"), &mut files)?;
        for module in language.modules() {
            let folder = root().join("sdk").join(module);
            if folder.is_dir() {
                collect(&folder, &mut files)?;
            }
        }
        let shared = example.parent().context("an example lies in a folder")?;
        for file in fs::read_dir(shared)? {
            let file = file?.path();
            if file.is_file() {
                files.push(file);
            }
        }
        if language.needs_program() {
            files.push(root().join("host/tidemill/Cargo.toml"));
        }
        files.sort();
        Ok(Self { files })
    }

    /// A digest of the names and contents.
    pub(super) fn digest(&self) -> Result<String> {
        let mut all = Sha256::new();
        for file in &self.files {
            let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let name = file.strip_prefix(root()).unwrap_or(file);
            all.update(format!("{} {}\n", name.display(), bytes.len()));
            all.update(bytes);
        }
        let mut digits = String::new();
        for byte in all.finalize() {
            write!(digits, "{byte:02x}")?;
        }
        Ok(digits)
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let made = MADE.iter().any(|made| entry.file_name() == **made);
        // A link leads to what a build installed.
        if made || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
