//! `tidemill`: reads the command line, begins to log, and does what was asked.

use std::process::ExitCode;

use clap::Parser as _;
use tidemill::{
    cli::{Args, Command},
    commands,
    exit::Exit,
    logging::{self, Tap},
    output::Progress,
};
use tidemill_engine::compile_child;

fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    tidemill::failpoint::arm_from_environment();
    let args = match Args::parse() {
        // What it says belongs to the host that started it: it neither logs nor reports like a command.
        Args { command: Command::CompileChild(args), .. } => return compile_child(args.arguments),
        args => args,
    };
    let (progress, tap) = (Progress::for_terminal(), Tap::default());
    // What it shows has room for what is logged.
    let tapped = matches!(args.command, Command::Dev(_)).then_some(&tap);
    let result = logging::start(&args.log, &progress, tapped).and_then(|()| commands::execute(args, &progress, &tap));
    Exit::report(&result)
}
