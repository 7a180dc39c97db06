//! The component inside the program that `tidemill demo` runs: a checked-in build of the example `totals`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use duct::cmd;
use sha2::{Digest, Sha256};

use crate::guests::{self, Language};
use crate::project::{cargo, root, target};
use crate::test::{self, PACKAGES};

/// Folders that only exist on the machine of whoever builds.
const MACHINE_FOLDERS: [&str; 3] = ["root", "home", "Users"];

/// Builds it again from its source and writes its digest beside it.
pub(crate) fn rebuild() -> Result<()> {
    guests::build(&[Language::Rust])?;
    let bytes = fs::read(target().join("guests/rust/totals.wasm"))?;
    for folder in MACHINE_FOLDERS {
        let path = format!("/{folder}/");
        let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
        ensure!(
            !found,
            "the component names folders of this machine ({path}), so it cannot be checked in\n\
             hint: the standard library was built by an older rust-wasm-toolchain.sh; point RWT_PREFIX at a new folder"
        );
    }
    fs::create_dir_all(directory())?;
    fs::write(directory().join("totals.wasm"), &bytes)?;
    fs::write(directory().join("totals.wasm.sha256"), format!("{}  totals.wasm\n", digest(&bytes)))?;
    eprintln!("{}", directory().join("totals.wasm").display());
    Ok(())
}

/// The binary is the one that its digest names, and it behaves like a fresh build.
pub(crate) fn check() -> Result<()> {
    let bytes = fs::read(directory().join("totals.wasm")).context("the demo's component cannot be read")?;
    let noted = fs::read_to_string(directory().join("totals.wasm.sha256")).context("its digest cannot be read")?;
    ensure!(
        noted.split_whitespace().next() == Some(digest(&bytes).as_str()),
        "the demo's component is not the one whose digest lies beside it\n\
         hint: cargo xtask demo-component builds both again"
    );
    guests::build(&[Language::Rust])?;
    let fresh = fs::read(target().join("guests/rust/totals.wasm"))?;
    eprintln!("the fresh build {} it byte by byte", if fresh == bytes { "equals" } else { "differs from" });
    test::build()?;
    cmd(cargo(), ["test", "--test", "e2e"].iter().chain(&PACKAGES).chain(&["demo_component"])).dir(root()).run()?;
    Ok(())
}

fn directory() -> PathBuf {
    root().join("host/tidemill/src/demo")
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
