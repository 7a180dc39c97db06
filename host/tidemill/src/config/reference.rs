//! The reference: every setting with its meaning, from the declarations themselves.

use std::{fmt::Write as _, path::Path};

use toml::de::DeValue;

use super::{
    feed::FeedConfig,
    problem::Problems,
    processor::{Limits, ProcessorConfig},
    quotas::Quotas,
    read_host,
    section::{Described, Reading, Section},
};

/// `docs/configuration.md`, between its introduction and its end.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for (title, about, settings) in sections() {
        write!(text, "\n## {title}\n\n{about}\n").expect("writing to a string");
        if settings.iter().any(|setting| !setting.doc.is_empty()) {
            text.push_str("\n| setting | value | default | meaning |\n|---|---|---|---|\n");
        }
        for Described { name, expects, default, required, doc, .. } in settings {
            if doc.is_empty() {
                continue;
            }
            let default = match default {
                Some(default) => format!("`{default}`"),
                None if required => "required".to_owned(),
                None => "none".to_owned(),
            };
            writeln!(text, "| `{name}` | {} | {default} | {doc} |", expects.replace('|', "\\|"))
                .expect("writing to a string");
        }
    }
    text
}

const INTRODUCTION: &str = "\
# The configuration

<!-- Generated from the declarations in host/tidemill/src/config; `UPDATE=1 cargo test -p tidemill` writes it. -->

`tidemill.toml` is read once, when a command starts. Unknown names are errors, and all errors are reported at once,
each with its place: `tidemill check` does only that. Relative paths begin at the directory of the file. Editors complete and check it with
the [JSON schema](tidemill.schema.json), which `tidemill schema` prints: begin the file with `#:schema tidemill.schema.json`.

A *size* is a number of bytes, or text with a unit: `\"64KiB\"`, `\"1MiB\"`, `\"1MB\"`. A *duration* is text with a unit: `\"250ms\"`,
`\"1s\"`, `\"5m\"`. The names of feeds and processors are 1 to 63 characters of `a-z`, `0-9`, `_` and `-`, and begin with a letter or a digit.
";

const CONFIG: &str = "\
What the component reads through `config`: your own names. It sees every value as text.

- Text as it is; numbers and booleans as TOML writes them, whole numbers in decimal.
- A table within the table becomes names with dots: `prices.nok = 3` is read as `prices.nok`.
- A list becomes JSON text: `[\"a\", \"b\"]`. So do the tables in it.

The names are sorted, and the digest of names and values is kept in the lineage of the state. Everything together has at most 1 MiB.
Do not put secrets here: a component can write what it reads into its state.";

/// A section: its title, what it is, and its settings.
pub(super) type Documented = (&'static str, &'static str, Vec<Described>);

/// Every section with its settings: of the host, a feed, a processor, its limits, its quotas, its configuration.
pub(super) fn sections() -> [Documented; 6] {
    let problems = Problems::default();
    let reading = Reading { directory: Path::new(""), problems: &problems };
    let section = |path: &str| Section::absent(path.to_owned(), 0..0, reading);
    let mut host = section("");
    read_host(&mut host);
    let mut feed = section("feeds.NAME");
    FeedConfig::read(&mut feed);
    let mut processor = section("processors.NAME");
    ProcessorConfig::read(&mut processor);
    let mut limits = section("processors.NAME.limits");
    Limits::read(&mut limits);
    let mut quotas = section("processors.NAME.quotas");
    Quotas::read(&mut quotas);
    [
        ("The file", "Settings of the host, before the first heading.", host.finish()),
        ("`[feeds.NAME]`", "A feed: where events come from.", feed.finish()),
        ("`[processors.NAME]`", "A processor: a component, the feeds that it reads, and how.", processor.finish()),
        (
            "`[processors.NAME.limits]`",
            "What a component may use. A limit on fuel, memory or writes is deterministic: an event that meets it is rejected.",
            limits.finish(),
        ),
        (
            "`[processors.NAME.quotas]`",
            "What a processor may keep and say in all. There is a warning in the log from 80 % on. What would keep more is not committed, and its partition stops; everybody else goes on. A change takes effect at the next start.",
            quotas.finish(),
        ),
        ("`[processors.NAME.config]`", CONFIG, Vec::new()),
    ]
}

/// The section that a setting belongs in, where it was written in another.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    let home = sections().into_iter().find(|(.., settings)| settings.iter().any(|setting| setting.name == name));
    home.map(
        |(title, ..)| if title == "The file" { "the beginning of the file, before the first heading" } else { title },
    )
}

/// A number for people.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people, exact.
pub(super) fn size(bytes: u64) -> String {
    [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// What stands there instead, for people; cut where it is long.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > 60 => {
            format!("{:?}…", text.chars().take(60).collect::<String>())
        }
        DeValue::String(text) => format!("{:?}", text.as_ref()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
