//! Programs that a check needs beside cargo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use duct::cmd;

use crate::project::{cargo, target};

const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

/// cargo-deny: the one that is installed, or one that is built now into `target/tools`.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    installed("cargo-deny", CARGO_DENY)
}

/// cargo-fuzz: the one that is installed, or one that is built now into `target/tools`.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    installed("cargo-fuzz", CARGO_FUZZ)
}

fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let own = target().join("tools/bin").join(name);
    for program in [Path::new(name), &own] {
        if answers(program) {
            return Ok(program.to_owned());
        }
    }
    eprintln!("{name} is not installed: building version {version} into target/tools, which takes some minutes");
    let root = target().join("tools");
    let scratch = target().join("tools-build");
    cmd!(cargo(), "install", name, "--version", version, "--locked", "--quiet", "--root", &root)
        .env("CARGO_TARGET_DIR", &scratch)
        .run()
        .with_context(|| format!("{name} was not built"))?;
    Ok(own)
}

/// Whether cargo-nextest is installed. Without it `cargo test` runs the same tests.
pub(crate) fn has_nextest() -> bool {
    cmd!(cargo(), "nextest", "--version").stdout_null().stderr_null().run().is_ok()
}

/// Whether a program is there and runs.
pub(crate) fn answers(program: &Path) -> bool {
    cmd!(program, "--version").stdout_null().stderr_null().run().is_ok()
}
