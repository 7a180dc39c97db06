//! `completions`, `man` and `schema`: what the program says of itself to shells, to `man` and to editors.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill completions bash > ~/.local/share/bash-completion/completions/tidemill
  tidemill completions zsh > ~/.zfunc/_tidemill                 with `fpath+=~/.zfunc` in .zshrc
  tidemill completions fish > ~/.config/fish/completions/tidemill.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// `man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill man ~/.local/share/man/man1           then `man tidemill`, `man tidemill-state-scan`")]
pub struct ManArgs {
    /// The directory to write the pages to, one for each command. It is made if it is not there.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// `schema`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill schema > tidemill.schema.json         and `#:schema tidemill.schema.json` as first line of tidemill.toml")]
pub struct SchemaArgs {}
