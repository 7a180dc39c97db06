//! What a project needs to build its component in a test as its author would, without downloading what is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::project::program;

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Lets a command, and what it starts, build a guest in this language as its author would: without what cargo told the test,
/// with the program on the `PATH`, and with the tools that the examples of the language use.
pub fn prepare(command: &mut Command, language: &str) {
    for name in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "TIDEMILL_LOG", "TIDEMILL_CONFIG"] {
        command.env_remove(name);
    }
    let tools = program().parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    // Go is found there once `build.sh` has installed it.
    let own = root().join("target/guest-tools").join(language);
    command.env("PATH", format!("{}:{path}:{}/venv/bin", tools.display(), own.display()));
    match language {
        "rust" => {
            command.env("CARGO_NET_OFFLINE", "true").envs(rust_toolchain());
        }
        // Their tools lie beside what the project itself depends on.
        "js" | "ts" => {
            command.env("npm_config_prefer_offline", "true");
        }
        _ => {
            command.env("TOOLS", own);
        }
    }
}

/// Puts into a Rust project what makes building it quick and free of the network; it changes nothing that its author sees.
pub fn warm_rust(project: &Path) {
    fs::copy(root().join("guest-examples/rust/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let built = root().join("target/guests-build").join("project");
    fs::create_dir_all(&built).unwrap();
    std::os::unix::fs::symlink(built, project.join("target")).unwrap();
}

/// What the compiler for wasm32 needs, as `cargo xtask guests` finds it.
fn rust_toolchain() -> Vec<(String, String)> {
    let output = Command::new("bash").arg(root().join("xtask/rust-wasm-toolchain.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exports = String::from_utf8(output.stdout).unwrap();
    let pairs = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
