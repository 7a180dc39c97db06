//! The threat model in `docs/security.md`: each line is held by something that exists.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The Rust files under some folders.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with("target") {
                left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(path).unwrap()));
        }
    }
    assert!(found.len() > 2, "{folders:?} have Rust in them");
    found
}

/// The words of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_line_of_the_threat_model_is_held_by_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let tests: BTreeSet<String> = sources(&["host", "tests"])
        .iter()
        .flat_map(|(_, text)| {
            text.lines().map(str::trim).collect::<Vec<_>>().windows(2).filter_map(test).collect::<Vec<_>>()
        })
        .collect();
    let rows: BTreeSet<String> = sources(&["tests/faults/src/rows"])
        .iter()
        .flat_map(|(_, text)| {
            text.lines().filter_map(|line| line.trim().strip_prefix("name: \"")).map(name).collect::<Vec<_>>()
        })
        .collect();
    let (mut lines, mut wrong, mut held) = (0, Vec::new(), false);
    for line in page.lines() {
        held = line.ends_with("| held by |") || held && line.starts_with('|');
        if !held || line.ends_with("| held by |") || line.starts_with("|---") {
            // In the text, too, a name that looks like a test is one.
            wrong.extend(quoted(line).filter(|word| word.matches('_').count() > 3 && !tests.contains(*word)));
            continue;
        }
        let by = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let named = quoted(by).all(|word| tests.contains(word) || rows.contains(word));
        if !named || quoted(by).count() == 0 {
            wrong.push(line);
        }
        lines += 1;
    }
    assert!(lines > 30, "the tables are found: {lines}");
    assert!(wrong.is_empty(), "no test or row holds this:\n  {}", wrong.join("\n  "));
}

/// The name of a test, of two lines of which one is its attribute. Properties are tests without one of their own.
fn test(lines: &[&str]) -> Option<String> {
    let function = lines[1].strip_prefix("async ").unwrap_or(lines[1]).strip_prefix("fn ")?;
    let marked = lines[0].contains("test]") || lines[0].contains("#[tokio::test") || lines[1].ends_with('(');
    marked.then(|| function.split('(').next().unwrap().to_owned())
}

fn name(rest: &str) -> String {
    rest.trim_end_matches("\",").to_owned()
}

#[test]
fn there_is_one_unsafe_function_and_it_maps_compiled_code() {
    // In two parts, or this file would be found.
    let word = concat!("unsafe", " {");
    let found: Vec<String> = sources(&["host", "tests", "xtask", "sdk", "guest-examples"])
        .iter()
        .flat_map(|(path, text)| {
            let lines = text.lines().filter(|line| line.contains(word) || line.contains(concat!("unsafe", " fn")));
            lines.map(|line| format!("{}: {}", path.display(), line.trim())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("engine/src/cache.rs") && found[0].contains("Component::deserialize"), "{found:?}");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the lint that says so is on for the host");
}

#[test]
fn deny_toml_allows_no_other_source() {
    let rules = fs::read_to_string(root().join("deny.toml")).unwrap();
    for rule in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "wildcards = \"deny\"", "yanked = \"deny\""] {
        assert!(rules.contains(rule), "deny.toml lacks {rule}");
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources: BTreeSet<&str> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(sources.len() == 1 && sources.iter().all(|line| line.contains("\"registry+")), "{sources:?}");
}
