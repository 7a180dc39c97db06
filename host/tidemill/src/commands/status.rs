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
    host::Reader,
    output::{print, print_json},
};

/// Prints where everything stands. Neither waits nor writes.
pub(super) fn execute(args: &StatusArgs, config: &Path) -> anyhow::Result<Exit> {
    let data = Config::load(config)?.data;
    let processors = Reader::open(&data)?.status()?;
    let document = Document::new(DataLock::holder(&data)?, &processors);
    if args.json {
        print_json(&document)?;
    } else {
        print(&tables::text(&document))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
