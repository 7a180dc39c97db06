//! The differences between what a case says and what came of it.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use similar::{ChangeTag, TextDiff};
use tidemill_pipeline::Value;
use toml_edit::{InlineTable, Value as Toml};

use super::{Case, CaseFailure, CaseOutcome};
use crate::config::{ExpectedFailure, FailedAs};

/// One thing in which an outcome is not what its case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The case does not say what must come of its events.
    Incomplete,
    /// The state at the end is another one: each entry as a line, as the case's file would have it.
    State {
        /// What the case says.
        expected: Vec<String>,
        /// What came of it.
        actual: Vec<String>,
    },
    /// Another number of keys begins with a prefix.
    Count {
        /// The prefix.
        prefix: String,
        /// What the case says.
        expected: u64,
        /// What came of it.
        actual: u64,
    },
    /// Something else went wrong than the case says: each failure as a line.
    Failures {
        /// What the case says.
        expected: Vec<String>,
        /// What came of it.
        actual: Vec<String>,
    },
}

/// In what an outcome is not what its case says. Nothing if it is.
#[must_use]
pub fn compare(case: &Case, outcome: &CaseOutcome) -> Vec<Difference> {
    let file = &case.file;
    let mut differences = Vec::new();
    if file.after.is_none() && file.after_count.is_empty() && file.failures.is_empty() {
        differences.push(Difference::Incomplete);
        return differences;
    }
    let failures_agree = file.failures.len() == outcome.failures.len()
        && file.failures.iter().zip(&outcome.failures).all(|(expected, actual)| agrees(expected, actual));
    if !failures_agree {
        let expected = file.failures.iter().map(expected_line).collect();
        let actual = outcome.failures.iter().enumerate().map(|(place, actual)| {
            // What agrees is shown as it was expected, so that only the rest stands out.
            let expected = file.failures.get(place).filter(|expected| agrees(expected, actual));
            expected.map_or_else(|| actual_line(actual), expected_line)
        });
        differences.push(Difference::Failures { expected, actual: actual.collect() });
    }
    for (prefix, expected) in &file.after_count {
        let actual = outcome.after.keys().filter(|key| key.starts_with(prefix.as_str())).count() as u64;
        if actual != *expected {
            differences.push(Difference::Count { prefix: prefix.clone(), expected: *expected, actual });
        }
    }
    let listed = |state: &BTreeMap<String, Value>, wanted: Option<&BTreeMap<String, Value>>| -> Vec<String> {
        let counted = |key: &str| file.after_count.keys().any(|prefix| key.starts_with(prefix.as_str()));
        let said = |key: &str| wanted.is_some_and(|wanted| wanted.contains_key(key));
        state.iter().filter(|(key, _)| said(key) || !counted(key)).map(|(key, value)| entry_line(key, value)).collect()
    };
    // A case that says nothing of the state says that nothing changes.
    let wanted = file.after.as_ref().unwrap_or(&file.before);
    let (expected, actual) = (listed(wanted, file.after.as_ref()), listed(&outcome.after, file.after.as_ref()));
    if expected != actual {
        differences.push(Difference::State { expected, actual });
    }
    differences
}

/// Whether a failure is the one that a case speaks of.
pub(super) fn agrees(expected: &ExpectedFailure, actual: &CaseFailure) -> bool {
    let said = |text: &str| text.contains(&expected.reason);
    expected.kind == actual.kind
        && expected.event == actual.event
        && expected.after_ms.is_none_or(|after_ms| Some(after_ms) == actual.after_ms)
        && (said(&actual.reason) || actual.backtrace.as_deref().is_some_and(said))
}

/// A value as a case's file has it.
pub(super) fn toml_value(value: &Value) -> Toml {
    match value {
        // The parser of this crate writes long texts over several lines; a line for each entry is easier to compare.
        Value::Text(text) => one_line(text),
        Value::Bytes(bytes) => {
            let mut table = InlineTable::new();
            table.insert("base64", STANDARD.encode(bytes).into());
            Toml::InlineTable(table)
        }
    }
}

fn one_line(text: &str) -> Toml {
    let json = serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F");
    // A JSON string is a basic string of TOML.
    json.parse().unwrap_or_else(|_| text.into())
}

fn entry_line(key: &str, value: &Value) -> String {
    format!("{} = {}", one_line(key).to_string().trim(), toml_value(value).to_string().trim())
}

fn expected_line(expected: &ExpectedFailure) -> String {
    failure_line(expected.event, expected.kind, expected.after_ms, &expected.reason)
}

fn actual_line(actual: &CaseFailure) -> String {
    failure_line(actual.event, actual.kind, actual.after_ms, &actual.reason)
}

fn failure_line(event: Option<u64>, kind: FailedAs, after_ms: Option<u64>, reason: &str) -> String {
    let event = event.map(|event| format!("event {event} ")).unwrap_or_default();
    let after = after_ms.map(|after| format!(" after {after} ms")).unwrap_or_default();
    format!("{event}{}{after}: {reason}", kind.as_str())
}

impl Difference {
    /// What differs, as a title.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Incomplete => {
                "the case does not say what must come of its events\n  hint: add [after] or [[failures]], or accept what comes with `--update`".to_owned()
            }
            Self::State { .. } => "the state is another one".to_owned(),
            Self::Count { prefix, expected, actual } => {
                format!("{actual} keys begin with `{prefix}`, not {expected}")
            }
            Self::Failures { .. } => "other failures".to_owned(),
        }
    }

    /// The lines that differ, with those that do not around them.
    #[must_use]
    pub fn lines(&self) -> Vec<(ChangeTag, String)> {
        let (Self::State { expected, actual } | Self::Failures { expected, actual }) = self else { return Vec::new() };
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let actual: Vec<&str> = actual.iter().map(String::as_str).collect();
        let diff = TextDiff::from_slices(&expected, &actual);
        let groups = diff.grouped_ops(2);
        let changes = groups.iter().flatten().flat_map(|op| diff.iter_changes(op));
        changes.map(|change| (change.tag(), change.value().to_owned())).collect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())?;
        for (tag, line) in self.lines() {
            write!(f, "\n  {tag} {line}")?;
        }
        Ok(())
    }
}
