//! A component is replaced while its processor runs.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
};

use e2e::{
    guest_host::{example, with_a_note},
    project::{Host, Project, log_lines, wait_until},
    publisher::Publisher,
    witness::assert_whole_ledger,
};
use tidemill_pipeline::Digest;

const CHANGED: &str = "the component's file changed; it is loaded beside the running component";
const RELOADED: &str = "the component was reloaded";
const REFUSED: &str = "the changed component does not load; the old one goes on";
const FELL_BACK: &str = "the component's file does not load; the last accepted one runs in its place";

/// A project with the witness as its processor, on a feed of two partitions.
fn start(seed: u64) -> (Publisher, Project, Vec<u8>) {
    let publisher = Publisher::start(2, seed);
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 2\npage-size = 100\npoll-interval = \"10ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\nbatch-events = 50\n",
        publisher.url()
    ));
    let ledger = example("rust", "ledger");
    project.put("ledger.wasm", &ledger);
    (publisher, project, ledger)
}

fn append(publisher: &Publisher, count: usize) {
    for partition in 0..publisher.partitions() {
        publisher.append_numbered(partition, count);
    }
}

/// Appends until a line was logged so often.
#[track_caller]
fn append_until_logged(publisher: &Publisher, host: &Host, message: &str, times: usize) {
    wait_until(message, || {
        append(publisher, 3);
        host.logged(message) >= times
    });
}

/// Waits until every event that there is was committed.
#[track_caller]
fn wait_for_all(project: &Project, publisher: &Publisher) {
    wait_until("the last event", || {
        (0..publisher.partitions()).all(|partition| {
            let position = &project.partition("ledger", &partition.to_string())["position"];
            *position == publisher.count(partition)
        })
    });
}

/// The components that computed a partition, in their order, with the positions from and to which.
fn lineage(project: &Project, partition: &str) -> Vec<(String, u64, u64)> {
    let stretches = project.partition("ledger", partition)["lineage"].as_array().unwrap().clone();
    let stretch = |found: serde_json::Value| {
        let position = |name: &str| found[name].as_u64().unwrap();
        (found["component"].as_str().unwrap().to_owned(), position("from-position"), position("to-position"))
    };
    stretches.into_iter().map(stretch).collect()
}

/// Writes a file as some compilers do: in place, in pieces.
fn write_in_place(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    for piece in bytes.chunks(bytes.len() / 3) {
        file.write_all(piece).unwrap();
        file.sync_all().unwrap();
    }
}

#[test]
fn a_component_is_swapped_under_load_without_losing_or_repeating_an_event() {
    let (publisher, project, first) = start(1);
    append(&publisher, 500);
    let mut host = project.start();
    host.wait_for("committed", 4);

    let second = with_a_note(&first, "by rename");
    project.put("ledger.wasm", &second);
    append_until_logged(&publisher, &host, RELOADED, 1);
    let meanwhile = host.logged_between(CHANGED, "committed", RELOADED);
    for partition in ["0", "1"] {
        let commits = meanwhile.iter().filter(|found| *found == partition).count();
        assert!(commits >= 3, "partition {partition} stood still while the component was compiled: {commits} commits");
    }

    let third = with_a_note(&first, "in place");
    write_in_place(&project.path().join("ledger.wasm"), &third);
    append_until_logged(&publisher, &host, RELOADED, 2);
    append(&publisher, 100);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());

    assert_whole_ledger(&project, "ledger", "orders", &publisher);
    let digests = [first, second, third].map(|component| Digest::of(&component).to_string());
    for partition in ["0", "1"] {
        let lineage = lineage(&project, partition);
        assert_eq!(lineage.iter().map(|(digest, ..)| digest).collect::<Vec<_>>(), digests.iter().collect::<Vec<_>>());
        let ends: Vec<u64> = lineage.iter().map(|(.., to)| *to).collect();
        let begins: Vec<u64> = lineage.iter().map(|(_, from, _)| *from).collect();
        assert_eq!([0, ends[0], ends[1]], *begins, "the stretches touch: {lineage:?}");
        assert_eq!(ends[2], publisher.events(partition.parse().unwrap()).len() as u64);
        assert!(lineage.iter().all(|(_, from, to)| from < to), "each computed something: {lineage:?}");
    }
    assert_eq!(project.status()["processors"][0]["component"], digests[2]);
}

