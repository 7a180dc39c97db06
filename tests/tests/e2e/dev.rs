//! The development loop: a project is edited while its events flow.
//!
//! The build command copies the component that `src/which` names, so that what is tested is the loop and not a compiler.

use std::fs;

use e2e::{
    dev::Dev,
    guest_host::{example, with_a_note},
    project::{Project, wait_until},
    publisher::Publisher,
};
use serde_json::json;

const BUILD: &str =
    "echo building $(cat src/which); cp built/$(cat src/which).wasm totals.new && mv totals.new totals.wasm";

/// A project whose processor is one of some components, on a feed of one partition.
fn start(seed: u64) -> (Publisher, Project) {
    let publisher = Publisher::start(1, seed);
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npoll-interval = \"10ms\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\nbuild = '{BUILD}'\nsources = [\"src\"]\n",
        publisher.url()
    ));
    let totals = example("rust", "totals");
    fs::create_dir(project.path().join("built")).unwrap();
    fs::create_dir(project.path().join("src")).unwrap();
    for (name, bytes) in [
        ("first", totals.clone()),
        ("second", with_a_note(&totals, "second")),
        ("fickle", example("rust", "fickle")),
        ("bad", totals[..totals.len() / 2].to_vec()),
    ] {
        fs::write(project.path().join(format!("built/{name}.wasm")), bytes).unwrap();
    }
    edit(&project, "first");
    (publisher, project)
}

/// Lets the build make this component from now on.
fn edit(project: &Project, which: &str) {
    fs::write(project.path().join("src/which"), which).unwrap();
}

fn pay(publisher: &Publisher, user: &str, amount: i64) {
    publisher.append(0, [json!({"user": user, "amount": amount}).to_string()]);
}

