//! `tidemill`: reads the command line, begins to log, and does what was asked.

use std::process::ExitCode;

use clap::Parser as _;
use tidemill::{
    cli::{Args, Command},
    commands,
    exit::Exit,
    logging,
    output::Progress,
};
use tidemill_engine::compile_child;

fn main() -> ExitCode {
    let args = match Args::parse() {
        // What it says belongs to the host that started it: it neither logs nor reports like a command.
        Args { command: Command::CompileChild(args), .. } => return compile_child(args.arguments),
        args => args,
    };
    let progress = Progress::for_terminal();
    let result = logging::start(&args.log, &progress).and_then(|()| commands::execute(args, &progress));
    Exit::report(&result)
}
