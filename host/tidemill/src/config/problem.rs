//! Problems: what is wrong with a configuration, each with its place and what to do about it.

use std::{
    cell::RefCell,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// Everything that is wrong with a configuration file. Never holds a secret: values of headers and tokens are not quoted.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file as it was named.
    pub path: PathBuf,
    /// In the order in which they stand in the file; at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, both from 1. None if it concerns the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong, as a sentence without a final full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ConfigError {
    /// A file that could not be read at all.
    pub(super) fn unreadable(path: &Path, message: String, hint: impl Into<String>) -> Self {
        let problem = Problem { place: None, message, hint: Some(hint.into()) };
        Self { path: path.to_owned(), problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.path.display())?;
            if let Some((line, column)) = problem.place {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Where problems are gathered while the file is read. Reading goes on after each, so that all are found at once.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Noted>>);

/// Where in the text, what is wrong, and a hint.
type Noted = (Range<usize>, String, Option<String>);

impl Problems {
    pub(super) fn add(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.0.borrow_mut().push((span, message.into(), hint.into()));
    }

    /// The problems by their places in the text; none if there are none.
    pub(super) fn locate(self, path: &Path, text: &str) -> Option<ConfigError> {
        let mut found = self.0.into_inner();
        found.sort_by_key(|(span, ..)| span.start);
        found.dedup();
        let problems: Vec<_> = found
            .into_iter()
            .map(|(span, message, hint)| Problem { place: Some(line_and_column(text, span.start)), message, hint })
            .collect();
        (!problems.is_empty()).then(|| ConfigError { path: path.to_owned(), problems })
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// "did you mean `x`?", if one of the words is near what was written.
pub(super) fn did_you_mean<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let written = plain(written);
    words
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(&written, &plain(word)), word))
        .filter(|(nearness, _)| *nearness >= 0.6)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

/// "`a`, `b` or `c`".
pub(super) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
