//! Kinds of values: what may stand behind a setting's name, and what it means.

use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use serde_json::{Value as Json, json};
use toml::{Spanned, de::DeValue};

use super::{
    problem::{did_you_mean, one_of},
    reference::{count, found, size},
    section::Reading,
};

/// What may stand behind a setting's name.
pub(super) trait Kind {
    /// What the program uses.
    type Out;

    /// What may stand there, as in "a size from 1KiB to 1GiB".
    fn expects(&self) -> String;

    /// What may stand there, as JSON Schema, for editors. What it cannot say, such as the bounds of a size with a unit, it leaves open.
    fn schema(&self) -> Json;

    /// The value. None after a problem, which is noted.
    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<Self::Out>;

    /// Notes that something else stands there.
    fn mismatch<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        reading: Reading<'_>,
        hint: impl Into<Option<String>>,
    ) -> Option<T> {
        let message = format!("`{name}` must be {}, not {}", self.expects(), found(value.get_ref()));
        reading.problems.add(value.span(), message, hint);
        None
    }

    /// The same where what stands there may be a secret: it is not repeated.
    fn secret_mismatch<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        reading: Reading<'_>,
        hint: impl Into<Option<String>>,
    ) -> Option<T> {
        reading.problems.add(value.span(), format!("`{name}` must be {}", self.expects()), hint);
        None
    }
}

/// How a size with a unit looks. The units are those of [`ByteSize`], in any case.
const SIZE: &str = r"^[0-9.]+ *([bB]|[kKmMgGtTpPeE][iI]?[bB]?)?$";

/// How a duration looks: numbers, each with a unit.
const DURATION: &str = r"^ *([0-9]+(\.[0-9]+)? *[A-Za-zµ]+ *)+$";

/// A number of bytes: text with a unit, or a plain number.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Kind for Size {
    type Out = usize;

    fn expects(&self) -> String {
        format!("a size from {} to {}", size(*self.0.start()), size(*self.0.end()))
    }

    fn schema(&self) -> Json {
        let text = json!({ "type": "string", "pattern": SIZE });
        json!({ "anyOf": [{ "type": "integer", "minimum": self.0.start(), "maximum": self.0.end() }, text] })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<usize> {
        let bytes = match value.get_ref() {
            DeValue::String(text) => text.parse::<ByteSize>().ok().map(|size| size.as_u64()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => whole(value.get_ref()),
        };
        match bytes.filter(|bytes| self.0.contains(bytes)).and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) => Some(bytes),
            None if bytes.is_some() => self.mismatch(name, value, reading, None),
            None => self.mismatch(
                name,
                value,
                reading,
                "write a size as \"64KiB\", \"1MiB\" or a number of bytes".to_owned(),
            ),
        }
    }
}

/// A length of time: text with a unit.
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

impl Kind for Time {
    type Out = Duration;

    fn expects(&self) -> String {
        let text = humantime::format_duration;
        format!("a duration from {} to {}", text(*self.0.start()), text(*self.0.end()))
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": DURATION })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<Duration> {
        if let Some(number) = whole(value.get_ref()) {
            return self.mismatch(name, value, reading, format!("add a unit: \"{number}s\" or \"{number}ms\""));
        }
        let Some(time) = value.get_ref().as_str().and_then(|text| humantime::parse_duration(text).ok()) else {
            return self.mismatch(name, value, reading, "write a duration as \"250ms\", \"30s\" or \"5m\"".to_owned());
        };
        if self.0.contains(&time) { Some(time) } else { self.mismatch(name, value, reading, None) }
    }
}

/// A whole number.
pub(super) struct Count(pub(super) RangeInclusive<u64>);

impl Kind for Count {
    type Out = u64;

    fn expects(&self) -> String {
        format!("a whole number from {} to {}", count(*self.0.start()), count(*self.0.end()))
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": self.0.start(), "maximum": self.0.end() })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<u64> {
        match whole(value.get_ref()).filter(|number| self.0.contains(number)) {
            Some(number) => Some(number),
            None => self.mismatch(name, value, reading, None),
        }
    }
}

/// One of some words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Clone> Kind for Choice<T> {
    type Out = T;

    fn expects(&self) -> String {
        one_of(self.0.iter().map(|(word, _)| *word))
    }

    fn schema(&self) -> Json {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        json!({ "enum": words })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else { return self.mismatch(name, value, reading, None) };
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Some(choice.clone()),
            None => self.mismatch(name, value, reading, did_you_mean(text, self.0.iter().map(|(word, _)| *word))),
        }
    }
}

/// A file or directory, resolved against the directory of the configuration.
pub(super) struct File;

impl Kind for File {
    type Out = PathBuf;

    fn expects(&self) -> String {
        "a path, relative to this file".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<PathBuf> {
        match value.get_ref().as_str() {
            Some(path) if !path.is_empty() => Some(reading.directory.join(path)),
            _ => self.mismatch(name, value, reading, None),
        }
    }
}

/// Files or directories, resolved against the directory of the configuration; at least one.
pub(super) struct Paths;

impl Kind for Paths {
    type Out = Vec<PathBuf>;

