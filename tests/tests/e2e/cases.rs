//! `tidemill test`: cases through the real engine.

use std::{fs, path::Path, process::Output, time::SystemTime};

use e2e::{guest_host::example, project::Project};
use serde_json::Value as Json;

const ADDS: &str = r#"# What a payment does.
events = '''
{"user": "ada", "amount": 3}
{"user": "ada", "amount": 4}
'''

[after]
"total/ada" = "7"
"#;

const WRONG: &str = r#"events = '''
{"user": "ada", "amount": 3}
nonsense
{"user": "bob", "amount": 1}
'''

# She had something.
[before]
"total/ada" = "1"

[after]
"total/ada" = "5" # not so
"#;

/// A project with `totals`, its cases, and a cache of compiled code of its own.
struct World(Project);

impl World {
    fn new(cases: &[(&str, &str)]) -> Self {
        let project = Project::new(
            "[feeds.orders]\nurl = \"http://127.0.0.1:1/\"\n[processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n",
        );
        project.put("totals.wasm", &example("rust", "totals"));
        fs::create_dir(project.path().join("cases")).unwrap();
        for (name, text) in cases {
            project.put(&format!("cases/{name}.toml"), text.as_bytes());
        }
        Self(project)
    }

    fn test(&self, arguments: &[&str]) -> Output {
        let mut command = self.0.command(&[&["test", "cases"], arguments].concat());
        command.env("XDG_CACHE_HOME", self.0.path().join("cache")).output().unwrap()
    }

    #[track_caller]
    fn prints(&self, arguments: &[&str], code: i32) -> String {
        let output = self.test(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn compiled(&self) -> Vec<(String, SystemTime)> {
        let code = fs::read_dir(self.0.path().join("cache/tidemill/code")).unwrap();
        let file = |entry: fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().modified().unwrap())
        };
        code.map(|entry| file(entry.unwrap())).collect()
    }
}

#[test]
fn a_case_that_differs_is_shown_line_by_line_and_can_be_accepted() {
    let world = World::new(&[("adds", ADDS), ("wrong", WRONG)]);
    let said = world.prints(&["--junit", "report.xml"], 1);
    for line in [
        "FAILED wrong  cases/wrong.toml",
        "  + event 2 rejected: not a payment: ",
        "  - \"total/ada\" = \"5\"",
        "  + \"total/ada\" = \"4\"",
        "1 case passed, 1 failed (",
    ] {
        assert!(said.contains(line), "`{line}` is missing in\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "colours are for terminals: {said:?}");
    let junit = fs::read_to_string(world.0.path().join("report.xml")).unwrap();
    assert!(junit.contains(r#"tests="2""#) && junit.contains(r#"failures="1""#), "{junit}");
    assert!(junit.contains("the state is another one"), "{junit}");

    world.prints(&["--update"], 0);
    let written = fs::read_to_string(world.0.path().join("cases/wrong.toml")).unwrap();
    assert!(
        written.contains("# She had something.") && written.contains("\"total/ada\" = \"4\" # not so"),
        "{written}"
    );
    assert!(written.contains("event = 2\nkind = \"rejected\"\nreason = \"not a payment: "), "{written}");
    assert_eq!(fs::read_to_string(world.0.path().join("cases/adds.toml")).unwrap(), ADDS);
    assert!(world.prints(&[], 0).starts_with("2 cases passed, 0 failed ("));
}

#[test]
fn the_second_run_compiles_nothing_and_touches_no_data() {
    let world = World::new(&[("adds", ADDS)]);
    world.prints(&[], 0);
    let compiled = world.compiled();
    assert_eq!(compiled.len(), 1);
    world.prints(&[], 0);
    assert_eq!(world.compiled(), compiled);
    assert!(!world.0.path().join("data").exists());
}

#[test]
fn a_case_is_chosen_by_its_name_and_told_to_programs() {
    let world = World::new(&[("adds", ADDS), ("wrong", WRONG)]);
    let line: Json = serde_json::from_str(&world.prints(&["--filter", "add", "--json"], 0)).unwrap();
    assert_eq!((&line["case"], &line["passed"], &line["events"]), (&"adds".into(), &true.into(), &2.into()));
    assert!(line["fuel"].as_u64().unwrap() > 0, "{line}");
    let output = world.test(&["--filter", "nothing"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no case in cases has `nothing` in its name"));
}

#[test]
fn a_case_that_is_wrongly_written_has_all_its_errors_reported_at_once() {
    let world =
        World::new(&[("bad", "evnts = ''\non-reject = \"drop\"\n[limits]\nmemry = 3\n[after]\ntotal.ada = \"1\"\n")]);
    let output = world.test(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for problem in [
        "did you mean `events`?",
        "cases/bad.toml:2:13: `on-reject` must be `halt`, `park` or `skip`",
        "did you mean `memory`?",
        "the value of `total` in [after] is neither text nor bytes",
        "the case has no events",
    ] {
        assert!(said.contains(problem), "`{problem}` is missing in\n{said}");
    }
}

#[test]
fn a_case_without_an_expectation_is_no_case() {
    let world = World::new(&[("open", "events = '{\"user\": \"ada\", \"amount\": 3}'\n")]);
    assert!(world.prints(&[], 1).contains("accept what comes with `--update`"));
    world.prints(&["--update"], 0);
    let written = fs::read_to_string(world.0.path().join("cases/open.toml")).unwrap();
    assert!(written.ends_with("[after]\n\"total/ada\" = \"3\"\n"), "{written}");
    world.prints(&[], 0);
}

#[test]
fn everything_that_a_case_can_say_holds() {
    let probe = |name: &str, text: &str| -> String {
        let project = Project::new("");
        project.put("fickle.wasm", &example("rust", "fickle"));
        project.put(&format!("{name}.toml"), text.as_bytes());
        let file = format!("{name}.toml");
        let mut command = project.command(&["test", &file, "--component", "fickle.wasm"]);
        let output = command.env("XDG_CACHE_HOME", shared_cache()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let passes = |name: &str, text: &str| {
        let said = probe(name, text);
        assert!(said.contains("1 case passed, 0 failed"), "{name}: {said}");
    };
    passes(
        "partition-and-batches",
        "feed = 'orders'\npartition = '7'\nbatch-events = 2\n[[event]]\ndata = '{}'\nrepeat = 5\n[after]\n'fickle/orders/7' = '5'\n",
    );
    passes(
        "bytes",
        "[before]\n'old' = { base64 = 'AAE=' }\n[[event]]\ndata = '{\"do\":\"put-bytes\",\"key\":\"k\",\"value\":[255,0]}'\n\
         [after]\n'old' = { base64 = 'AAE=' }\n'k' = { base64 = '/wA=' }\n'fickle/events/0' = '1'\n",
    );
    passes(
        "counts",
        "[[event]]\ndata = '{\"do\":\"bulk\",\"rows\":50,\"bytes\":3}'\n[after]\n'fickle/events/0' = '1'\n[after-count]\n'bulk/' = 50\n",
    );
    passes(
        "numbered",
        "[[event]]\ndata = '{\"do\":\"put\",\"key\":\"k{n}\",\"value\":\"{n}\"}'\nrepeat = 2\n\
         [after]\nk0 = '0'\nk1 = '1'\n'fickle/events/0' = '2'\n",
    );
    passes(
        "halt-ends-the-case-before-the-event",
        "batch-events = 1\nevents = '''\n{}\n{\"do\":\"halt\"}\n{}\n'''\n[after]\n'fickle/events/0' = '1'\n[[failures]]\nkind = 'halted'\n",
    );
    passes(
        "retry-says-when",
        "events = '{\"do\":\"retry\",\"after_ms\":250}'\n[[failures]]\nkind = 'retry'\nafter-ms = 250\n",
    );
    passes(
        "traps-are-parked",
        "on-reject = 'park'\nevents = '''\n{\"do\":\"trap\"}\n{}\n{\"do\":\"reject\"}\n'''\n[after]\n'fickle/events/0' = '1'\n\
         [[failures]]\nevent = 1\nkind = 'rejected'\n[[failures]]\nevent = 3\nkind = 'rejected'\nreason = 'asked to be rejected'\n",
    );
    passes(
        "limits-hold",
        "events = '{\"do\":\"bulk\",\"rows\":50,\"bytes\":3}'\n[limits]\nwrite-rows = 10\n[[failures]]\nevent = 1\nkind = 'rejected'\nreason = 'more than 10 keys'\n",
    );
    assert!(
        probe("other", "events = '{\"do\":\"halt\"}'\n[[failures]]\nkind = 'retry'\n").contains("- retry: "),
        "another failure is another outcome"
    );
}

/// Compiled once for all cases of this file.
fn shared_cache() -> &'static Path {
    static CACHE: std::sync::LazyLock<tempfile::TempDir> = std::sync::LazyLock::new(|| tempfile::tempdir().unwrap());
    CACHE.path()
}
