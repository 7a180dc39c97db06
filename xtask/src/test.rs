//! Everything that must hold.

use anyhow::Result;
use duct::cmd;

use crate::guests;
use crate::project::{cargo, root};
use crate::stages::Stages;
use crate::{bench, deny, faults, interop, lint, tools};

/// All packages but this one, in the one set of features that every command here builds. With `-p` cargo would
/// choose another set and compile the larger half of the dependencies a second time.
pub(crate) const PACKAGES: [&str; 4] = ["--workspace", "--exclude", "xtask", "--locked"];

/// Runs every check, the quick ones first. Each one runs, whatever the others said.
pub(crate) fn run() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("formatting", lint::formatting);
    stages.run("build", build);
    stages.run("guests", || guests::build(&[]));
    stages.run("interop environment", interop::prepare);
    stages.run("tests", tests);
    stages.run("benchmark, quick", || bench::smoke(&[]));
    stages.run("faults, quick", || faults::smoke(&[]));
    stages.run("tests of SDKs and examples", guests::test);
    stages.run("documentation tests", documentation_tests);
    stages.run("clippy", lint::clippy);
    stages.run("clippy of the guests", lint::clippy_of_guests);
    stages.run("documentation", lint::documentation);
    stages.run("dependencies", deny::check);
    stages.finish()
}

/// The program and every test binary. All at once: without the tests cargo would choose another set of features.
pub(crate) fn build() -> Result<()> {
    cmd(cargo(), ["build", "--all-targets"].iter().chain(&PACKAGES)).dir(root()).run()?;
    Ok(())
}

/// Every test, each in a process of its own where nextest is installed.
fn tests() -> Result<()> {
    let runner: &[&str] = if tools::has_nextest() {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        eprintln!("cargo-nextest is not installed: cargo test runs the same tests, more slowly");
        &["test", "--all-targets", "--no-fail-fast"]
    };
    cmd(cargo(), runner.iter().chain(&PACKAGES)).dir(root()).run()?;
    Ok(())
}

/// The examples in the documentation.
fn documentation_tests() -> Result<()> {
    cmd(cargo(), ["test", "--doc"].iter().chain(&PACKAGES)).dir(root()).run()?;
    Ok(())
}
