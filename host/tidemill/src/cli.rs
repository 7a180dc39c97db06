//! The command line: what may be typed. What the program makes of it stands in `commands`.

mod about;
mod bindings;
mod control;
mod dev;
mod feed;
mod new;
mod parked;
mod run;
mod replay;
mod state;
mod test;
mod verify;
mod words;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use about::{CompletionsArgs, ManArgs, SchemaArgs};
pub use bindings::{BindingsArgs, BindingsCommand, GoBindingsArgs};
pub use control::{PauseArgs, ResetArgs, ResumeArgs, Target};
pub use dev::{DevArgs, From};
pub use feed::{FeedCommand, ServeArgs, TailArgs};
pub use new::{Language, NewArgs};
pub use parked::{ParkedCommand, ParkedDropArgs, ParkedListArgs, ParkedOne, ParkedSome};
pub use replay::{RecordArgs, ReplayArgs, ReplayState, StretchArgs};
pub use run::{
    BackupArgs, CompileChildArgs, DemoArgs, InspectArgs, LogArgs, LogFormat, RestoreArgs, RunArgs, StatusArgs,
};
pub use state::{StateCommand, StateGetArgs, StatePartition, StateScanArgs};
pub use test::TestArgs;
pub use verify::VerifyArgs;

/// Runs event processors hosted in WebAssembly: pulls feeds, calls components, and commits state and cursor together.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES)]
#[command(after_long_help = FIRST_STEPS)]
pub struct Args {
    /// The configuration.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "tidemill.toml",
        env = "TIDEMILL_CONFIG",
        hide_env_values = true
    )]
    pub config: PathBuf,

    /// What is logged to standard error.
    #[command(flatten)]
    pub log: LogArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project: a processor in your language that builds, with cases and a configuration that runs.
    New(NewArgs),
    /// Run the processors of the configuration until stopped.
    Run(RunArgs),
    /// Develop: build what is edited, reload it while events flow, and see every batch.
    Dev(DevArgs),
    /// See it work, with nothing but this binary: a generated feed, a component, a reload while events flow.
    Demo(DemoArgs),
    /// Check the configuration and its components, and report everything that is wrong at once.
    ///
    /// No feed is asked, and a host that runs notices nothing: components are compiled into a directory of their own, which
    /// is removed. Ends with 2 if the configuration cannot be used, with 1 if only components do not load.
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Print what a component is, and what it can and cannot do.
    Inspect(InspectArgs),
    /// Write the contract, or bindings generated from it, for a processor's build.
    ///
    /// The contract is the one that this program embeds, so a processor is built for the program that runs it. Files that are
    /// there and equal are left alone, so a build may call it each time.
    #[command(subcommand)]
    Bindings(BindingsCommand),
    /// Run cases through the real engine: events, and what must come of them.
    Test(TestArgs),
    /// Show batch by batch what a processor would write for some events. Nothing is committed.
    Replay(ReplayArgs),
    /// Check that a processor's results depend on nothing but its events: not on instances, not on batches.
    Verify(VerifyArgs),
    /// Keep a stretch of a feed in a file, for cases and replays.
    Record(RecordArgs),
    /// Print where each processor stands.
    Status(StatusArgs),
    /// Read a processor's state.
    #[command(subcommand)]
    State(StateCommand),
    /// Publish a local file as a feed, or look at a feed.
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Look at the events that were put aside, and settle them.
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Pause a processor, or one of its partitions, after the batch that runs.
    Pause(PauseArgs),
    /// Let a paused or stopped processor, or one of its partitions, go on.
    Resume(ResumeArgs),
    /// Begin a processor anew, without its state; or move one partition, and leave the shared state as it is.
    Reset(ResetArgs),
    /// Copy the database into a file, while the host runs or not.
    Backup(BackupArgs),
    /// Put a backup in the place of the database. No host may run.
    Restore(RestoreArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Write manual pages, one for each command.
    Man(ManArgs),
    /// Print the JSON schema of the configuration, for editors.
    Schema(SchemaArgs),
    /// The bounded process that turns a module into compiled code.
    #[command(hide = true)]
    CompileChild(CompileChildArgs),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration";

const CHECK_EXAMPLES: &str = "\
Examples:
  tidemill check
  tidemill check --config production.toml";

const FIRST_STEPS: &str = "\
Examples:
  tidemill demo                          see it work
  tidemill new totals --lang python      begin a processor of your own
  tidemill feed serve events.ndjson      publish a file as a feed on this machine
  tidemill check                         is the configuration right?
  tidemill run                           run its processors
  tidemill status                        where do they stand?
  tidemill state scan totals             what have they computed?

Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration";

#[cfg(test)]
mod examples;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_command() {
        insta::assert_snapshot!(Args::command().term_width(100).render_help());
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_commands_of_the_documentation_are_understood() {
        for line in [
            "tidemill run --until-idle --log-format json --log-level debug",
            "tidemill run --accept-feed-change",
            "tidemill run --accept-feed-change orders --accept-feed-change users",
            "tidemill -c other.toml check",
            "tidemill check --config other.toml",
            "tidemill dev",
            "tidemill dev totals join --fresh",
            "tidemill dev totals --from last --json",
            "tidemill demo",
            "tidemill new payments --lang python",
            "tidemill new payments --lang typescript --path work/payments",
            "tidemill new payments --lang rust --here",
            "tidemill completions zsh",
            "tidemill man man",
            "tidemill schema",
            "tidemill inspect totals.wasm --json",
            "tidemill bindings c build/bindings",
            "tidemill bindings go internal/bindings --package example.com/totals/internal/bindings",
            "tidemill bindings wit wit",
            "tidemill status --json",
            "tidemill test cases --processor totals --filter large --junit report.xml",
            "tidemill inspect totals.wasm --events case.ndjson --kind-of /type --processor totals",
            "tidemill replay totals --events case.ndjson --state current --json",
            "tidemill replay totals --feed orders --partition 0 --from 79:3 --payload 0123456789ab --state current",
            "tidemill replay totals --feed orders --from first -n 10 --event 3",
            "tidemill replay totals --parked 3",
            "tidemill verify totals --feed orders --partition 0 --from 79:3 -n 500 --state current",
            "tidemill verify totals --events case.ndjson --component build/totals.wasm --json",
            "tidemill record orders --partition 0 --from 1002 --events 100 -o case.ndjson",
            "tidemill test cases more/one.toml --component totals.wasm --update --json",
            "tidemill state get totals total/ada",
            "tidemill state scan totals --prefix total/ --json --feed orders --partition 0",
            "tidemill feed serve events.ndjson --partitions 3 --key user --listen 127.0.0.1:0",
            "tidemill feed tail orders --partition 2 --from 1002 -n 5",
            "tidemill feed tail orders --from last",
            "tidemill parked list --json",
            "tidemill parked show totals 3",
            "tidemill parked retry totals 3 4",
            "tidemill parked drop totals --all",
            "tidemill parked drop totals --all --yes",
            "tidemill pause totals",
            "tidemill resume totals --feed orders --partition 2 --skip",
            "tidemill resume totals --park",
            "tidemill reset totals --yes",
            "tidemill reset totals --feed orders --partition 2 --to 1002",
            "tidemill backup copy.db",
            "tidemill restore copy.db --force",
        ] {
            if let Err(error) = parse(line) {
                panic!("`{line}`: {error}");
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_code_for_wrong_usage() {
        for line in [
            "tidemill",
            "tidemill rum",
            "tidemill new payments",
            "tidemill new payments --lang cobol",
            "tidemill new payments --lang c --here --path work",
            "tidemill completions cmd",
            "tidemill resume totals --park --skip",
            "tidemill reset totals --to 1002",
            "tidemill reset totals --feed orders",
            "tidemill reset Totals!",
            "tidemill bindings cobol build",
            "tidemill bindings go build --exports example.com/totals/internal",
            "tidemill bindings go build --package to\"tals",
            "tidemill parked retry totals",
            "tidemill parked retry totals 3 --all",
            "tidemill feed serve events.ndjson --partitions 0",
            "tidemill feed tail orders --from _first\u{7}",
            "tidemill replay totals",
            "tidemill replay totals --events case.ndjson --parked 3",
            "tidemill replay totals --parked 3 --event 1",
            "tidemill record orders -o case.ndjson",
            "tidemill state get totals key --feed orders",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
