//! The fault matrix: builds what it needs, tries, and writes `docs/reliability.md`.

use std::env;
use std::iter;

use anyhow::Result;
use clap::Args;
use duct::cmd;

use crate::guests::{self, Language};
use crate::project::{root, target};
use crate::test;

/// `faults`
#[derive(Args)]
pub(crate) struct FaultsArgs {
    /// Every row in its short form, with fixed seeds; nothing is kept.
    #[arg(long, conflicts_with_all = ["seed", "count"])]
    quick: bool,
    /// Only these rows; `--list` names them.
    #[arg(long = "row", value_name = "NAME", value_delimiter = ',')]
    rows: Vec<String>,
    /// The seed of the rows' dice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often to try, instead of what the row says.
    #[arg(long)]
    count: Option<u64>,
    /// Shows the rows, and tries nothing.
    #[arg(long, conflicts_with_all = ["quick", "seed", "count", "page"])]
    list: bool,
    /// Writes the page again from docs/reliability.json, and tries nothing.
    #[arg(long, conflicts_with_all = ["quick", "seed", "count"])]
    page: bool,
}

/// Builds, and does what is asked for.
pub(crate) fn run(arguments: &FaultsArgs) -> Result<()> {
    test::build()?;
    if arguments.list {
        return program(["list".to_owned()]);
    }
    if arguments.page {
        return program(["page".to_owned()]);
    }
    guests::build(&[Language::Rust])?;
    if arguments.quick {
        return smoke(&arguments.rows);
    }
    let seed = ["--seed".to_owned(), arguments.seed.to_string()];
    let count = arguments.count.iter().flat_map(|count| ["--count".to_owned(), count.to_string()]);
    program(iter::once("full".to_owned()).chain(arguments.rows.iter().cloned()).chain(seed).chain(count))
}

/// The short form, with what a build of the tests has left. The guests must be there.
pub(crate) fn smoke(rows: &[String]) -> Result<()> {
    program(iter::once("quick".to_owned()).chain(rows.iter().cloned()))
}

fn program(arguments: impl IntoIterator<Item = String>) -> Result<()> {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(target, |folder| root().join(folder));
    let faults = folder.join("debug").join(format!("faults{}", env::consts::EXE_SUFFIX));
    cmd(faults, arguments).dir(root()).run()?;
    Ok(())
}
