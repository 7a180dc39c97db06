//! Programs that a check needs beside cargo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use duct::cmd;

use crate::project::{cargo, target};

const CARGO_DENY: &str = "0.20.2";

/// cargo-deny: the one that is installed, or one that is built now into `target/tools`.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let own = target().join("tools/bin/cargo-deny");
    for program in [Path::new("cargo-deny"), &own] {
        if answers(program) {
            return Ok(program.to_owned());
        }
    }
    eprintln!("cargo-deny is not installed: building version {CARGO_DENY} into target/tools, which takes some minutes");
    let root = target().join("tools");
    let scratch = target().join("tools-build");
    cmd!(cargo(), "install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--quiet", "--root", &root)
        .env("CARGO_TARGET_DIR", &scratch)
        .run()
        .context("cargo-deny was not built")?;
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
