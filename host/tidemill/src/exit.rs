//! How a command ends: its exit code, and what it says about an error.

use std::process::ExitCode;

use crate::config::ConfigError;

/// How a command ended, if no error ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done: 0.
    Done,
    /// Something was not as it should be, and it was said: 1.
    Failed,
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

/// The error and its causes. Configuration errors already begin with their places.
fn sentence(error: &anyhow::Error) -> String {
    if error.is::<ConfigError>() { error.to_string() } else { format!("error: {error:#}") }
}
