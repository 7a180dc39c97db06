//! `completions`, `man` and `schema`: what the program says of itself.

use std::fs;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::{
    cli::{Args, CompletionsArgs, ManArgs},
    config,
    exit::Exit,
    output::{print, print_json},
};

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "tidemill", &mut script);
    print(std::str::from_utf8(&script).context("the completions are not UTF-8")?)?;
    Ok(Exit::Done)
}

/// Writes a page for each command.
pub(super) fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    clap_mangen::generate_to(Args::command(), directory)
        .with_context(|| format!("the pages cannot be written to {}", directory.display()))?;
    Ok(Exit::Done)
}

/// Prints the JSON Schema of `tidemill.toml`.
pub(super) fn schema() -> anyhow::Result<Exit> {
    print_json(&config::schema())?;
    Ok(Exit::Done)
}
