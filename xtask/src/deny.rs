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
        cmd!(
            &deny,
            "--locked",
            "--manifest-path",
            &manifest,
            "check",
            "--config",
            root().join("deny.toml"),
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources"
        )
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
