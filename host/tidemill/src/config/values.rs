//! What a component may read: names and values of the user's own choosing, as text.

use std::{collections::BTreeMap, fmt, ops::Range};

use tidemill_pipeline::Digest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::section::Section;

/// The most bytes of names and values together. Each instance may copy all of it.
const BYTES_MAX: usize = 1024 * 1024;

/// What a component may read, by name. Its `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ComponentConfig(BTreeMap<String, String>);

type Wrong = (Range<usize>, String, &'static str);

impl ComponentConfig {
    /// Names and values, ordered by name.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The digest of names and values: equal for equal settings, however they are written and ordered.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut canonical = Vec::new();
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            canonical.extend_from_slice(&(text.len() as u64).to_be_bytes());
            canonical.extend_from_slice(text.as_bytes());
        }
        Digest::of(&canonical)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut config = Self::default();
        let mut problems = Vec::new();
        for (key, value) in section.entries("config", "[processors.NAME.config]") {
            config.add(key.get_ref(), key.span(), value, &mut problems);
        }
        for (span, message, hint) in problems {
            section.problem(span, message, hint);
        }
        if config.0.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > BYTES_MAX {
            section.problem(section.place_of("config"), "`config` has more than 1MiB", "put large data into an event");
        }
        config
    }

    fn add(&mut self, name: &str, key: Range<usize>, value: &Spanned<DeValue<'_>>, problems: &mut Vec<Wrong>) {
        if let Some(table) = value.get_ref().as_table() {
            for (inner, value) in table {
                self.add(&format!("{name}.{}", inner.get_ref()), inner.span(), value, problems);
            }
            return;
        }
        match text(value.get_ref()) {
            Some(text) => {
                if self.0.insert(name.to_owned(), text).is_some() {
                    problems.push((
                        key,
                        format!("`{name}` stands in `config` twice"),
                        "a table's entries are named `table.entry`",
                    ));
                }
            }
            None => problems.push((
                value.span(),
                format!("`{name}` in `config` is a number that does not fit into 64 bits"),
                "write it as text",
            )),
        }
    }
}

impl fmt::Debug for ComponentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A value as text; none if it is a number out of range.
fn text(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => json(value)?.to_string(),
    })
}

/// A value, and what is in it, as JSON. What JSON cannot say (times, infinities) is text.
pub(super) fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::Array(list) => list.iter().map(|element| json(element.get_ref())).collect::<Option<Vec<_>>>()?.into(),
        DeValue::Table(table) => serde_json::Value::Object(object(table)?),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        DeValue::Float(number) => {
            let float: f64 = number.as_str().parse().ok()?;
            if float.is_finite() { float.into() } else { number.as_str().into() }
        }
        DeValue::Boolean(yes) => (*yes).into(),
        DeValue::String(_) | DeValue::Datetime(_) => text(value)?.into(),
    })
}

fn object(table: &DeTable<'_>) -> Option<serde_json::Map<String, serde_json::Value>> {
    table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?))).collect()
}
