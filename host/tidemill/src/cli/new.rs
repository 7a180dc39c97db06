//! `new`: a project and its language.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `new`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill new payments --lang python
  tidemill new payments --lang rust --path work/payments
  tidemill new payments --lang ts --here     in this directory, which must be empty

The project holds what it builds upon: the contract, the module of its language, and `build.sh` where a build takes more than \
one command. What a build needs beside the language's usual tools it fetches from the language's package registry.")]
pub struct NewArgs {
    /// The name of the project and of its processor.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The language to write it in.
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,

    /// Where to make it; a directory with the project's name if not said. It must be empty, or not there.
    #[arg(long, value_name = "DIR", conflicts_with = "here")]
    pub path: Option<PathBuf>,

    /// Make it in this directory, which must be empty; `.git` may be there.
    #[arg(long)]
    pub here: bool,
}

/// A language that processors are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    #[value(alias = "py")]
    Python,
    /// TypeScript.
    #[value(alias = "typescript")]
    Ts,
    /// JavaScript.
    #[value(alias = "javascript")]
    Js,
    /// Go.
    #[value(alias = "golang")]
    Go,
    /// C.
    C,
}
