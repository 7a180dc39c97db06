//! The program as a shell sees it: exit codes, and what goes to which stream.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Output},
};

fn tidemill(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.current_dir(directory).args(arguments).env_remove("TIDEMILL_CONFIG").env_remove("TIDEMILL_LOG");
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program writes UTF-8")
}

#[test]
fn a_wrong_configuration_is_reported_on_standard_error_with_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tidemill.toml"), "dta = 1\n[feeds.a]\nurl = 7\n").unwrap();
    let output = tidemill(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let errors = text(&output.stderr);
    assert!(errors.contains("tidemill.toml:1:1: unknown setting `dta`"), "{errors}");
    assert!(errors.contains("tidemill.toml:3:7: `url` must be"), "{errors}");
}

#[test]
fn check_finds_what_a_wrong_configuration_names_too_and_what_its_feeds_lack() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("tidemill.toml");
    let right = "[feeds.gone]\nurl = \"file:gone.ndjson\"\n\
        [feeds.shy]\nurl = \"http://127.0.0.1:1/\"\nbearer-token = { env = \"TIDEMILL_TEST_NO_TOKEN\" }\n\
        [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"gone\", \"shy\"]\nsources = [\"nowhere\"]\n";
    let findings = [
        "feed `gone`: the file ",
        "feed `shy`: the environment variable `TIDEMILL_TEST_NO_TOKEN` with the bearer token is not set\n  hint: ",
        "processor `totals`: there is no nowhere\n  hint: ",
        "processor `totals`: the component totals.wasm is not there\n  hint: ",
    ];
    for (written, code) in [(right.to_owned(), 1), (format!("dta = 1\n{right}"), 2)] {
        fs::write(&config, written).unwrap();
        let output = tidemill(directory.path(), &["check"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(findings.iter().all(|finding| errors.contains(&format!("error: {finding}"))), "{errors}");
        assert_eq!(errors.contains("tidemill.toml:1:1: unknown setting `dta`"), code == 2, "{errors}");
    }
    // Of what is no TOML nothing can be looked at.
    fs::write(&config, format!("{right}[")).unwrap();
    assert_eq!(tidemill(directory.path(), &["check"]).status.code(), Some(2));
}

#[test]
fn wrong_usage_has_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tidemill.toml"), "").unwrap();
    for arguments in [&["rum"][..], &["check", "--log-level", "loud"], &["check", "--config", "nowhere.toml"], &[]] {
        let output = tidemill(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_fails_has_exit_code_1_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let output = tidemill(directory.path(), &["feed", "serve", "missing.ndjson"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: missing.ndjson cannot be published: "), "{output:?}");
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut feeds = String::new();
    for feed in 0..3_000 {
        writeln!(feeds, "[feeds.f{feed}]\nurl = \"http://localhost/{feed}\"").unwrap();
    }
    fs::write(directory.path().join("tidemill.toml"), feeds).unwrap();
    let shell = format!("set -o pipefail; {} check | head -n 1", env!("CARGO_BIN_EXE_tidemill"));
    let output = Command::new("bash").args(["-c", &shell]).current_dir(directory.path()).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn logs_are_plain_text_without_colours_when_nobody_looks() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tidemill.toml"), "").unwrap();
    let output = tidemill(directory.path(), &["check", "--log-level", "trace"]);
    assert!(output.status.success(), "{output:?}");
    assert!(!text(&output.stderr).contains('\u{1b}'));
}

#[test]
fn shells_editors_and_man_are_told_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tidemill(directory.path(), &["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("accept-feed-change"), "{shell}: {output:?}");
        // The bounded process is the host's own matter.
        assert!(!text(&output.stdout).contains("compile-child -"), "{shell}");
    }
    let schema = tidemill(directory.path(), &["schema"]);
    assert!(text(&schema.stdout).contains("\"fuel-per-event\""), "{schema:?}");
    let pages = tidemill(directory.path(), &["man", "man/man1"]);
    assert_eq!((pages.status.code(), text(&pages.stdout)), (Some(0), ""), "{pages:?}");
    for page in ["tidemill.1", "tidemill-state-scan.1", "tidemill-resume.1"] {
        let page = fs::read_to_string(directory.path().join("man/man1").join(page)).unwrap();
        assert!(page.contains("Examples:"), "{page}");
    }
    assert!(!directory.path().join("man/man1/tidemill-compile-child.1").exists());
}
