//! `tidemill`: reads the command line, begins to log, and does what was asked.

use std::process::ExitCode;

use clap::Parser as _;
use tidemill::{cli::Args, commands, exit::Exit, logging, output::Progress};

fn main() -> ExitCode {
    let args = Args::parse();
    let progress = Progress::for_terminal();
    let result = logging::start(&args.log, &progress).and_then(|()| commands::execute(args, progress));
    Exit::report(&result)
}
