//! The commands: one module each.

mod check;
mod feed_serve;

use std::future::Future;

use anyhow::Context as _;

use crate::{
    cli::{Args, Command, FeedCommand},
    exit::Exit,
    output::Progress,
};

/// Does what was asked.
///
/// # Errors
/// A [`ConfigError`](crate::config::ConfigError) or a [`Misuse`](crate::exit::Misuse) for exit code 2, anything else for 1.
pub fn execute(args: Args, _progress: Progress) -> anyhow::Result<Exit> {
    let config = args.config;
    match args.command {
        Command::Check => check::execute(&config),
        Command::Feed(FeedCommand::Serve(args)) => block_on(feed_serve::execute(args)),
        Command::Run(_) => not_built("run"),
        Command::Demo(_) => not_built("demo"),
        Command::Inspect(_) => not_built("inspect"),
        Command::Status(_) => not_built("status"),
        Command::State(_) => not_built("state"),
        Command::Feed(FeedCommand::Tail(_)) => not_built("feed tail"),
        Command::Parked(_) => not_built("parked"),
        Command::Pause(_) => not_built("pause"),
        Command::Resume(_) => not_built("resume"),
        Command::Reset(_) => not_built("reset"),
        Command::Backup(_) => not_built("backup"),
        Command::Restore(_) => not_built("restore"),
        Command::CompileChild(_) => not_built("compile-child"),
    }
}

fn not_built(command: &str) -> anyhow::Result<Exit> {
    anyhow::bail!("`tidemill {command}` is not built yet")
}

/// Runs a command that waits for things.
fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the runtime does not start")?.block_on(command)
}
