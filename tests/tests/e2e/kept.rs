//! What is kept, and what operators are told of it where something is wrong with it.

use std::fs;

use e2e::{
    guest_host::example,
    project::{Project, log_lines},
};
use serde_json::json;

const FEED: &str = "[feeds.orders]\nurl = \"file:orders.ndjson\"\npoll-interval = \"10ms\"\n";

fn processor(name: &str) -> String {
    format!("[processors.{name}]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n")
}

/// A feed of two events, and processors of this name on it.
fn world(names: &[&str]) -> Project {
    let processors: String = names.iter().map(|name| processor(name)).collect();
    let project = Project::new(&format!("{FEED}{processors}"));
    project.put("totals.wasm", &example("rust", "totals"));
    let events = "{\"user\":\"ada\",\"amount\":3}\n{\"user\":\"bob\",\"amount\":5}\n";
    fs::write(project.path().join("orders.ndjson"), events).unwrap();
    project
}

#[test]
fn a_run_ends_over_a_row_that_nobody_can_read_and_says_which() {
    let project = world(&["other", "totals"]);
    project.run_until_idle();
    let database = rusqlite::Connection::open(project.path().join("data/tidemill.db")).unwrap();
    database.execute("UPDATE checkpoint SET last_error = '{}' WHERE processor = 'totals'", []).unwrap();
    drop(database);
    let log = project.run_until_stopped();
    let said = &log_lines(&log, "the partitions could not be started")[0];
    assert_eq!((&said["level"], &said["processor"]), (&json!("ERROR"), &json!("totals")), "{log}");
    let cause = said["cause"].as_str().unwrap();
    assert!(
        cause.contains("for processor `totals`, feed `orders`, partition 0, an error that is not as expected"),
        "{log}"
    );
    assert!(said["hint"].as_str().unwrap().contains("put a backup back"), "{log}");
    let last = &log_lines(&log, "the run ends with 1: not everything went well")[0];
    assert_eq!(last["not_started"], "`totals` orders", "{log}");
    let refused = project.fails(&["status"], 1);
    assert!(refused.contains("for processor `totals`, feed `orders`, partition 0, an error"), "{refused}");
}

#[test]
fn a_database_that_is_gone_is_missed_in_the_log_and_one_that_was_emptied_is_refused() {
    const GONE: &str = "there was a database in the data directory, and it is gone: every feed is read from its start";
    let project = world(&["totals"]);
    let log_of_a_run = || {
        let mut host = project.run(&["--until-idle"]);
        assert!(host.wait().success(), "{}", host.complaints());
        host.complaints()
    };
    assert!(log_lines(&log_of_a_run(), GONE).is_empty(), "nothing was there before");
    assert!(log_lines(&log_of_a_run(), GONE).is_empty());
    let database = project.path().join("data/tidemill.db");

    fs::remove_file(&database).unwrap();
    let log = log_of_a_run();
    let [said] = &log_lines(&log, GONE)[..] else { panic!("it is said once: {log}") };
    assert_eq!(said["level"], "WARN");
    assert!(said["hint"].as_str().unwrap().contains("tidemill restore FILE --force"), "{log}");
    assert_eq!(project.state("totals").len(), 2, "it began anew");

    fs::write(&database, "").unwrap();
    let refused = project.fails(&["run", "--until-idle"], 1);
    assert!(
        refused.contains("is empty, and it was not when") && refused.contains("\n  hint: look at the disk"),
        "{refused}"
    );
    assert_eq!(fs::metadata(&database).unwrap().len(), 0);
    let looked = project.fails(&["status"], 1);
    assert!(looked.contains("there is no database in"), "{looked}");
    fs::remove_file(&database).unwrap();
    assert_eq!(log_lines(&log_of_a_run(), GONE).len(), 1);
}

#[test]
fn who_skips_where_the_component_asked_for_a_person_is_told_why_that_skips_nothing() {
    let project =
        Project::new(&format!("{FEED}[processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n"));
    project.put("fickle.wasm", &example("rust", "fickle"));
    fs::write(project.path().join("orders.ndjson"), "{\"do\":\"halt\"}\n").unwrap();
    project.run_until_stopped();
    let said = project.fails(&["resume", "fickle", "--skip"], 1);
    let wanted = "feed `orders`, partition 0 of processor `fickle` is halted, but at no event, so there is nothing to skip: \
                  the component halted: the event asked to halt\n  hint: see to that, then `tidemill resume fickle` without `--skip`; \
                  or go on behind it with `tidemill reset fickle --feed orders --partition 0 --to CURSOR`";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn a_processor_that_is_not_configured_any_more_is_removed_by_a_reset_beside_a_host_or_without_one() {
    let project = world(&["first", "second", "totals"]);
    project.run_until_idle();
    let names = || {
        let status = project.status();
        let name = |found: &serde_json::Value| found["name"].as_str().unwrap().to_owned();
        status["processors"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    project.configure(&format!("{FEED}{}", processor("totals")));
    assert_eq!(names(), ["first", "second", "totals"]);
    let asks = project.fails(&["reset", "first"], 2);
    assert!(asks.contains("Processor `first` is not configured. Delete its state"), "{asks}");
    assert_eq!(
        project.ok(&["reset", "first", "--yes"]),
        "processor `first` is removed: state, 1 partition and 0 parked events forgotten\n"
    );
    assert_eq!(names(), ["second", "totals"]);
    let gone = project.fails(&["reset", "first", "--yes"], 1);
    assert!(gone.contains("no processor `first` has run") && gone.contains("these have: `second`, `totals`"), "{gone}");

    let mut host = project.start();
    project.ok(&["reset", "second", "--yes"]);
    assert_eq!(names(), ["totals"]);
    // The host still has what the file has lost since.
    project.configure(FEED);
    let refused = project.fails(&["reset", "totals", "--yes"], 1);
    assert!(
        refused.contains("the running host's configuration has processor `totals`\n  hint: start the host again"),
        "{refused}"
    );
    host.terminate();
    assert!(host.wait().success());
    assert_eq!(names(), ["totals"]);

    // Who comes back begins anew, and so after a restore of a copy without it.
    project.ok(&["reset", "totals", "--yes"]);
    project.ok(&["backup", "copy.db"]);
    project.restore("copy.db");
    assert_eq!(names(), [""; 0]);
    project.configure(&format!("{FEED}{}", processor("totals")));
    project.run_until_idle();
    assert_eq!(project.state("totals").len(), 2);
}
