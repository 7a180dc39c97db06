//! The benchmark: builds what it needs, measures, and writes `docs/performance.md`.

use std::env;
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum as _};
use duct::cmd;

use crate::guests::{self, Language};
use crate::project::{cargo, root, target};
use crate::{interop, test};

/// `bench`
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// A round of a few events, with all checks, on the build of the tests: does the benchmark still run?
    #[arg(long)]
    quick: bool,
    /// Forgets what was measured before; else a run that was broken off goes on.
    #[arg(long)]
    fresh: bool,
    /// Only these cells of the comparison, and these scenarios.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
}

/// Tasks of the program that measures, beside the comparison and the scenarios.
const SECTIONS: [&str; 3] = ["crossing", "stages", "scale"];
/// What is measured of a whole host.
const SCENARIOS: [&str; 5] = ["start", "tip", "reload", "memory", "cores"];

/// Builds, measures, and writes.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    guests::build(Language::value_variants())?;
    interop::prepare()?;
    if arguments.quick {
        test::build()?;
        return smoke(&arguments.only);
    }
    // Both in one build: what is measured is the program as `cargo build --release` makes it.
    cmd!(cargo(), "build", "--release", "--locked", "-p", "tidemill", "-p", "bench").dir(root()).run()?;
    let bench = program("release");
    let fresh = arguments.fresh.then(|| "--fresh".to_owned());
    measure(&bench, &arguments.only, fresh)?;
    cmd!(&bench, "page").dir(root()).run()?;
    Ok(())
}

/// The quick form, with what a build of the tests has left. The environment of Python and the guests must be there.
pub(crate) fn smoke(cells: &[String]) -> Result<()> {
    measure(&program("debug"), cells, Some("--quick".to_owned()))
}

/// Measures the comparison and the scenarios, or what is asked for of each.
fn measure(bench: &Path, asked: &[String], how: Option<String>) -> Result<()> {
    let (sections, asked_else): (Vec<&String>, Vec<&String>) =
        asked.iter().partition(|name| SECTIONS.contains(&name.as_str()));
    let (scenarios, cells): (Vec<&String>, Vec<&String>) =
        asked_else.into_iter().partition(|name| SCENARIOS.contains(&name.as_str()));
    if asked.is_empty() || !cells.is_empty() {
        let arguments = iter::once("compare".to_owned()).chain(how.clone()).chain(only(&cells));
        cmd(bench, arguments).dir(root()).run()?;
    }
    // What follows is short, and always measured anew.
    let quick = how.filter(|how| how == "--quick");
    for section in SECTIONS {
        if asked.is_empty() || sections.iter().any(|name| *name == section) {
            cmd(bench, iter::once(section.to_owned()).chain(quick.clone())).dir(root()).run()?;
        }
    }
    if asked.is_empty() || !scenarios.is_empty() {
        cmd(bench, iter::once("scenarios".to_owned()).chain(quick).chain(only(&scenarios))).dir(root()).run()?;
    }
    Ok(())
}

fn only(names: &[&String]) -> impl Iterator<Item = String> {
    names.iter().flat_map(|name| ["--only".to_owned(), (*name).clone()])
}

/// The program that measures, of a profile.
fn program(profile: &str) -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(target, |folder| root().join(folder));
    folder.join(profile).join(format!("bench{}", env::consts::EXE_SUFFIX))
}
