//! `tidemill new`: a project of each language builds, and does what its cases say.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use e2e::{guest_build, project::program};
use tempfile::TempDir;

/// `tidemill new` in a directory of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tidemill-new-").tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn tidemill(&self, arguments: &[&str]) -> Output {
        Command::new(program()).args(arguments).current_dir(self.path()).env_remove("TIDEMILL_CONFIG").output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn new_says_what_to_do_next_in_three_lines() {
    let place = Place::new();
    let output = place.tidemill(&["new", "payments", "--lang", "rust"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("cd payments && cargo build "), "{lines:?}");
    assert!(place.path().join("payments/tidemill/wit/processor.wit").exists());
}

#[test]
fn what_is_there_is_never_written_over() {
    let place = Place::new();
    fs::create_dir(place.path().join("payments")).unwrap();
    fs::write(place.path().join("payments/notes"), "mine").unwrap();
    for arguments in [
        &["new", "payments", "--lang", "c"][..],
        &["new", "other", "--lang", "c", "--path", "payments"],
        &["new", "other", "--lang", "c", "--here"],
    ] {
        let output = place.tidemill(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(" is not empty") && errors.contains("hint: "), "{errors}");
    }
    assert_eq!(fs::read_dir(place.path().join("payments")).unwrap().count(), 1);
    // What git has put into a new directory is nobody's work.
    let other = Place::new();
    fs::create_dir(other.path().join(".git")).unwrap();
    assert!(other.tidemill(&["new", "payments", "--lang", "rust", "--here"]).status.success());
    assert!(other.path().join("tidemill.toml").exists());
}

#[test]
fn a_name_that_no_processor_can_have_is_refused_before_anything_is_made() {
    let place = Place::new();
    let output = place.tidemill(&["new", "Order Totals", "--lang", "rust"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("how about `order-totals`?"), "{output:?}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Makes a project, builds it with its own command, runs its own tests, its cases, and the whole of it.
fn a_project_works(language: &str, native_test: &str) {
    let place = Place::new();
    // A name with a hyphen is not the same word as a package and as a module.
    let made = place.tidemill(&["new", "order-totals", "--lang", language]);
    assert!(made.status.success(), "{made:?}");
    let project = place.path().join("order-totals");
    if language == "rust" {
        guest_build::warm_rust(&project);
    }
    let shell = |line: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(&project);
        guest_build::prepare(&mut command, language);
        let output = command.output().unwrap();
        let printed = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "in a {language} project `{line}` ends with {}:\n{printed}", output.status);
        text(&output.stdout).to_owned()
    };
    let configuration = fs::read_to_string(project.join("tidemill.toml")).unwrap();
    let build =
        configuration.lines().find_map(|line| line.strip_prefix("build = ")).unwrap().trim_matches('"').to_owned();
    shell(&build);
    shell(native_test);
    shell("tidemill check");
    shell("tidemill test cases");
    shell("tidemill run --until-idle");
    assert_eq!(shell("tidemill state scan order-totals"), "total/ada\t2\ntotal/bob\t5\n");
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    assert!(readme.contains(&format!("`{native_test}`")), "the project's README does not say `{native_test}`");
    assert!(!readme.contains(['{', '}']) || !readme.contains("{name}"), "{readme}");
}

#[test]
fn a_project_in_rust_builds_and_does_what_its_cases_say() {
    // Without the compiler for wasm32: it has no standard library for this machine.
    a_project_works("rust", "cargo test");
}

#[test]
fn a_project_in_python_builds_and_does_what_its_cases_say() {
    a_project_works("python", "python3 -m unittest");
}

#[test]
fn a_project_in_typescript_builds_and_does_what_its_cases_say() {
    a_project_works("ts", "npm test");
}

#[test]
fn a_project_in_javascript_builds_and_does_what_its_cases_say() {
    a_project_works("js", "npm test");
}

#[test]
fn a_project_in_go_builds_and_does_what_its_cases_say() {
    a_project_works("go", "go test ./...");
}

#[test]
fn a_project_in_c_builds_and_does_what_its_cases_say() {
    a_project_works("c", "make test");
}
