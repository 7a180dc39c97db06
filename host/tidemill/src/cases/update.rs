//! The update: what came of a case, written into its file as what must come from now on.

use std::collections::BTreeMap;

use tidemill_pipeline::Value;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value as Toml, value};

use super::{
    Case, CaseFailure, CaseOutcome,
    differences::{agrees, toml_value},
};

/// The text of a case's file with what came of it. Comments, order and everything else stay as they are.
///
/// # Errors
/// When the text is not TOML any more.
pub fn updated(case: &Case, text: &str, outcome: &CaseOutcome) -> Result<String, toml_edit::TomlError> {
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
    Ok(document.to_string())
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
        document.insert("failures", Item::ArrayOfTables(ArrayOfTables::new()));
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
