//! `dev`

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use tidemill_pipeline::{ProcessorName, ReadFrom};

use super::words;

/// `dev`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidemill dev                          every processor, from where it was left
  tidemill dev totals --fresh           one of them, with an empty state, from the beginning
  tidemill dev totals --from case.ndjson
  tidemill dev totals --from 1002 --json
  tidemill dev join --kind-of /type     what does each kind of event cost? shown at the end

It keeps its state in a directory of its own (`dev` in the data directory): it never touches what `run` has, and may run beside it. \
A change is built with the processor's `build` and watched for in its `sources`.")]
pub struct DevArgs {
    /// The processors to run; all if none is named.
    #[arg(value_name = "PROCESSOR", value_parser = words::processor)]
    pub processors: Vec<ProcessorName>,

    /// Forget what was computed before, and begin with an empty state.
    #[arg(long)]
    pub fresh: bool,

    /// Begin with an empty state at `first`, `last` or a cursor; or read this file (a payload a line) in place of the feed.
    #[arg(long, value_name = "PLACE|FILE")]
    pub from: Option<From>,

    /// Where in a payload its kind stands, as a JSON pointer; else the kind is that of the envelope. For the costs at the end.
    #[arg(long, value_name = "POINTER", value_parser = words::pointer)]
    pub kind_of: Option<String>,

    /// Print an object a line.
    #[arg(long)]
    pub json: bool,
}

/// Where the events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The feed, from this place on.
    Place(ReadFrom),
    /// A file.
    File(PathBuf),
}

impl FromStr for From {
    type Err = String;

    /// A word that names a file, or looks like one, is that file.
    fn from_str(word: &str) -> Result<Self, String> {
        let file = PathBuf::from(word);
        let looks_like_one = word.contains('/') || file.extension().is_some_and(|extension| extension == "ndjson");
        if looks_like_one || file.is_file() {
            return Ok(Self::File(file));
        }
        words::place(word).map(Self::Place)
    }
}
