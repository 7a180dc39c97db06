//! What the dependencies may be: `deny.toml`, checked by cargo-deny.

use anyhow::{Context, Result, bail};
use duct::cmd;

use crate::project::root;
use crate::tools;

/// Who may use what, licences and sources, of the host and of the Rust guests.
pub(crate) fn check() -> Result<()> {
    let deny = tools::cargo_deny()?;
    for workspace in [root(), root().join("guest-examples/rust")] {
        let manifest = workspace.join("Cargo.toml");
        eprintln!("{}", manifest.display());
        // The rules are written for both, so some of them meet nothing in one of the two.
        let silent = ["-A", "unused-wrapper", "-A", "license-not-encountered"];
        let rules = ["bans", "licenses", "sources"];
        cmd(&deny, ["--locked", "check", "--hide-inclusion-graph"].iter().chain(&silent).chain(&rules))
            .dir(&workspace)
            .run()
            .with_context(|| format!("the dependencies of {} break a rule of deny.toml", manifest.display()))?;
    }
    Ok(())
}

/// Known vulnerabilities. Without the network there is no verdict, and that is said.
pub(crate) fn advisories() -> Result<()> {
    let deny = tools::cargo_deny()?;
    let fetched = cmd!(&deny, "fetch", "db").dir(root()).unchecked().run()?;
    if !fetched.status.success() {
        bail!("offline: the advisory database could not be fetched, so there is no verdict on vulnerabilities");
    }
    cmd!(&deny, "--locked", "check", "--disable-fetch", "advisories").dir(root()).run()?;
    Ok(())
}
