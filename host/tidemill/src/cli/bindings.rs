//! `bindings c`, `bindings go` and `bindings wit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to write.
#[derive(Debug, Subcommand)]
pub enum BindingsCommand {
    /// Write bindings for C: a header, a source, and an object file with the contract's metadata.
    C(BindingsArgs),
    /// Write bindings for Go: a package for each interface.
    Go(GoBindingsArgs),
    /// Write the contract itself, for generators of other languages.
    Wit(BindingsArgs),
}

/// `bindings c` and `bindings wit`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill bindings c build/bindings     for C, C++ and what reads C's headers
  tidemill bindings wit wit              for componentize-py, jco, wit-bindgen")]
pub struct BindingsArgs {
    /// Where to write. It is made if it is not there; other files in it are left alone.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// `bindings go`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill bindings go bindings          a module of its own, `wit_component`
  tidemill bindings go internal/bindings --package example.com/totals/internal/bindings
                                         packages of your module

The package `export_tidemill_processor_handler`, with the function `Process`, is yours to write. Processors that use Tidemill's \
Go package need neither: it has both.")]
pub struct GoBindingsArgs {
    /// Where to write. It is made if it is not there; other files in it are left alone.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// The import path of DIR: makes packages of your module, instead of a module of its own.
    #[arg(long, value_name = "IMPORT_PATH", value_parser = import_path)]
    pub package: Option<String>,

    /// Below which import path `export_tidemill_processor_handler` lies; that of DIR if not said.
    #[arg(long, value_name = "IMPORT_PATH", requires = "package", value_parser = import_path)]
    pub exports: Option<String>,

    /// Below which import path the packages `runtime` and `types` lie, which the bindings build upon.
    #[arg(long, value_name = "IMPORT_PATH", default_value = GoBindingsArgs::SUPPORT, value_parser = import_path)]
    pub support: String,
}

impl GoBindingsArgs {
    /// The support packages that the generator's authors publish.
    pub const SUPPORT: &str = "go.bytecodealliance.org/pkg/wit";
}

/// An import path of Go, in the characters that its modules may have.
fn import_path(word: &str) -> Result<String, &'static str> {
    let fine = |char: char| char.is_ascii_alphanumeric() || "-._~/".contains(char);
    if !word.is_empty() && word.chars().all(fine) && !word.starts_with('/') && !word.ends_with('/') {
        Ok(word.to_owned())
    } else {
        Err("an import path has letters, digits, `-`, `.`, `_`, `~`, and `/` between its parts")
    }
}
