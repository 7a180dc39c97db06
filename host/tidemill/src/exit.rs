//! How a command ends: its exit code, and what it says about an error.

use std::process::ExitCode;

use tidemill_pipeline::Failure;

use crate::config::ConfigError;

/// How a command ended, if no error ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done: 0.
    Done,
    /// Something was not as it should be, and it was said: 1.
    Failed,
    /// The configuration cannot be used as it is, and it was said: 2.
    Misconfigured,
}

/// Something was typed that cannot be meant: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}\n  hint: {hint}")]
pub struct Misuse {
    /// What is wrong, as a sentence without a final full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Exit {
    /// The code of a command's result, after its error was printed.
    #[must_use]
    pub fn report(result: &anyhow::Result<Self>) -> ExitCode {
        match result {
            Ok(Self::Done) => ExitCode::SUCCESS,
            Ok(Self::Failed) => ExitCode::from(1),
            Ok(Self::Misconfigured) => ExitCode::from(2),
            Err(error) if is_broken_pipe(error) => ExitCode::SUCCESS,
            Err(error) => {
                crate::output::complain(&sentence(error));
                ExitCode::from(if is_misuse(error) { 2 } else { 1 })
            }
        }
    }
}

/// Whoever reads our output has had enough (`| head`): nothing is wrong.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn is_misuse(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>() || error.is::<Misuse>()
}

/// What a person can do about an error: the hint of the first of its causes that has one.
#[must_use]
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.hint.as_deref())
}

/// An error with its causes, and below it what a person can do about it.
#[must_use]
pub fn with_hint(error: &anyhow::Error) -> String {
    let hint = hint(error).map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{error:#}{hint}")
}

/// The error, its causes, and the hint where one of them has one. Configuration errors already begin with their places.
fn sentence(error: &anyhow::Error) -> String {
    if error.is::<ConfigError>() {
        return error.to_string();
    }
    // What a publisher, a component or a file says may be a part of it.
    crate::output::safe(&format!("error: {}", with_hint(error))).into_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use tidemill_pipeline::Stage;

    use super::*;

    #[test]
    fn the_hint_of_a_failure_is_said_whatever_is_said_around_it() {
        let failure = Failure::broken(Stage::Load, "there is no database").hint("make one");
        let error = Err::<(), _>(failure).context("the state cannot be read").unwrap_err();
        assert_eq!(sentence(&error), "error: the state cannot be read: there is no database\n  hint: make one");
        assert_eq!(sentence(&anyhow::anyhow!("it says \u{1b}[2J")), "error: it says \\u{1b}[2J");
    }
}
