//! Kills a real host again and again: `cargo xtask crash`.

use anyhow::Result;
use duct::cmd;

use crate::guests::{self, Language};
use crate::project::{cargo, root};
use crate::test::{self, PACKAGES};

/// Runs the crash tests of `e2e` with this many kills and shows their report.
pub(crate) fn run(kills: u32) -> Result<()> {
    guests::build(&[Language::Rust])?;
    test::build()?;
    cmd(cargo(), ["test", "--test", "e2e"].iter().chain(&PACKAGES).chain(&["crash::", "--", "--nocapture"]))
        .dir(root())
        .env("TIDEMILL_KILLS", kills.to_string())
        .run()?;
    Ok(())
}
