//! The examples of a language that has a `build.sh`: built one by one, each only if something that goes into it has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use duct::cmd;

use super::component::{Component, install};
use super::inputs::{Inputs, MADE};
use super::language::Language;
use crate::project::{root, target};

/// Builds the examples of a language and hands each component over as soon as it is there. One that fails does not keep the
/// others from being built; their names are in the error.
pub(super) fn build(
    language: Language,
    out: &Path,
    program: impl Fn() -> Result<PathBuf>,
    mut done: impl FnMut(Component) -> Result<()>,
) -> Result<()> {
    let source = root().join("guest-examples").join(language.name());
    let tools = target().join("guest-tools").join(language.name());
    fs::create_dir_all(&tools)?;
    let mut failed = Vec::new();
    for example in examples(&source)? {
        match build_one(language, &example, &tools, out, &program) {
            Ok(component) => done(component)?,
            Err(error) => {
                eprintln!("{}: {error:#}", example.strip_prefix(root()).unwrap_or(&example).display());
                failed.push(name_of(&example)?.to_owned());
            }
        }
    }
    if !failed.is_empty() {
        bail!("not built: {}", failed.join(", "));
    }
    Ok(())
}

/// The folders of the examples: all but those that builds make.
fn examples(source: &Path) -> Result<Vec<PathBuf>> {
    let folders = fs::read_dir(source).with_context(|| format!("there are no examples in {}", source.display()))?;
    let mut examples = Vec::new();
    for folder in folders {
        let folder = folder?;
        let name = folder.file_name();
        let made = MADE.iter().any(|made| name == **made) || name.to_string_lossy().starts_with('.');
        if folder.file_type()?.is_dir() && !made {
            examples.push(folder.path());
        }
    }
    if examples.is_empty() {
        bail!("there are no examples in {}", source.display());
    }
    examples.sort();
    Ok(examples)
}

fn build_one(
    language: Language,
    example: &Path,
    tools: &Path,
    out: &Path,
    program: &impl Fn() -> Result<PathBuf>,
) -> Result<Component> {
    let name = name_of(example)?;
    let installed = out.join(format!("{name}.wasm"));
    let stamp = tools.join(format!("{name}.inputs"));
    let inputs = Inputs::of(language, example)?.digest()?;
    if installed.is_file() && fs::read_to_string(&stamp).is_ok_and(|built_from| built_from == inputs) {
        return Ok(Component { file: installed, took: None });
    }

    let script = example.with_file_name("build.sh");
    let start = Instant::now();
    let mut build = cmd!("sh", &script).dir(example).env("TOOLS", tools).env("NAME", name).stdout_to_stderr();
    if language.needs_program() {
        build = build.env("TIDEMILL", program()?);
    }
    build.run().with_context(|| format!("{} failed", script.strip_prefix(root()).unwrap_or(&script).display()))?;
    let took = start.elapsed();

    let file = install(&example.join("build").join(format!("{name}.wasm")), out)
        .with_context(|| format!("the build went well, but left no build/{name}.wasm"))?;
    fs::write(stamp, inputs)?;
    Ok(Component { file, took: Some(took) })
}

fn name_of(example: &Path) -> Result<&str> {
    example.file_name().and_then(|name| name.to_str()).context("the name of an example is not text")
}
