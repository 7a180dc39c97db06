//! The tests that SDKs and examples bring in their own language: on this machine, without Wasm.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use duct::{Expression, cmd};

use super::language::Language;
use crate::lint;
use crate::project::{cargo, root, target};

/// Runs them all, each language with the tools that building its examples has installed. One that fails does not keep
/// the others from running.
pub(crate) fn test() -> Result<()> {
    let mut failed = Vec::new();
    for (folder, command) in commands()? {
        eprintln!("{}", folder.display());
        if let Err(error) = command.dir(root().join(&folder)).stdout_to_stderr().run() {
            eprintln!("{} failed: {error:#}", folder.display());
            failed.push(folder.display().to_string());
        }
    }
    if !failed.is_empty() {
        bail!("tests failed in {}", failed.join(", "));
    }
    Ok(())
}

/// Every folder with tests, and the command that runs them.
fn commands() -> Result<Vec<(PathBuf, Expression)>> {
    let mut commands = Vec::new();
    for workspace in lint::GUESTS {
        let command = cmd!(cargo(), "test", "--workspace", "--locked", "--quiet");
        commands.push((workspace.into(), command.env("CARGO_TARGET_DIR", target().join("guests-build/native"))));
    }
    for folder in having(Language::Python, "test_main.py")?.into_iter().chain(["sdk/python".into()]) {
        commands.push((folder, cmd!("python3", "-m", "unittest", "--quiet")));
    }
    for language in [Language::Js, Language::Ts] {
        for folder in
            having(language, "package.json")?.into_iter().filter(|folder| folder.starts_with("guest-examples"))
        {
            commands.push((folder, cmd!("npm", "test", "--silent")));
        }
    }
    commands.push(("sdk/js".into(), cmd!("node", "--test", "--test-reporter=dot")));
    let installed = target().join("guest-tools/go/venv/bin/go");
    let go = if installed.is_file() { installed } else { "go".into() };
    for folder in having(Language::Go, "go.mod")? {
        // Not `./...`: once a build has generated the bindings, which are for Wasm alone, it would find them in the module.
        let packages: &[&str] = if folder.starts_with("sdk") { &[".", "./tidemilltest"] } else { &["./..."] };
        let arguments = ["test"].iter().chain(packages);
        commands.push((folder, cmd(&go, arguments).env("GOTOOLCHAIN", "local").env("GOPROXY", "off")));
    }
    commands.push(("sdk/c/tests".into(), cmd!("make", "--silent")));
    for folder in having(Language::C, "totals_test.c")? {
        commands.push((folder, cmd!("make", "--silent", "-f", "../Makefile", "test")));
    }
    Ok(commands)
}

/// The folders of a language's modules and examples that have a file of this name.
fn having(language: Language, file: &str) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = language.modules().iter().map(|module| Path::new("sdk").join(module)).collect();
    let examples = Path::new("guest-examples").join(language.name());
    for entry in fs::read_dir(root().join(&examples))? {
        folders.push(examples.join(entry?.file_name()));
    }
    folders.retain(|folder| root().join(folder).join(file).is_file());
    folders.sort();
    if folders.is_empty() {
        bail!("no folder of {} has a {file}", language.name());
    }
    Ok(folders)
}
