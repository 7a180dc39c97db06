//! Every language's components do the same: the suite of cases, and what it finds in those that are wrong on purpose.

use std::{fmt::Write as _, fs};

use e2e::{
    guest_host::{GuestHost, example},
    suite::{PROCESSORS, Suite, Verdicts, root},
};

/// The languages in the order in which people are shown them.
const LANGUAGES: [&str; 6] = ["rust", "python", "js", "ts", "go", "c"];

/// Where the documentation has the result of the suite.
const BEGIN: &str = "<!-- cases: written by the test `the_documentation_has_the_cases_of_every_language` -->";
const END: &str = "<!-- end of the cases -->";

/// Folders beside those of the languages.
const OTHERS: [&str; 4] = ["cases", "wrong", "elsewhere", "hostile"];

#[track_caller]
fn passes(language: &str) {
    let verdicts = Suite::open().try_language(language);
    assert!(verdicts.failed().is_empty(), "{language}: {verdicts}");
}

#[test]
fn rust_passes_every_case() {
    passes("rust");
}

#[test]
fn python_passes_every_case_and_writes_what_rust_writes() {
    passes("python");
}

#[test]
fn javascript_passes_every_case_and_writes_what_rust_writes() {
    passes("js");
}

#[test]
fn typescript_passes_every_case_and_writes_what_rust_writes() {
    passes("ts");
}

#[test]
fn go_passes_every_case_and_writes_what_rust_writes() {
    passes("go");
}

#[test]
fn c_passes_every_case_and_writes_what_rust_writes() {
    passes("c");
}

#[test]
fn every_language_that_has_examples_is_in_the_suite() {
    let folders = fs::read_dir(root().join("guest-examples")).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| !OTHERS.contains(&name.as_str()));
    names.sort();
    let mut known = LANGUAGES;
    known.sort_unstable();
    assert_eq!(names, known, "a language without a test here is not known to do what the others do");
}

/// Those of the cases that a wrong component fails, and what it is told.
#[track_caller]
fn wrong(name: &str, processor: &str) -> Verdicts {
    let verdicts = Suite::open().try_component("wrong", name, processor);
    assert!(!verdicts.failed().is_empty(), "the suite finds nothing wrong with {name}");
    assert!(verdicts.failed().len() < verdicts.0.len(), "{name} is wrong in one way, not in all: {verdicts}");
    verdicts
}

#[track_caller]
fn fails(verdicts: &Verdicts, case: &str, fault: &str) {
    let faults = &verdicts.of(case).faults;
    assert!(faults.iter().any(|found| found.contains(fault)), "{case}: {faults:?}");
}

#[track_caller]
fn is_fine(verdicts: &Verdicts, cases: &[&str]) {
    for case in cases {
        assert!(verdicts.of(case).faults.is_empty(), "{case}: {:?}", verdicts.of(case).faults);
    }
}

#[test]
fn a_component_that_leaves_out_what_it_should_reject_is_found_out() {
    let verdicts = wrong("carries_on", "totals");
    fails(&verdicts, "totals/a-rejection-halts", "other failures");
    fails(&verdicts, "totals/a-rejection-is-parked", "other failures");
    is_fine(&verdicts, &["totals/all-at-once", "totals/one-by-one", "totals/users-with-signs-and-spaces"]);
}

#[test]
fn a_component_that_keeps_its_state_in_a_global_is_found_out() {
    let verdicts = wrong("keeps_a_global", "totals");
    fails(&verdicts, "totals/amounts-are-added-to-what-is-there", "the state is another one");
    fails(&verdicts, "totals/one-by-one", "the state is another one");
    is_fine(&verdicts, &["totals/a-rejection-halts", "totals/users-with-signs-and-spaces"]);
}

#[test]
fn a_component_that_tidies_names_is_found_out() {
    let verdicts = wrong("trims_names", "totals");
    fails(&verdicts, "totals/users-with-signs-and-spaces", "the state is another one");
    fails(&verdicts, "totals/users-with-signs-and-spaces", "rust writes");
    is_fine(&verdicts, &["totals/a-rejection-halts", "totals/one-by-one", "totals/users-in-all-scripts"]);
}

#[test]
fn a_component_that_loses_deletes_is_found_out() {
    let verdicts = wrong("loses_deletes", "probe");
    fails(&verdicts, "probe/delete-removes-a-key-and-forgives-a-missing-one", "the state is another one");
    fails(&verdicts, "probe/the-order-of-put-and-delete-counts", "rust writes");
    is_fine(&verdicts, &["probe/put-sets-a-key-and-the-last-write-counts", "probe/reject-at-its-own-place"]);
}

/// Other tools than ours, and a contract in which functions are missing: patches of it only add some.
#[test]
fn a_component_built_elsewhere_against_an_older_patch_of_the_contract_runs() {
    let file = example("elsewhere", "elsewhere");
    let older = String::from_utf8_lossy(&file).into_owned();
    assert!(!older.contains("get-many") && !older.contains("get-all"), "it is not as old as it should be");
    let mut host = GuestHost::new(&file);
    host.call(&["{}", "{}"]).unwrap();
    host.call(&["{}"]).unwrap();
    assert_eq!(host.text("kind/none"), Some("3"));
}

/// What is thrown in a probe's own code comes back with the message, and the file and line in that language's source.
#[track_caller]
fn says_where(language: &str, file: &str, statement: &str) {
    let source = fs::read_to_string(root().join("guest-examples").join(language).join("probe").join(file)).unwrap();
    let line = source.lines().position(|line| line.contains(statement)).expect("the statement is there") + 1;
    let reasons = Suite::open().reasons(language, "probe/a-throw-on-the-third-event-is-a-rejection");
    let name = file.rsplit('/').next().unwrap();
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert!(reason.contains("the third one, thrown"), "{reason}");
    assert!(reason.contains(&format!("{name}:{line}")), "it should say {name}:{line}: {reason}");
}

#[test]
fn what_python_raises_says_where() {
    says_where("python", "main.py", "raise RuntimeError(message)");
}

#[test]
fn what_javascript_throws_says_where() {
    says_where("js", "processor.js", "throw new Error(message)");
}

#[test]
fn what_typescript_throws_says_where() {
    says_where("ts", "processor.ts", "throw new Error(message)");
}

#[test]
fn a_panic_of_go_says_where() {
    says_where("go", "call.go", "panic(i.Message)");
}

#[test]
fn a_panic_of_rust_says_where() {
    says_where("rust", "src/obedience.rs", "panic!(");
}

/// The documentation says how many cases there are; that each language passes them all is what the tests above say.
#[test]
fn the_documentation_has_the_cases_of_every_language() {
    let suite = Suite::open();
    let names = suite.names();
    assert!(names.len() >= 60, "{} cases are too few to tell languages apart", names.len());
    let mut table = format!("| cases | {} |\n|---|{}\n", LANGUAGES.join(" | "), "---|".repeat(LANGUAGES.len()));
    for processor in PROCESSORS {
        let cases = names.iter().filter(|name| name.starts_with(&format!("{processor}/"))).count();
        writeln!(table, "| {cases} of `{processor}` {}|", "| all equal ".repeat(LANGUAGES.len())).unwrap();
    }
    let path = root().join("docs/languages.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/languages.md has a place for the cases");
    let (written, after) = rest.split_once(END).expect("the place for the cases ends");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}\n\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(written.trim(), table.trim(), "write it with `UPDATE=1 cargo test -p e2e the_documentation_has`");
    }
}
