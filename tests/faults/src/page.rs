//! `page`: the table of `docs/reliability.md`.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use anyhow::{Context as _, Result};
use tidemill::output::grouped;

use crate::{
    places::docs,
    results::{Kept, Results},
    row::Row,
    rows::ROWS,
    trial::{Detail, Tally},
};

const BEGIN: &str = "<!-- tried: `cargo xtask faults` writes what follows -->";
const END: &str = "<!-- end of what was tried -->";

/// Writes the page.
pub(crate) fn write() -> Result<()> {
    let page = docs("reliability.md");
    let before = fs::read_to_string(&page)?;
    fs::write(page, renewed(&before, Results::open()?.kept())?)?;
    Ok(())
}

/// The page with these results in the place of those before.
fn renewed(page: &str, kept: &Kept) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("docs/reliability.md has no place for what was tried")?;
    let (_, after) = rest.split_once(END).context("docs/reliability.md has no end of what was tried")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", tried(kept)))
}

/// A table of all rows, and their details beneath it.
fn tried(kept: &Kept) -> String {
    let mut table = "| fault | tried | what held | found when broken | seeds |\n|---|--:|---|---|---|\n".to_owned();
    let mut details = String::new();
    for row in ROWS {
        let Some(runs) = kept.get(row.name).filter(|runs| !runs.is_empty()) else {
            let _infallible = writeln!(table, "| {} | not yet | {} | | |", linked(row), row.invariant);
            continue;
        };
        let mut sum = Tally::default();
        for run in runs.values() {
            sum.merge(run.tally.clone());
        }
        let found: BTreeSet<&str> = runs.values().flat_map(|run| run.found.iter().map(String::as_str)).collect();
        let found: Vec<String> = found.into_iter().map(|rule| format!("`{rule}`")).collect();
        let seeds: Vec<String> = runs.keys().map(u64::to_string).collect();
        let _infallible = writeln!(
            table,
            "| {} | {} {} | {} | {} | {} |",
            linked(row),
            grouped(sum.tried),
            row.unit,
            row.invariant,
            found.join(", "),
            seeds.join(", ")
        );
        let commits: BTreeSet<&str> = runs.values().map(|run| run.commit.as_str()).collect();
        let seconds: u64 = runs.values().map(|run| run.seconds).sum();
        let commits = commits.into_iter().collect::<Vec<_>>().join(", ");
        let _infallible = write!(details, "\n### {}\n\n{}. {seconds} s, commit {commits}.\n", row.name, row.fault);
        if !sum.details.is_empty() {
            details += "\n| | |\n|---|--:|\n";
        }
        for (what, detail) in &sum.details {
            let shown = match detail {
                Detail::Count(count) => grouped(*count),
                Detail::Words(words) => words.clone(),
            };
            let _infallible = writeln!(details, "| {what} | {shown} |");
        }
    }
    table + &details
}

fn linked(row: &Row) -> String {
    format!("[{}](#{})", row.fault, row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_that_of_the_results_beside_it() {
        let page = fs::read_to_string(docs("reliability.md")).unwrap();
        assert!(
            renewed(&page, Results::open().unwrap().kept()).unwrap() == page,
            "docs/reliability.md was edited between the marks, or a row was renamed\nhint: cargo xtask faults --page"
        );
    }

    #[test]
    fn the_names_of_rows_are_words_and_no_two_are_the_same() {
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert!(names.iter().all(|name| name.chars().all(|one| one.is_ascii_lowercase() || one == '-')));
    }
}
