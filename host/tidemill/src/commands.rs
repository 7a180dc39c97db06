//! The commands: one module each.

mod about;
mod ask;
mod backup;
mod bindings;
mod check;
mod consent;
mod control;
mod demo;
mod dev;
mod feed_serve;
mod inspect;
mod new;
mod parked;
mod record;
mod replay;
mod run;
mod state;
mod status;
mod stretch;
mod tail;
mod test;
mod verify;

use std::{future::Future, time::Duration};

use anyhow::Context as _;

use crate::{
    cli::{Args, Command, FeedCommand},
    exit::Exit,
    logging::Tap,
    output::Progress,
};

/// A thread that reads or writes files ends when it had nothing to do for so long. Looks at the database take turns on those
/// that there are, several a second: with more time none would ever end.
const IDLE_THREAD: Duration = Duration::from_secs(1);

/// Does what was asked.
///
/// # Errors
/// A [`ConfigError`](crate::config::ConfigError) or a [`Misuse`](crate::exit::Misuse) for exit code 2, anything else for 1.
pub fn execute(args: Args, progress: &Progress, tap: &Tap) -> anyhow::Result<Exit> {
    let config = args.config;
    match args.command {
        Command::Check => check::execute(&config),
        Command::Feed(FeedCommand::Serve(args)) => block_on(feed_serve::execute(args)),
        Command::Run(args) => block_on(run::execute(args, &config, progress)),
        Command::Dev(args) => block_on(dev::execute(args, &config, tap)),
        Command::Demo(args) => block_on(demo::execute(args, progress)),
        Command::Inspect(args) => inspect::execute(&args, &config),
        Command::Bindings(command) => bindings::execute(&command),
        Command::Test(args) => test::execute(&args, &config),
        Command::Replay(args) => replay::execute(&args, &config),
        Command::Verify(args) => verify::execute(&args, &config),
        Command::Record(args) => block_on(record::execute(args, &config)),
        Command::Status(args) => status::execute(&args, &config),
        Command::State(command) => state::execute(command, &config),
        Command::Feed(FeedCommand::Tail(args)) => block_on(tail::execute(args, &config)),
        Command::Parked(command) => block_on(parked::execute(command, &config)),
        Command::Pause(args) => block_on(control::pause(args, &config)),
        Command::Resume(args) => block_on(control::resume(args, &config)),
        Command::Reset(args) => block_on(control::reset(args, &config)),
        Command::Backup(args) => backup::backup(&args, &config),
        Command::Restore(args) => backup::restore(&args, &config),
        Command::New(args) => new::execute(&args),
        Command::Completions(args) => about::completions(&args),
        Command::Man(args) => about::man(&args),
        Command::Schema(_) => about::schema(),
        Command::CompileChild(_) => unreachable!("`main` runs it before anything else"),
    }
}

/// Runs a command, or a part of one, that waits for things.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_keep_alive(IDLE_THREAD).build();
    let runtime = runtime.context("the runtime does not start")?;
    let exit = runtime.block_on(command);
    // What a command has not waited for by now, such as a compilation, it does not want any more.
    runtime.shutdown_background();
    exit
}
