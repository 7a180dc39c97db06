//! The update: what came of a case, written into its file as what must come from now on.

use std::collections::BTreeMap;

use tidemill_pipeline::Value;
use toml_edit::{DocumentMut, Item, Table, Value as Toml, value};

use super::{
    Case, CaseFailure, CaseOutcome,
    differences::{agrees, toml_value},
};
use crate::config::FailedAs;

/// The text of a case's file with what came of it. Comments, order and everything else stay as they are.
///
/// # Errors
/// When the text is not TOML any more, or the host could not do its part: that is nothing to be expected.
pub fn updated(case: &Case, text: &str, outcome: &CaseOutcome) -> anyhow::Result<String> {
    if let Some(broken) = outcome.failures.iter().find(|failure| failure.kind == FailedAs::Broken) {
        anyhow::bail!(
            "what came of it cannot be accepted: {}\n  hint: no case can expect that; raise the limit in the case's [limits], or repair the component",
            broken.reason
        );
    }
    let mut document: DocumentMut = text.parse()?;
    for (prefix, count) in &case.file.after_count {
        let actual = outcome.after.keys().filter(|key| key.starts_with(prefix.as_str())).count() as u64;
        if let Some(item) = document.get_mut("after-count").and_then(|table| table.get_mut(prefix))
            && actual != *count
        {
            replace(item, i64::try_from(actual).unwrap_or(i64::MAX).into());
        }
    }
    let unchanged = case.file.after.is_none() && outcome.after == case.file.before && !outcome.failures.is_empty();
    if !unchanged {
        let counted = |key: &str| case.file.after_count.keys().any(|prefix| key.starts_with(prefix.as_str()));
        let said = |key: &str| case.file.after.as_ref().is_some_and(|after| after.contains_key(key));
        let after = outcome.after.iter().filter(|(key, _)| said(key) || !counted(key)).collect();
        state(&mut document, &after);
    }
    failures(&mut document, case, &outcome.failures);
    Ok(with_line_ends_of(text, document.to_string()))
}

/// The lines that were added or written anew end as those that were there: the editor's `\r\n` stays, everywhere.
fn with_line_ends_of(text: &str, updated: String) -> String {
    let ends = text.matches('\n').count();
    if ends > 0 && text.matches("\r\n").count() == ends {
        return updated.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    updated
}

fn state(document: &mut DocumentMut, after: &BTreeMap<&String, &Value>) {
    if document.get("after").is_none_or(|item| !item.is_table_like()) {
        document.insert("after", Item::Table(Table::new()));
    }
    let Some(table) = document.get_mut("after").and_then(Item::as_table_like_mut) else { return };
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key.to_owned()).filter(|key| !after.contains_key(key)).collect();
    for key in &gone {
        table.remove(key);
    }
    for (key, wanted) in after {
        let wanted = toml_value(wanted);
        match table.get_mut(key) {
            Some(item) if same(item, &wanted) => {}
            Some(item) => replace(item, wanted),
            None => drop(table.insert(key, value(wanted))),
        }
    }
}

