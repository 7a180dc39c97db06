//! The benchmark: builds what it needs, measures, and writes `docs/performance.md`.

use std::env;
use std::path::PathBuf;

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
    /// Only these cells of the comparison.
    #[arg(long, value_name = "CELL", value_delimiter = ',')]
    only: Vec<String>,
}

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
    let mut compare = vec!["compare".to_owned()];
    compare.extend(arguments.fresh.then(|| "--fresh".to_owned()));
    compare.extend(only(&arguments.only));
    cmd(&bench, compare).dir(root()).run()?;
    cmd!(&bench, "page").dir(root()).run()?;
    Ok(())
}

/// The quick form, with what a build of the tests has left. The environment of Python and the guests must be there.
pub(crate) fn smoke(cells: &[String]) -> Result<()> {
    let compare = ["compare".to_owned(), "--quick".to_owned()].into_iter().chain(only(cells));
    cmd(program("debug"), compare).dir(root()).run()?;
    Ok(())
}

fn only(cells: &[String]) -> impl Iterator<Item = String> {
    cells.iter().flat_map(|cell| ["--only".to_owned(), cell.clone()])
}

/// The program that measures, of a profile.
fn program(profile: &str) -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(target, |folder| root().join(folder));
    folder.join(profile).join(format!("bench{}", env::consts::EXE_SUFFIX))
}
