//! Formatting, clippy and documentation, warnings being errors.

use anyhow::Result;
use duct::cmd;

use crate::project::{cargo, root, target};
use crate::stages::Stages;

/// All of it.
pub(crate) fn run() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("formatting", formatting);
    stages.run("clippy", clippy);
    stages.run("clippy of the guests", clippy_of_guests);
    stages.run("documentation", documentation);
    stages.finish()
}

/// What guests are made of in Rust: the SDK and the examples, each a workspace.
pub(crate) const GUESTS: [&str; 2] = ["sdk/rust", "guest-examples/rust"];

/// A component of somebody else, with tools of its own: it is formatted and built, and that is all.
const ELSEWHERE: &str = "guest-examples/elsewhere";

/// The fuzz targets, which the nightly toolchain builds.
const FUZZ: &str = "tests/fuzz";

/// The host, the Rust SDK and the Rust guests are formatted.
pub(crate) fn formatting() -> Result<()> {
    cmd!(cargo(), "fmt", "--all", "--check").dir(root()).run()?;
    for workspace in GUESTS.into_iter().chain([ELSEWHERE, FUZZ]) {
        cmd!(cargo(), "fmt", "--all", "--check").dir(root().join(workspace)).run()?;
    }
    Ok(())
}

/// The host's code, its tests and this program.
pub(crate) fn clippy() -> Result<()> {
    let all = ["--workspace", "--all-targets", "--locked", "--quiet"];
    cmd(cargo(), ["clippy"].iter().chain(&all).chain(&["--", "-D", "warnings"])).dir(root()).run()?;
    Ok(())
}

/// The Rust SDK and guests, checked for this machine: clippy belongs to a compiler that may lack the wasm target.
pub(crate) fn clippy_of_guests() -> Result<()> {
    let scratch = target().join("guests-build/clippy");
    let all = ["--workspace", "--all-targets", "--locked", "--quiet"];
    for workspace in GUESTS {
        cmd(cargo(), ["clippy"].iter().chain(&all).chain(&["--", "-D", "warnings"]))
            .dir(root().join(workspace))
            .env("CARGO_TARGET_DIR", &scratch)
            .run()?;
    }
    Ok(())
}

/// The documentation builds, and its links lead somewhere.
pub(crate) fn documentation() -> Result<()> {
    cmd!(cargo(), "doc", "--workspace", "--exclude", "xtask", "--no-deps", "--locked", "--quiet")
        .dir(root())
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    cmd!(cargo(), "doc", "--no-deps", "--locked", "--quiet")
        .dir(root().join("sdk/rust"))
        .env("CARGO_TARGET_DIR", target().join("guests-build/native"))
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    Ok(())
}
