//! Reads a large feed to its end: `cargo xtask soak`.

use anyhow::Result;
use duct::cmd;

use crate::guests::{self, Language};
use crate::project::{cargo, root};
use crate::test::{self, PACKAGES};

/// Runs the tests of `e2e` that read a large feed, with this many events, and shows their report.
pub(crate) fn run(events: u64) -> Result<()> {
    guests::build(&[Language::Rust])?;
    test::build()?;
    cmd(cargo(), ["test", "--test", "e2e"].iter().chain(&PACKAGES).chain(&["million::", "--", "--nocapture"]))
        .dir(root())
        .env("TIDEMILL_EVENTS", events.to_string())
        .run()?;
    Ok(())
}
