//! The examples in Rust: one workspace, built by cargo.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use duct::cmd;

use super::component::{Component, install};
use crate::project;

/// Builds the Rust examples, those that are wrong on purpose, and the one from elsewhere, with cargo, which knows what has changed,
/// and returns the components.
pub(super) fn build(out: &Path) -> Result<Vec<Component>> {
    let toolchain = RustToolchain::ready()?;
    let examples = project::root().join("guest-examples");
    let mut built = Vec::new();
    let start = Instant::now();
    let made = workspace(&toolchain, &examples.join("rust"), &format!("rust-{}", toolchain.kind))?;
    for file in made {
        // The wrong ones are members of the same workspace, and no examples.
        let name = file.file_stem().context("a built file has a name")?;
        let wrong = examples.join("wrong").join(name).is_dir();
        built.push(if wrong { install(&file, &beside(out, "wrong")?)? } else { install(&file, out)? });
    }
    for file in workspace(&toolchain, &examples.join("elsewhere"), &format!("elsewhere-{}", toolchain.kind))? {
        built.push(install(&file, &beside(out, "elsewhere")?)?);
    }
    built.sort();
    // It is not known what each of them took.
    let took = start.elapsed();
    Ok(built.into_iter().map(|file| Component { file, took: Some(took) }).collect())
}

/// Another folder of components, made if it is not there.
fn beside(out: &Path, name: &str) -> Result<PathBuf> {
    let folder = out.with_file_name(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Builds a workspace and returns what came out of it.
fn workspace(toolchain: &RustToolchain, source: &Path, scratch: &str) -> Result<Vec<PathBuf>> {
    let scratch = project::target().join("guests-build").join(scratch);
    let mut cargo = cmd!(
        project::cargo(),
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--target",
        "wasm32-unknown-unknown",
        "--target-dir",
        &scratch
    )
    .dir(source)
    .env("RUSTFLAGS", remaps(toolchain)?)
    // What cargo sets for this program must not reach the guests' compiler.
    .env_remove("CARGO_TARGET_DIR")
    .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(rustc) = &toolchain.rustc {
        cargo = cargo.env("RUSTC", rustc).env_remove("RUSTC_WRAPPER").env_remove("RUSTUP_TOOLCHAIN");
    }
    cargo.run().with_context(|| format!("{} was not built", source.display()))?;
    let mut built = Vec::new();
    for entry in fs::read_dir(scratch.join("wasm32-unknown-unknown/release"))? {
        let file = entry?.path();
        if file.extension() == Some(OsStr::new("wasm")) {
            built.push(file);
        }
    }
    if built.is_empty() {
        bail!("{} was built, but no .wasm file came out in {}", source.display(), scratch.display());
    }
    Ok(built)
}

/// A compiler that has the wasm32 target.
struct RustToolchain {
    /// Where it came from; builds of different compilers do not share a directory.
    kind: String,
    /// The compiler, if it is not the one that cargo would take.
    rustc: Option<String>,
}

impl RustToolchain {
    /// Finds or makes one: rustup's, or where rustup may not fetch it, Debian's.
    fn ready() -> Result<Self> {
        let script = project::root().join("xtask/rust-wasm-toolchain.sh");
        // Each line is `export NAME=VALUE`; progress goes to standard error.
        let exports = cmd!("bash", script).read().context("no Rust compiler for wasm32-unknown-unknown")?;
        let value = |name: &str| {
            let lines = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
            lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let kind = value("RWT_KIND").context("rust-wasm-toolchain.sh did not say which compiler to use")?;
        Ok(Self { kind, rustc: value("RUSTC") })
    }
}

/// Flags that keep this machine's folders out of the components: a panic names its source file.
///
/// They name the compiler's folder too, so that what another compiler built is not taken for its own.
fn remaps(toolchain: &RustToolchain) -> Result<String> {
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"),
    };
    let crates = home.join("registry/src");
    // Each registry has a folder of its own. Of several prefixes that fit, the last one counts.
    let registries = fs::read_dir(&crates).into_iter().flatten().flatten().map(|registry| (registry.path(), "/crates"));
    let compiler = toolchain.rustc.as_deref().and_then(|rustc| Path::new(rustc).ancestors().nth(2));
    let compiler = compiler.map(|folder| (folder.to_owned(), "/rust"));
    let own = [(project::root(), "/tidemill"), (crates.clone(), "/crates")];
    let prefixes = own.into_iter().chain(compiler).chain(registries);
    let flags: Vec<String> =
        prefixes.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect();
    Ok(flags.join(" "))
}