/// Whether a value is there already, however it is written.
fn same(item: &Item, wanted: &Toml) -> bool {
    match (item.as_str(), wanted.as_str()) {
        (Some(there), Some(wanted)) => there == wanted,
        (None, None) => {
            let bytes = |text: Option<&Item>| text.and_then(Item::as_str).map(str::to_owned);
            let wanted = wanted.as_inline_table().and_then(|table| table.get("base64")).and_then(Toml::as_str);
            bytes(item.get("base64")).as_deref() == wanted && wanted.is_some()
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Another value in the same place, with the comments around it.
fn replace(item: &mut Item, wanted: Toml) {
    let decor = item.as_value().map(|value| value.decor().clone());
    let mut wanted = wanted;
    if let Some(decor) = decor {
        *wanted.decor_mut() = decor;
    }
    *item = Item::Value(wanted);
}

fn failures(document: &mut DocumentMut, case: &Case, failures: &[CaseFailure]) {
    if failures.is_empty() {
        document.remove("failures");
        return;
    }
    if document.get("failures").is_none_or(|item| !item.is_array_of_tables()) {
        // Perhaps it is `failures = [{ … }]`: what was said there stays, a table each.
        let said = document.remove("failures").and_then(|item| item.into_array_of_tables().ok());
        document.insert("failures", Item::ArrayOfTables(said.unwrap_or_default()));
    }
    let Some(tables) = document.get_mut("failures").and_then(Item::as_array_of_tables_mut) else { return };
    while tables.len() > failures.len() {
        tables.remove(tables.len() - 1);
    }
    for (place, failure) in failures.iter().enumerate() {
        if case.file.failures.get(place).is_some_and(|expected| agrees(expected, failure)) {
            // What was said of it still holds, perhaps on purpose with a piece of the reason only.
            continue;
        }
        if tables.get(place).is_none() {
            tables.push(Table::new());
        }
        let Some(table) = tables.get_mut(place) else { continue };
        set(table, "event", failure.event.map(|event| i64::try_from(event).unwrap_or(i64::MAX).into()));
        set(table, "kind", Some(failure.kind.as_str().into()));
        set(table, "reason", Some(failure.reason.lines().next().unwrap_or_default().into()));
        set(table, "after-ms", failure.after_ms.map(|after| i64::try_from(after).unwrap_or(i64::MAX).into()));
    }
}

fn set(table: &mut Table, name: &str, wanted: Option<Toml>) {
    match (wanted, table.get_mut(name)) {
        (Some(wanted), Some(item)) => replace(item, wanted),
        (Some(wanted), None) => drop(table.insert(name, value(wanted))),
        (None, _) => drop(table.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::CaseFile;

    fn case(text: &str) -> Case {
        let path = Path::new("case.toml");
        let file = CaseFile::parse(path, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Case { name: "case".to_owned(), path: path.to_owned(), file, spans: Vec::new() }
    }

    fn failure(event: u64, reason: &str) -> CaseFailure {
        CaseFailure {
            event: Some(event),
            kind: FailedAs::Rejected,
            cause: "rejected".to_owned(),
            reason: reason.to_owned(),
            after_ms: None,
            backtrace: None,
        }
    }

    fn outcome(after: &[(&str, &str)], failures: &[CaseFailure]) -> CaseOutcome {
        let after = after.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        CaseOutcome { after, failures: failures.to_vec(), ..CaseOutcome::default() }
    }

    /// Writes an outcome into a text, and holds that the text says it then.
    #[track_caller]
    fn accepted(text: &str, outcome: &CaseOutcome) -> String {
        let updated = updated(&case(text), text, outcome).unwrap();
        assert_eq!(crate::cases::compare(&case(&updated), outcome), [], "{updated}");
        updated
    }

    #[test]
    fn what_was_said_of_a_failure_and_still_holds_stays_however_it_is_written() {
        let found = [failure(1, "not a payment: x"), failure(3, "too much")];
        let inline = "events = \"x\"\nfailures = [{ event = 1, kind = \"rejected\", reason = \"payment\" }, { event = 2, kind = \"rejected\" }]\n";
        let tables = "events = \"x\"\n\n# Why.\n[[failures]]\nevent = 1 # the first\nkind = \"rejected\"\nreason = \"payment\"\n";
        for text in [inline, tables] {
            let updated = accepted(text, &outcome(&[], &found));
            assert!(updated.contains("reason = \"payment\"") && updated.contains("reason = \"too much\""), "{updated}");
        }
        assert!(accepted(tables, &outcome(&[], &found)).starts_with(tables));
    }

    #[test]
    fn a_state_is_updated_in_place_however_it_is_written() {
        for text in [
            "events = \"x\"\nafter = { a = \"1\", b = \"2\" } # both\n",
            "events = \"x\"\nafter.a = \"1\" # the first\nafter.b = \"2\"\n",
            "events = \"x\"\n[after]\n# Why.\na = \"1\"\nb.base64 = \"AA==\" # both\n",
            "events = \"x\"\n[after]\na = \"1\" # the first\n[after.b]\nbase64 = \"AA==\"\n",
        ] {
            let updated = accepted(text, &outcome(&[("a", "1"), ("b", "3"), ("c/\u{7f}\n", "4")], &[]));
            assert!(updated.contains('#') && !updated.contains("AA=="), "{updated}");
            // A second time changes nothing.
            assert_eq!(accepted(&updated, &outcome(&[("a", "1"), ("b", "3"), ("c/\u{7f}\n", "4")], &[])), updated);
        }
    }

    #[test]
    fn the_ends_of_lines_stay_those_of_the_editor() {
        let text = "events = \"x\"\r\n\r\n[after]\r\n# Why.\r\na = \"1\"\r\n";
        let updated = accepted(text, &outcome(&[("a", "2"), ("b", "3")], &[failure(1, "no")]));
        assert_eq!(updated.matches('\n').count(), updated.matches("\r\n").count(), "{updated:?}");
        assert!(updated.contains("# Why.\r\na = \"2\"\r\n"), "{updated:?}");
    }

    #[test]
    fn what_no_case_can_say_is_not_written_into_one() {
        let text = "events = \"x\"\n";
        let broken = CaseFailure { event: None, kind: FailedAs::Broken, ..failure(1, "a call took too long") };
        let error = updated(&case(text), text, &outcome(&[], &[broken])).unwrap_err().to_string();
        assert!(error.contains("a call took too long") && error.contains("hint: "), "{error}");
    }
}
