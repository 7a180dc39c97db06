//! `page`: writes what was measured into `docs/performance.md`, section by section, and keeps it beside as JSON.

use std::fs;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{compare::Compared, crossing, goal::Goal, places::Places, results::Kept, scale, scenario, stages, table};

const BEGIN: &str = "<!-- measured: `cargo xtask bench` writes what follows -->";
const END: &str = "<!-- end of what was measured -->";

/// A part of the page, with what it needs to read its part of the results.
struct Section {
    /// Its name in the results.
    name: &'static str,
    /// Its goals, whether it was measured or not.
    goals: fn(Option<&Value>) -> Result<Vec<Goal>>,
    /// Its text, beginning with a heading.
    text: fn(&Value) -> Result<String>,
}

/// All sections in the order of the page. One that was not measured is left out; its goals say so.
const SECTIONS: [Section; 5] = [
    Section {
        name: "comparison",
        goals: |value| Ok(table::goals(&read::<Compared>(value)?)),
        text: |value| table::text(&read(Some(value))?),
    },
    Section { name: scenario::SECTION, goals: scenario::goals, text: scenario::text },
    Section {
        name: stages::SECTION,
        goals: |value| Ok(stages::goals(&read(value)?)),
        text: |value| Ok(stages::text(&read(Some(value))?)),
    },
    Section {
        name: crossing::SECTION,
        goals: |value| Ok(crossing::goals(&read(value)?)),
        text: |value| Ok(crossing::text(&read(Some(value))?)),
    },
    Section { name: scale::SECTION, goals: scale::goals, text: scale::text },
];

/// What a section holds; what it is when it is empty, if it was not measured.
fn read<T: DeserializeOwned + Default>(value: Option<&Value>) -> Result<T> {
    Ok(value.cloned().map(serde_json::from_value).transpose()?.unwrap_or_default())
}

/// Writes the page and its figures.
pub(crate) fn write() -> Result<()> {
    let places = Places::find()?;
    let kept = Kept::read(&places.results())?.context("nothing was measured yet\nhint: cargo xtask bench")?;
    let docs = places.root().join("docs");
    let page = docs.join("performance.md");
    let before = fs::read_to_string(&page)?;
    fs::write(&page, renewed(&before, &kept)?)?;
    fs::write(docs.join("performance.json"), serde_json::to_string_pretty(&kept)? + "\n")?;
    eprintln!("docs/performance.md and docs/performance.json are written");
    Ok(())
}

/// The page with these results in the place of those before.
fn renewed(page: &str, kept: &Kept) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("docs/performance.md has no place for what was measured")?;
    let (_, after) = rest.split_once(END).context("docs/performance.md has no end of what was measured")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", measured(kept)?))
}

/// Everything that was measured.
fn measured(kept: &Kept) -> Result<String> {
    let Kept { machine, subject, sections } = kept;
    let mut text = format!(
        "Measured on {}, {} cores, {} GiB of memory, Linux {}.\n{}, SQLite {}; Python {}. Commit {}.\n",
        machine.processor,
        machine.cores,
        machine.memory_mib.div_ceil(1024),
        machine.kernel,
        subject.rustc,
        subject.sqlite,
        subject.python,
        subject.commit,
    );
    text += "\n## Goals\n\n| | goal | measured | |\n|---|--:|--:|---|\n";
    for section in &SECTIONS {
        text.extend((section.goals)(sections.get(section.name))?.iter().map(Goal::row));
    }
    for section in &SECTIONS {
        if let Some(value) = sections.get(section.name) {
            text += "\n";
            text += &(section.text)(value)?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_is_that_of_the_figures_beside_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let kept =
            Kept::read(&docs.join("performance.json")).unwrap().expect("docs/performance.json is there and whole");
        let page = fs::read_to_string(docs.join("performance.md")).unwrap();
        assert!(
            renewed(&page, &kept).unwrap() == page,
            "docs/performance.md was edited between the marks\nhint: cargo xtask bench"
        );
    }
}