#[test]
fn no_partition_waits_for_the_batch_of_another_when_the_component_is_replaced() {
    let publisher = Publisher::start(2, 9);
    publisher.set_span(5_000);
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 2\npage-size = 5_000\npoll-interval = \"10ms\"\n\
         [processors.burner]\ncomponent = \"burner.wasm\"\nfeeds = [\"orders\"]\nstate = \"partitioned\"\n\
         [processors.burner.config]\nturns = 5_000_000\n\
         [processors.burner.limits]\ncall-time = \"10m\"\nfuel-per-event = 1_000_000_000\n",
        publisher.url()
    ));
    let burner = example("rust", "burner");
    project.put("burner.wasm", &burner);
    let events = |count: usize| (0..count).map(|number| format!("{{\"number\":{number}}}"));
    // The batch of the first partition takes the better part of a minute, those of the second some milliseconds.
    publisher.append(0, events(5_000));
    publisher.append(1, events(1));
    let mut host = project.start();
    host.wait_for("processing", 2);
    host.wait_for("committed", 1);
    project.put("burner.wasm", &with_a_note(&burner, "another"));
    wait_until("a commit of the new component", || {
        publisher.append(1, events(1));
        project.partition("burner", "1")["lineage"].as_array().is_some_and(|stretches| stretches.len() == 2)
    });
    assert_eq!(project.partition("burner", "0")["position"], 0, "the first partition is still at its first batch");
}

#[test]
fn a_file_that_does_not_load_is_refused_with_the_reason_and_the_old_component_goes_on() {
    let (publisher, project, first) = start(2);
    append(&publisher, 50);
    let mut host = project.start();
    host.wait_for("committed", 2);
    let nothing = b"\0asm\x0d\0\x01\0".to_vec();
    let bad: [(&str, &[u8], &str); 3] = [
        ("truncated", &first[..first.len() / 2], "unexpected end"),
        ("no component", b"this is no component\n", "it is not WebAssembly"),
        ("another contract", &nothing, "handler"),
    ];
    for (number, (what, bytes, reason)) in (1..).zip(bad) {
        project.put("ledger.wasm", bytes);
        host.wait_for(REFUSED, number);
        let log = host.complaints();
        let line = log.lines().rev().find(|line| line.contains(REFUSED)).unwrap();
        assert!(line.contains(reason), "{what}: {line}");
        append(&publisher, 20);
        wait_for_all(&project, &publisher);
    }
    let good = with_a_note(&first, "repaired");
    project.put("ledger.wasm", &good);
    host.wait_for(RELOADED, 1);
    append(&publisher, 20);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
    let digests: Vec<String> = lineage(&project, "0").into_iter().map(|(digest, ..)| digest).collect();
    assert_eq!(digests, [first, good].map(|component| Digest::of(&component).to_string()));
}

