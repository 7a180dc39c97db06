//! The consent: what cannot be undone is asked of whoever sits at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::exit::Misuse;

/// Asks. Whether it was agreed to; if not, that is said.
///
/// # Errors
/// When there is no terminal to ask at.
pub(super) fn agreed(question: &str) -> anyhow::Result<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let message = format!("this cannot be undone, and there is no terminal to ask at: {question}");
        return Err(Misuse { message, hint: "say `--yes` if it is meant".to_owned() }.into());
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !yes {
        writeln!(stderr, "Nothing was changed.")?;
    }
    Ok(yes)
}