#[test]
fn what_is_edited_is_built_and_processes_the_next_event() {
    let (publisher, project) = start(1);
    pay(&publisher, "ada", 3);
    let mut dev = Dev::start(&project, &[]);
    let batch = dev.wait_for("batch", |batch| batch["events"] == 1);
    assert_eq!(batch["changes"], json!([{"key": "total/ada", "before": null, "after": "3"}]));
    assert_eq!(batch["payloads"], json!([r#"{"amount":3,"user":"ada"}"#]));
    assert!(batch["fuel"].as_u64() > Some(0) && batch["memory-bytes"].as_u64() > Some(0), "{batch}");
    dev.wait_for("idle", |_| true);

    // A build that fails leaves the old code at work.
    edit(&project, "nothing");
    let ended = dev.wait_for("build-ended", |ended| ended["ok"] == false);
    assert!(ended["how"].as_str().unwrap().contains('1'), "{ended}");
    dev.wait_for("build-output", |output| output["line"].as_str().unwrap().contains("nothing.wasm"));
    pay(&publisher, "ada", 4);
    let batch = dev.wait_for("batch", |batch| batch["changes"][0]["after"] == "7");
    let first = batch["component"].as_str().unwrap().to_owned();

    // So does a component that does not load.
    edit(&project, "bad");
    dev.wait_for("refused", |refused| refused["reason"].as_str().unwrap().contains("does not load"));
    // The same bytes are no other component.
    edit(&project, "first");
    dev.wait_for("unchanged", |_| true);
    assert_eq!(dev.of_type("reloaded"), [json!(null); 0]);

    edit(&project, "second");
    let reloaded = dev.wait_for("reloaded", |_| true);
    assert_eq!(reloaded["was"], first.as_str());
    pay(&publisher, "ada", 5);
    let batch = dev.wait_for("batch", |batch| batch["changes"][0]["after"] == "12");
    assert_eq!(batch["component"], reloaded["is"]);
    dev.wait_for("first-event", |event| event["component"] == reloaded["is"]);

    let (status, entries, complaints) = dev.interrupt();
    assert!(status.success() && complaints.is_empty(), "{status}: {complaints}");
    let summary = entries.last().unwrap();
    assert_eq!((&summary["type"], &summary["events"], &summary["batches"]), (&json!("summary"), &json!(3), &json!(3)));
    assert_eq!(summary["reloads"].as_array().unwrap().len(), 1, "{summary}");
    let kinds = summary["kinds"].as_array().unwrap();
    assert_eq!((&kinds[0]["events"], kinds.len()), (&json!(3), 1), "{summary}");
    assert!(
        kinds[0]["fuel-median"].as_u64() > Some(0) && kinds[0]["bytes-written-max"].as_u64() > Some(0),
        "{summary}"
    );
}

#[test]
fn an_event_that_failed_is_applied_by_the_next_code() {
    let (publisher, project) = start(2);
    publisher.append(0, [r#"{"user":"ada","amount":1}"#.to_owned(), r#"{"user":"ada"}"#.to_owned()]);
    let mut dev = Dev::start(&project, &[]);
    let failure = dev.wait_for("failure", |_| true);
    assert_eq!((&failure["event"], &failure["payload"]), (&json!(2), &json!(r#"{"user":"ada"}"#)));
    assert!(failure["reason"].as_str().unwrap().contains("missing field `amount`"), "{failure}");
    edit(&project, "fickle");
    let recovered = dev.wait_for("recovered", |_| true);
    assert_eq!(recovered["payload"], json!(r#"{"user":"ada"}"#));
    let batch = dev.wait_for("batch", |batch| batch["changes"][0]["key"] == "fickle/orders/0");
    assert_eq!(batch["changes"][0]["after"], "2", "{batch}");

    // A trap shows the guest's own frames and what it was about.
    publisher.append(0, [r#"{"do":"trap"}"#.to_owned()]);
    let failure = dev.wait_for("failure", |failure| failure["cause"] == "trap");
    assert!(failure["backtrace"].as_str().unwrap().contains("process"), "{failure}");
    // The command that it gives shows the same, alone.
    let alone = failure["alone"].as_str().unwrap().to_owned();
    let words: Vec<&str> = alone.split(' ').skip(1).collect();
    let output = project.tidemill(&words);
    assert_eq!(output.status.code(), Some(1), "{alone}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("trap") && shown.contains(r#"{"do":"trap"}"#), "{alone}: {shown}");
    assert!(dev.interrupt().0.success());
}

#[test]
fn the_state_is_apart_from_that_of_run_and_fresh_forgets_it() {
    let (publisher, project) = start(3);
    project.put("totals.wasm", &example("rust", "totals"));
    pay(&publisher, "ada", 3);
    let mut host = project.start();
    wait_until("run's own state", || project.state("totals").contains_key("total/ada"));

    let mut dev = Dev::start(&project, &[]);
    dev.wait_for("idle", |_| true);
    assert_eq!(dev.value("total/ada").as_deref(), Some("3"), "it began at the beginning, beside `run`");
    assert!(dev.interrupt().0.success());
    assert!(host.is_running());
    pay(&publisher, "ada", 4);
    wait_until("run goes on by itself", || project.state("totals")["total/ada"] == "7");
    host.terminate();
    assert!(host.wait().success());

    let mut dev = Dev::start(&project, &[]);
    let batch = dev.wait_for("batch", |_| true);
    assert_eq!(batch["changes"], json!([{"key": "total/ada", "before": "3", "after": "7"}]), "it goes on where it was");
    assert!(dev.interrupt().0.success());
    let mut dev = Dev::start(&project, &["--fresh"]);
    dev.wait_for("idle", |_| true);
    let batches = dev.of_type("batch");
    assert_eq!(batches[0]["changes"][0]["before"], json!(null), "{batches:?}");
    let code = || {
        fs::read_dir(project.path().join("data/dev/code"))
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().modified().unwrap())
    };
    let compiled: Vec<_> = code().collect();
    assert_eq!(dev.value("total/ada").as_deref(), Some("7"));
    assert!(dev.interrupt().0.success());
    let mut dev = Dev::start(&project, &["--fresh"]);
    dev.wait_for("idle", |_| true);
    assert!(dev.interrupt().0.success());
    assert_eq!(code().collect::<Vec<_>>(), compiled, "compiled code is worth keeping");
    assert_eq!(project.state("totals")["total/ada"], "7");
}

#[test]
fn it_begins_at_a_cursor_or_reads_a_file_in_place_of_the_feed() {
    let (publisher, project) = start(4);
    for amount in [1, 20, 300] {
        pay(&publisher, "ada", amount);
    }
    let mut dev = Dev::start(&project, &[]);
    dev.wait_for("idle", |_| true);
    let cursor = dev.of_type("batch")[0]["to"].as_str().unwrap().to_owned();
    assert!(dev.interrupt().0.success());

    let mut dev = Dev::start(&project, &["--from", &cursor]);
    dev.wait_for("idle", |_| true);
    pay(&publisher, "ada", 4_000);
    let batch = dev.wait_for("batch", |_| true);
    assert_eq!(batch["changes"], json!([{"key": "total/ada", "before": null, "after": "4000"}]), "nothing before it");
    assert!(dev.interrupt().0.success());

    fs::write(project.path().join("case.ndjson"), "{\"user\":\"bob\",\"amount\":5}\n").unwrap();
    let mut dev = Dev::start(&project, &["totals", "--from", "case.ndjson"]);
    dev.wait_for("idle", |_| true);
    assert_eq!((dev.value("total/bob").as_deref(), dev.value("total/ada")), (Some("5"), None));
    assert!(dev.interrupt().0.success());

    let wrong = project.fails(&["dev", "--from", "nowhere.ndjson"], 2);
    assert!(wrong.contains("there is no file nowhere.ndjson"), "{wrong}");
    let wrong = project.fails(&["dev", "nobody"], 2);
    assert!(wrong.contains("no processor `nobody`") && wrong.contains("`totals`"), "{wrong}");
}

#[test]
fn commits_go_on_while_new_code_is_compiled_and_the_swap_holds_them_up_for_a_moment() {
    let (publisher, project) = start(5);
    pay(&publisher, "ada", 1);
    let mut dev = Dev::start(&project, &[]);
    dev.wait_for("idle", |_| true);
    let batches = |dev: &Dev| -> u64 {
        let shown = dev.of_type("batch").len() as u64;
        shown + dev.of_type("flood").iter().map(|flood| flood["batches"].as_u64().unwrap()).sum::<u64>()
    };
    let before = batches(&dev);
    edit(&project, "second");
    wait_until("the reload", || {
        pay(&publisher, "ada", 1);
        dev.of_type("first-event").len() == 1
    });
    let reloaded = dev.of_type("reloaded").remove(0);
    let time = |name: &str| reloaded[name].as_f64().unwrap();
    let first = dev.of_type("first-event")[0]["since-reload-ms"].as_f64().unwrap();
    assert!(batches(&dev) >= before + 3, "nothing was committed meanwhile: {reloaded}");
    assert!(time("swapping-ms") < 500.0, "{reloaded}");
    assert!(first < 500.0, "the first event came late: {first} ms");
    eprintln!(
        "edit to new code: {} ms (build {}, compile {}, all else {}); swap {} ms; first event {first} ms after the reload",
        time("since-edit-ms"),
        time("build-ms"),
        time("compiling-ms"),
        time("rest-ms"),
        time("swapping-ms")
    );
    assert!(dev.interrupt().0.success());
}

#[test]
fn what_is_shown_is_plain_text_where_nobody_looks() {
    let (publisher, project) = start(6);
    pay(&publisher, "ada", 3);
    let mut child = project
        .command(&["dev"])
        .stdout(fs::File::create(project.path().join("src/shown.txt")).unwrap())
        .spawn()
        .unwrap();
    let shown = || fs::read_to_string(project.path().join("src/shown.txt")).unwrap();
    wait_until("everything is shown", || shown().contains("waiting for more"));
    // Had it taken its own output for an edit, it would build again and again.
    pay(&publisher, "ada", 4);
    wait_until("the next event is shown", || shown().contains("total/ada  3 → 7"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = shown();
    assert!(shown.contains("total/ada  - → 3") && shown.contains("2 events in 2 batches, 2 writes"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert_eq!(shown.matches("⚙ building").count(), 1, "{shown}");
}
