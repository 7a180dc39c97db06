//! The section: one table of the configuration, and the settings that may stand in it.
//!
//! A setting is declared once, where it is read: name, kind, default and meaning. Reading notes the declarations, so
//! the same line gives parsing, the search for misspelt names, the reference in `docs/configuration.md` and the schema for editors.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    kinds::Kind,
    problem::{Problems, did_you_mean, one_of},
    reference,
};

/// A setting as it is declared, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What may stand there.
    pub(super) expects: String,
    /// The same as JSON Schema; null for a name that is no setting.
    pub(super) schema: serde_json::Value,
    /// The default as it would be written; none if it is required or simply absent.
    pub(super) default: Option<&'static str>,
    pub(super) required: bool,
    pub(super) doc: &'static str,
}

/// What reading needs besides the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    /// The directory of the file: relative paths begin there.
    pub(super) directory: &'a Path,
    pub(super) problems: &'a Problems,
}

/// A table while it is read.
pub(super) struct Section<'a> {
    /// Where it stands, as in `feeds.orders`; empty for the whole file.
    path: String,
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    reading: Reading<'a>,
    declared: Vec<Described>,
}

impl<'a> Section<'a> {
    /// A table that is there.
    pub(super) fn new(path: String, table: &'a Spanned<DeTable<'a>>, reading: Reading<'a>) -> Self {
        let span = table.span();
        Self { path, table: Some(table.get_ref()), span, reading, declared: Vec::new() }
    }

    /// A table that nobody wrote: every setting has its default.
    pub(super) fn absent(path: String, span: Range<usize>, reading: Reading<'a>) -> Self {
        Self { path, table: None, span, reading, declared: Vec::new() }
    }

    /// A table that must be one, from a value.
    pub(super) fn of(path: String, value: &'a Spanned<DeValue<'a>>, reading: Reading<'a>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            reading.problems.add(
                value.span(),
                format!("`{path}` must be a table, not {}", reference::found(value.get_ref())),
                format!("write its settings under a heading `[{path}]`"),
            );
            return None;
        };
        Some(Self { path, table: Some(table), span: value.span(), reading, declared: Vec::new() })
    }

    /// A setting that must be there.
    pub(super) fn required<K: Kind>(&mut self, name: &'static str, kind: &K, doc: &'static str) -> Option<K::Out> {
        self.declare(name, kind, None, true, doc);
        let Some((_, value)) = self.entry(name) else {
            let hint = format!("add `{name} = …`: {}", kind.expects());
            self.reading.problems.add(self.span.clone(), format!("{} has no `{name}`", self.title()), hint);
            return None;
        };
        kind.read(name, value, self.reading)
    }

    /// A setting that may be left out.
    pub(super) fn optional<K: Kind>(&mut self, name: &'static str, kind: &K, doc: &'static str) -> Option<K::Out> {
        self.declare(name, kind, None, false, doc);
        let (_, value) = self.entry(name)?;
        kind.read(name, value, self.reading)
    }

    /// A setting with a default, which is written as it would be in the file. After a problem the default is given.
    pub(super) fn setting<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
        default: &'static str,
        doc: &'static str,
    ) -> K::Out {
        self.declare(name, kind, Some(default), false, doc);
        if let Some((_, value)) = self.entry(name)
            && let Some(read) = kind.read(name, value, self.reading)
        {
            return read;
        }
        let value = DeValue::parse(default).expect("defaults are TOML values; a test reads them all");
        kind.read(name, &value, self.reading).expect("defaults are within their bounds; a test reads them all")
    }

    /// A table within this one, with settings of its own.
    pub(super) fn table(&mut self, name: &'static str) -> Option<Section<'a>> {
        let path = self.path_of(name);
        self.known(name);
        match self.entry(name) {
            Some((_, value)) => Section::of(path, value, self.reading),
            None => Some(Section::absent(path, self.span.clone(), self.reading)),
        }
    }

    /// The entries of a table within this one, whose names the user chooses; `heading` is how they are written.
    pub(super) fn entries(
        &mut self,
        name: &'static str,
        heading: &str,
    ) -> Vec<(&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        self.known(name);
        let Some((_, value)) = self.entry(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            let path = self.path_of(name);
            self.reading.problems.add(
                value.span(),
                format!("`{path}` must be a table, not {}", reference::found(value.get_ref())),
                format!("write its entries under `{heading}`"),
            );
            return Vec::new();
        };
        table.iter().collect()
    }

    /// A list of tables within this one, each with settings of its own; `heading` is how one is written.
    pub(super) fn tables(&mut self, name: &'static str, heading: &str) -> Vec<Section<'a>> {
        let path = self.path_of(name);
        self.known(name);
        let Some((_, value)) = self.entry(name) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            let message = format!("`{path}` must be a list of tables, not {}", reference::found(value.get_ref()));
            self.reading.problems.add(value.span(), message, format!("write each under a heading `{heading}`"));
            return Vec::new();
        };
        list.iter().filter_map(|value| Section::of(path.clone(), value, self.reading)).collect()
    }

    /// A value within this one that is read by whoever asks.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known(name);
        self.entry(name).map(|(_, value)| value)
    }

    /// Where a setting stands, if somebody wrote it.
    pub(super) fn given(&self, name: &str) -> Option<Range<usize>> {
        self.entry(name).map(|(key, _)| key.span())
    }

    /// Where the value of a setting stands; the section itself if nobody wrote it.
    pub(super) fn place_of(&self, name: &str) -> Range<usize> {
        self.entry(name).map_or_else(|| self.span.clone(), |(_, value)| value.span())
    }

    /// Notes a problem.
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.reading.problems.add(span, message, hint.into());
    }

    /// Where it stands in the file, as a heading.
    pub(super) fn title(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path) }
    }

    /// Reports every name that was not declared, and gives the declarations.
    pub(super) fn finish(self) -> Vec<Described> {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if self.declared.iter().any(|setting| setting.name == name) {
                continue;
            }
            let hint = did_you_mean(name, self.declared.iter().map(|setting| setting.name))
                .or_else(|| reference::home_of(name).map(|home| format!("`{name}` belongs in {home}")))
                .unwrap_or_else(|| {
                    format!("there may be {}", one_of(self.declared.iter().map(|setting| setting.name)))
                });
            self.reading.problems.add(key.span(), format!("unknown setting `{name}` in {}", self.title()), hint);
        }
        self.declared
    }

    fn declare(
        &mut self,
        name: &'static str,
        kind: &impl Kind,
        default: Option<&'static str>,
        required: bool,
        doc: &'static str,
    ) {
        let (expects, schema) = (kind.expects(), kind.schema());
        self.declared.push(Described { name, expects, schema, default, required, doc });
    }

    /// A name that is known without being a setting.
    fn known(&mut self, name: &'static str) {
        let (expects, schema) = (String::new(), serde_json::Value::Null);
        self.declared.push(Described { name, expects, schema, default: None, required: false, doc: "" });
    }

    fn entry(&self, name: &str) -> Option<(&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        self.table?.iter().find(|(key, _)| key.get_ref().as_ref() == name)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