    fn expects(&self) -> String {
        "a list of paths, relative to this file".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "minItems": 1, "items": File.schema() })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<Self::Out> {
        let paths = Words("paths, relative to this file").read(name, value, reading)?;
        if paths.is_empty() {
            return self.mismatch(name, value, reading, "leave it out to watch the directory of this file".to_owned());
        }
        Some(paths.iter().map(|path| reading.directory.join(path.get_ref())).collect())
    }
}

/// Text with something in it.
pub(super) struct Line;

impl Kind for Line {
    type Out = String;

    fn expects(&self) -> String {
        "a command, as text".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": r"\S" })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            _ => self.mismatch(name, value, reading, None),
        }
    }
}

/// A place in a JSON document, as RFC 6901 writes it.
pub(super) struct Pointer;

impl Kind for Pointer {
    type Out = String;

    fn expects(&self) -> String {
        "a JSON pointer, such as \"/user\" or \"/order/id\"".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^(/([^~/]|~[01])*)+$" })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<String> {
        let Some(text) = value.get_ref().as_str() else { return self.mismatch(name, value, reading, None) };
        let escapes = text.split('~').skip(1).all(|escaped| escaped.starts_with(['0', '1']));
        if text.starts_with('/') && escapes {
            return Some(text.to_owned());
        }
        let hint = (!text.starts_with('/')).then(|| format!("write `{name} = \"/{text}\"`"));
        self.mismatch(name, value, reading, hint)
    }
}

/// A list of texts, each with its place, so that what is checked later can be shown.
pub(super) struct Words(pub(super) &'static str);

impl Kind for Words {
    type Out = Vec<Spanned<String>>;

    fn expects(&self) -> String {
        format!("a list of {}", self.0)
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<Self::Out> {
        let Some(list) = value.get_ref().as_array() else {
            let hint = value.get_ref().as_str().map(|text| format!("write `{name} = [{text:?}]`"));
            return self.mismatch(name, value, reading, hint);
        };
        let word = |element: &Spanned<DeValue<'_>>| match element.get_ref().as_str() {
            Some(text) if !text.is_empty() => Some(Spanned::new(element.span(), text.to_owned())),
            _ => self.mismatch(name, element, reading, None),
        };
        Some(list.iter().filter_map(word).collect())
    }
}

/// Headers that every request carries. Their values are never shown.
pub(super) struct Headers;

impl Kind for Headers {
    type Out = BTreeMap<String, String>;

    fn expects(&self) -> String {
        "a table of header names and texts".to_owned()
    }

    fn schema(&self) -> Json {
        let name = json!({ "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" });
        json!({ "type": "object", "propertyNames": name, "additionalProperties": { "type": "string", "pattern": "^[ -~]*$" } })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<Self::Out> {
        let Some(table) = value.get_ref().as_table() else {
            let hint = "write `{ name = \"text\" }`".to_owned();
            return self.secret_mismatch(name, value, reading, hint);
        };
        let mut headers = BTreeMap::new();
        for (key, value) in table {
            let header = key.get_ref().as_ref();
            if !is_token(header) {
                reading.problems.add(key.span(), format!("`{header}` in `{name}` is not a header's name"), None);
            }
            match value.get_ref().as_str() {
                Some(text) if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                    headers.insert(header.to_owned(), text.to_owned());
                }
                _ => reading.problems.add(
                    value.span(),
                    format!("the value of `{header}` in `{name}` must be text of printable ASCII"),
                    None,
                ),
            }
        }
        Some(headers)
    }
}

/// Where a secret comes from. It never stands in the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host.
    Env(String),
    /// A file, read again when the publisher refuses the secret; white space at its end is left out.
    File(PathBuf),
}

/// A secret: `{ env = "NAME" }` or `{ file = "PATH" }`.
pub(super) struct Secret;

impl Kind for Secret {
    type Out = SecretSource;

    fn expects(&self) -> String {
        "`{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned()
    }

    fn schema(&self) -> Json {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": { "env": text, "file": text },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<SecretSource> {
        let Some(table) = value.get_ref().as_table() else {
            let hint = "a secret does not belong in this file: put it in an environment variable or a file".to_owned();
            return self.secret_mismatch(name, value, reading, hint);
        };
        let entries: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref().as_str())).collect();
        match entries.as_slice() {
            [("env", Some(variable))] if !variable.is_empty() => Some(SecretSource::Env((*variable).to_owned())),
            [("file", Some(path))] if !path.is_empty() => Some(SecretSource::File(reading.directory.join(path))),
            _ => {
                let message = format!("`{name}` must have exactly one of `env` and `file`, with a text");
                reading.problems.add(value.span(), message, format!("write {}", self.expects()));
                None
            }
        }
    }
}

/// A whole number that is not negative.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A header's name as HTTP defines it.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