#[test]
fn a_file_that_is_written_slowly_in_place_is_loaded_when_it_is_whole() {
    let (publisher, project, first) = start(3);
    append(&publisher, 50);
    let mut host = project.start();
    host.wait_for("committed", 2);
    let second = with_a_note(&first, "slowly");
    let mut file = fs::File::create(project.path().join("ledger.wasm")).unwrap();
    file.write_all(&second[..second.len() / 2]).unwrap();
    file.sync_all().unwrap();
    host.wait_for(REFUSED, 1);
    file.write_all(&second[second.len() / 2..]).unwrap();
    drop(file);
    host.wait_for(RELOADED, 1);
    append(&publisher, 50);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_host_that_starts_while_the_file_is_bad_runs_the_last_accepted_component_and_says_so() {
    let (publisher, project, first) = start(4);
    append(&publisher, 50);
    project.run_until_idle();
    append(&publisher, 50);
    project.put("ledger.wasm", &first[..first.len() / 2]);
    let log = project.run_until_stopped();
    let said = log_lines(&log, FELL_BACK);
    assert_eq!((said.len(), &said[0]["hint"]), (1, &"look at it with `tidemill inspect ledger.wasm`".into()), "{log}");
    assert_eq!((log_lines(&log, REFUSED).len(), log_lines(&log, CHANGED).len()), (0, 0), "once is enough: {log}");
    let outdated = |log: &str| {
        let why: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        why["outdated"].clone()
    };
    assert_eq!(outdated(&log), "`ledger`", "a deployment that went wrong is no success: {log}");
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
    assert_eq!(lineage(&project, "1"), [(Digest::of(&first).to_string(), 0, 100)]);

    // Gone altogether is no better.
    fs::remove_file(project.path().join("ledger.wasm")).unwrap();
    append(&publisher, 50);
    let log = project.run_until_stopped();
    let said = log_lines(&log, FELL_BACK);
    assert_eq!((said.len(), &said[0]["cause"]), (1, &"the component ledger.wasm is not there".into()), "{log}");
    assert!(said[0]["hint"].as_str().unwrap().starts_with("build it"), "{log}");
    assert_eq!((log_lines(&log, REFUSED).len(), outdated(&log)), (0, "`ledger`".into()), "{log}");
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

/// A run until everything is at rest, which waits for its feed. The component was accepted before, and all events are applied.
fn waiting_run(seed: u64) -> (Publisher, Project, Vec<u8>, Host) {
    let (publisher, project, first) = start(seed);
    append(&publisher, 50);
    project.run_until_idle();
    publisher.refuse(10_000, &[]);
    let mut host = project.run(&["--until-idle"]);
    host.wait_for("the feed cannot be read now; it is asked again", 2);
    (publisher, project, first, host)
}

#[test]
fn a_run_until_idle_whose_component_goes_bad_meanwhile_applies_everything_by_the_old_one_and_ends_with_1() {
    let (publisher, project, first, mut host) = waiting_run(10);
    project.put("ledger.wasm", &first[..first.len() / 2]);
    host.wait_for(REFUSED, 1);
    append(&publisher, 50);
    publisher.relent();
    assert_eq!(host.wait().code(), Some(1), "{}", host.complaints());
    let log = host.complaints();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outdated"], &last["stopped"]), (&"`ledger`".into(), &serde_json::Value::Null), "{log}");
    assert!(last["hint"].as_str().unwrap().ends_with("the lines above why a component does not load"), "{log}");
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
    assert_eq!(lineage(&project, "1"), [(Digest::of(&first).to_string(), 0, 100)]);
}

#[test]
fn a_run_until_idle_whose_component_was_bad_only_meanwhile_ends_with_0() {
    let (publisher, project, first, mut host) = waiting_run(11);
    project.put("ledger.wasm", b"not yet");
    host.wait_for(REFUSED, 1);
    project.put("ledger.wasm", &with_a_note(&first, "repaired"));
    host.wait_for(RELOADED, 1);
    append(&publisher, 50);
    publisher.relent();
    assert!(host.wait().success(), "{}", host.complaints());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_run_until_idle_does_not_end_before_it_is_known_what_a_changed_component_comes_to() {
    let (publisher, project, first, mut host) = waiting_run(12);
    let (second, pipe) = (with_a_note(&first, "at the end"), project.path().join("pipe"));
    // Whoever reads a pipe waits for who writes it, and the other way round.
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, project.path().join("ledger.wasm")).unwrap();
    let mut slow = OpenOptions::new().write(true).open(project.path().join("ledger.wasm")).unwrap();
    project.put("ledger.wasm", &second);
    publisher.relent();
    let before = publisher.requests();
    wait_until("pages without events", || {
        assert!(host.is_running(), "{}", host.complaints());
        publisher.requests() >= before + 20
    });
    slow.write_all(&second).unwrap();
    drop(slow);
    assert!(host.wait().success(), "{}", host.complaints());
    assert_eq!(host.logged(RELOADED), 1, "{}", host.complaints());
    assert_eq!(project.status()["processors"][0]["component"], Digest::of(&second).to_string());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_processor_whose_first_component_is_bad_begins_when_a_good_one_comes() {
    let (publisher, project, first) = start(5);
    append(&publisher, 50);
    project.put("ledger.wasm", b"not yet");
    let mut host = project.run(&[]);
    host.wait_for("the component does not load; waiting for another file", 1);
    project.put("ledger.wasm", &first);
    host.wait_for("committed", 2);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_component_that_was_not_built_yet_is_loaded_once_it_is_and_nobody_is_told_to_restart() {
    let (publisher, project, first) = start(5);
    let configuration = fs::read_to_string(project.path().join("tidemill.toml")).unwrap();
    project.configure(&configuration.replace("ledger.wasm", "built/ledger.wasm"));
    append(&publisher, 50);
    let mut host = project.run(&[]);
    host.wait_for("the component does not load; waiting for another file", 1);
    fs::create_dir(project.path().join("built")).unwrap();
    project.put("built/ledger.wasm", &first);
    host.wait_for("the processor starts", 1);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    let log = host.complaints();
    assert!(!log.contains("restart") && !log.contains("\"level\":\"WARN\""), "{log}");
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_component_is_reloaded_after_its_directory_was_replaced() {
    let (publisher, project, first) = start(7);
    let configuration = fs::read_to_string(project.path().join("tidemill.toml")).unwrap();
    project.configure(&configuration.replace("ledger.wasm", "built/ledger.wasm"));
    let built = project.path().join("built");
    let make = |bytes: &[u8]| {
        fs::create_dir(&built).unwrap();
        fs::write(built.join("ledger.wasm"), bytes).unwrap();
    };
    make(&first);
    append(&publisher, 50);
    let mut host = project.start();
    host.wait_for("committed", 2);
    for (number, note) in [(1, "once"), (2, "twice")] {
        fs::remove_dir_all(&built).unwrap();
        make(&with_a_note(&first, note));
        host.wait_for(RELOADED, number);
    }
    append(&publisher, 50);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_database_that_is_busy_while_a_component_is_loaded_only_delays_it() {
    let (publisher, project, first) = start(8);
    append(&publisher, 50);
    let mut host = project.start();
    host.wait_for("committed", 2);
    let mut other = rusqlite::Connection::open(project.path().join("data/tidemill.db")).unwrap();
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    project.put("ledger.wasm", &with_a_note(&first, "while it is busy"));
    host.wait_for("the changed component cannot be loaded now; it is tried again", 1);
    drop(held);
    host.wait_for(RELOADED, 1);
    append(&publisher, 50);
    wait_for_all(&project, &publisher);
    host.terminate();
    assert!(host.wait().success());
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}

#[test]
fn a_host_that_is_told_to_stop_does_not_wait_for_a_component_that_compiles() {
    let (publisher, project, first) = start(6);
    append(&publisher, 50);
    let mut host = project.start();
    host.wait_for("committed", 2);
    project.put("ledger.wasm", &with_a_note(&first, "too late"));
    host.wait_for(CHANGED, 1);
    host.terminate();
    assert!(host.wait().success());
    assert!(!host.complaints().contains("a batch did not end in time"), "{}", host.complaints());
    project.run_until_idle();
    assert_whole_ledger(&project, "ledger", "orders", &publisher);
}
