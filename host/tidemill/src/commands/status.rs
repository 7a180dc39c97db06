//! `status`: where each processor stands.

mod document;
mod tables;

use std::path::Path;

use tidemill_store::DataLock;

use self::document::Document;
use crate::{
    cli::StatusArgs,
    config::Config,
    exit::Exit,
    host::{Reader, read_troubles},
    output::{print, print_json},
};

/// Prints where everything stands. Neither waits nor writes.
pub(super) fn execute(args: &StatusArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let processors = Reader::open(&config.data)?.status()?;
    let owner = DataLock::holder(&config.data)?;
    // Without a host nothing waits: it does not run.
    let troubles = if owner.is_some() { read_troubles(&config.data) } else { Vec::new() };
    let document = Document::new(owner, &processors, troubles, &config);
    if args.json {
        print_json(&document)?;
    } else {
        print(&tables::text(&document))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
