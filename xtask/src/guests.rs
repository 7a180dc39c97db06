//! Builds the example components of each language.

mod component;
mod inputs;
mod language;
mod native;
mod rust;
mod script;

use std::cell::OnceCell;
use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use component::Component;
pub(crate) use language::Language;
pub(crate) use native::test;

use crate::project::{root, target};

/// Builds the examples of these languages, or of all if none is named. A language that fails does not keep the others
/// from being built.
pub(crate) fn build(languages: &[Language]) -> Result<()> {
    let languages = if languages.is_empty() { Language::value_variants() } else { languages };
    let program = Program::default();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for language in languages {
        let mut done = |component: Component| -> Result<()> {
            lines.push(component.line()?);
            Ok(())
        };
        if let Err(error) = build_language(*language, &program, &mut done) {
            eprintln!("{} failed: {error:#}", language.name());
            failed.push(language.name());
        }
    }
    for line in lines {
        eprintln!("{line}");
    }
    if !failed.is_empty() {
        bail!("the examples of {} were not built, or not all; what went wrong stands above", failed.join(", "));
    }
    Ok(())
}

fn build_language(language: Language, program: &Program, done: &mut impl FnMut(Component) -> Result<()>) -> Result<()> {
    let out = target().join("guests").join(language.name());
    fs::create_dir_all(&out)?;
    if language == Language::Rust {
        rust::build(&out)?.into_iter().try_for_each(done)
    } else {
        script::build(language, &out, || program.ready(), done)
    }
}

/// The program of this checkout, which generates bindings. It is built when the first example needs it.
#[derive(Default)]
struct Program {
    file: OnceCell<PathBuf>,
}

impl Program {
    fn ready(&self) -> Result<PathBuf> {
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        crate::test::build().context("the program was not built, which generates the bindings")?;
        let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(target, |folder| root().join(folder));
        let file = folder.join("debug").join(format!("tidemill{}", env::consts::EXE_SUFFIX));
        if !file.is_file() {
            bail!("the program was built, but does not lie at {}", file.display());
        }
        Ok(self.file.get_or_init(|| file).clone())
    }
}
