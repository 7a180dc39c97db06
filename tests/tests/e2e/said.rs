//! What the host says in its log: each thing once, as a sentence, with a way out.

use std::fs;

use e2e::{
    guest_host::example,
    project::{Project, log_lines},
    publisher::Publisher,
};
use serde_json::{Value as Json, json};

const PARKED: &str = "events were parked";
const BACKLOG: &str = "events are parked since an earlier run";
const NOT_WELL: &str = "the run ends with 1: not everything went well";

/// A feed, and `fickle` on it with these settings.
fn world(partitions: usize, settings: &str) -> (Publisher, Project) {
    let publisher = Publisher::start(partitions, 1);
    let project = Project::new(&format!(
        "{}poll-interval = \"10ms\"\n[processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n{settings}",
        publisher.section("orders")
    ));
    project.put("fickle.wasm", &example("rust", "fickle"));
    (publisher, project)
}

fn poison(number: usize) -> String {
    json!({ "do": "reject", "why": format!("no {number}") }).to_string()
}

/// Runs until everything is at rest, which must go well, and gives the log.
fn log_of_a_good_run(project: &Project, arguments: &[&str]) -> String {
    let mut host = project.run(&[&["--until-idle"], arguments].concat());
    assert!(host.wait().success(), "{}", host.complaints());
    host.complaints()
}

/// The last line of a log, which must say why the run ended with 1.
#[track_caller]
fn why(log: &str) -> Json {
    let last: Json = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["message"], &last["level"]), (&json!(NOT_WELL), &json!("ERROR")), "{log}");
    assert!(last["hint"].as_str().unwrap().contains("`tidemill status`"), "{last}");
    last
}

#[test]
fn of_a_flood_of_parked_events_a_few_lines_say_how_many_and_why_and_none_is_left_out() {
    let (publisher, project) = world(1, "on-reject = \"park\"\n");
    publisher.set_span(1);
    publisher.append(0, (0..40).map(poison));
    let log = project.run_until_stopped();
    let said = log_lines(&log, PARKED);
    assert!((1..=7).contains(&said.len()), "{log}");
    let counted: u64 = said.iter().map(|line| line["parked"].as_u64().unwrap()).sum();
    assert_eq!(counted, 40, "{log}");
    let first = &said[0];
    assert_eq!(
        (&first["level"], &first["cause"], &first["waiting"]),
        (&json!("WARN"), &json!("rejected"), &Json::Null)
    );
    assert!(first["reason"].as_str().unwrap().contains("the event asked to be rejected"), "{first}");
    assert!(first["hint"].as_str().unwrap().contains("`tidemill parked list`"), "{first}");
    let why = why(&log);
    assert_eq!((&why["parked"], &why["stopped"]), (&json!(40), &Json::Null));
    assert!(why["hint"].as_str().unwrap().contains("`tidemill parked list`"), "{why}");

    // The next run parks nothing, and says what there is.
    let log = log_of_a_good_run(&project, &[]);
    let said = log_lines(&log, BACKLOG);
    assert_eq!((said.len(), &said[0]["parked"], &said[0]["held_keys"]), (1, &json!(40), &Json::Null), "{log}");
    assert_eq!((&said[0]["processor"], log_lines(&log, PARKED).len()), (&json!("fickle"), 0));
    assert!(said[0]["hint"].as_str().unwrap().contains("`tidemill parked list`"), "{log}");

    // With nothing parked there is nothing to say.
    project.ok(&["parked", "drop", "fickle", "--all", "--yes"]);
    assert_eq!(log_lines(&log_of_a_good_run(&project, &[]), BACKLOG).len(), 0);
}

#[test]
fn events_that_wait_behind_a_parked_one_are_counted_in_its_line_and_their_key_is_not_logged() {
    let (publisher, project) = world(1, "on-reject = \"park\"\npark = \"key\"\npark-key = \"/user\"\n");
    publisher.set_span(4);
    let put = |user: &str| json!({ "do": "put", "user": user, "key": user, "value": "1" }).to_string();
    publisher.append(0, [json!({ "do": "trap", "user": "ada" }).to_string(), put("ada"), put("ada"), put("bob")]);
    let log = project.run_until_stopped();
    let said = log_lines(&log, PARKED);
    assert_eq!((said.len(), &said[0]["parked"], &said[0]["waiting"]), (1, &json!(3), &json!(2)), "{log}");
    assert_eq!(said[0]["cause"], "trap");
    // What comes now only waits.
    publisher.append(0, [put("ada"), put("bob"), put("bob"), put("bob")]);
    let log = project.run_until_stopped();
    let (said, backlog) = (log_lines(&log, PARKED), log_lines(&log, BACKLOG));
    assert_eq!((said.len(), &said[0]["parked"], &said[0]["cause"]), (1, &json!(1), &json!("behind")), "{log}");
    let there = (&backlog[0]["parked"], &backlog[0]["waiting"], &backlog[0]["held_keys"]);
    assert_eq!(there, (&json!(3), &json!(2), &json!(1)), "{log}");
    assert!(!log.contains("ada"), "a key comes from a payload: {log}");
}

#[test]
fn a_run_that_ends_with_1_says_which_partitions_stopped() {
    let (publisher, project) = world(7, "");
    (0..7).for_each(|partition| publisher.append(partition, [poison(partition)]));
    let why = why(&project.run_until_stopped());
    let named: Vec<_> = (0..5).map(|partition| format!("`fickle` orders/{partition} (halted)")).collect();
    assert_eq!(why["stopped"], format!("{} and 2 more", named.join(", ")));
    assert_eq!((&why["parked"], &why["outdated"], &why["not_running"]), (&Json::Null, &Json::Null, &Json::Null));
}

#[test]
fn a_feed_change_that_is_refused_is_a_warning_and_one_of_an_unknown_feed_is_not_begun() {
    let (publisher, project) = world(1, "");
    publisher.append(0, [json!({ "do": "put", "key": "k", "value": "1" }).to_string()]);
    let unknown = project.fails(&["run", "--until-idle", "--accept-feed-change", "nosuch"], 2);
    assert!(unknown.contains("the configuration has no feed `nosuch`\n  hint: its feeds are `orders`"), "{unknown}");
    assert!(!project.path().join("data").exists(), "nothing was begun");

    let refused = log_of_a_good_run(&project, &["--accept-feed-change", "orders"]);
    let said = log_lines(&refused, "the feed's new address was not accepted");
    assert_eq!((said.len(), &said[0]["level"]), (1, &json!("WARN")), "{refused}");
    assert_eq!(said[0]["cause"], "processor `fickle` has no partition of the feed `orders`");
    assert_eq!(said[0]["hint"], "look at it with `tidemill status`");

    let accepted = log_of_a_good_run(&project, &["--accept-feed-change"]);
    let said = log_lines(&accepted, "the feed's new address was accepted");
    assert_eq!((said.len(), &said[0]["level"]), (1, &json!("INFO")), "{accepted}");
    assert!(said[0]["done"].as_str().unwrap().starts_with("1 partition of the feed `orders` read from "), "{accepted}");
}

#[test]
fn a_request_that_is_refused_is_a_warning_and_one_that_is_done_is_told_in_words() {
    let (publisher, project) = world(1, "on-reject = \"park\"\n");
    publisher.append(0, [poison(1)]);
    let mut host = project.start();
    host.wait_for(PARKED, 1);
    project.fails(&["parked", "retry", "fickle", "--all"], 1);
    project.ok(&["pause", "fickle"]);
    host.wait_for("a request was executed", 1);
    let log = host.complaints();
    let (refused, done) = (log_lines(&log, "a request was refused"), log_lines(&log, "a request was executed"));
    assert_eq!((refused.len(), &refused[0]["level"], &refused[0]["what"]), (1, &json!("WARN"), &json!("parked-retry")));
    assert!(refused[0]["cause"].as_str().unwrap().starts_with("0 applied; 1 stays parked: "), "{log}");
    assert!(refused[0]["hint"].as_str().unwrap().contains("`tidemill parked drop`"), "{log}");
    assert_eq!((done.len(), &done[0]["done"]), (1, &json!("1 partition of processor `fickle` paused")), "{log}");
    host.terminate();
    assert!(host.wait().success());
}

#[test]
fn a_feed_that_cannot_be_discovered_is_said_at_first_and_then_ever_more_rarely() {
    let project = Project::new(
        "[feeds.orders]\nurl = \"http://127.0.0.1:1/\"\nprotocol = \"feedapi\"\n\
         [processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n",
    );
    project.put("fickle.wasm", &example("rust", "fickle"));
    let mut host = project.run(&[]);
    host.wait_for("the feed could not be discovered again", 2);
    host.terminate();
    assert!(host.wait().success());
    let log = host.complaints();
    let said = log_lines(&log, "the feed cannot be discovered now; it is tried again");
    let tries: Vec<_> = said.iter().map(|line| line["tries"].as_u64().unwrap()).collect();
    assert!(tries.starts_with(&[1, 2, 4]) && tries.len() <= 4, "{log}");
}

#[test]
fn the_command_in_the_hint_of_a_lost_cursor_can_be_typed_as_it_stands() {
    let project = Project::new(
        "[feeds.orders]\nurl = \"file:orders.ndjson\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n",
    );
    project.put("totals.wasm", &example("rust", "totals"));
    let event = "{\"user\":\"ada\",\"amount\":3}\n";
    fs::write(project.path().join("orders.ndjson"), event.repeat(2)).unwrap();
    project.run_until_idle();
    fs::write(project.path().join("orders.ndjson"), event).unwrap();
    let log = project.run_until_stopped();
    let command = "tidemill reset totals --feed orders --partition 0 --to first";
    assert!(log.contains(&format!("`{command}`")) && !log.contains("PROCESSOR"), "{log}");
    let hint = project.partition("totals", "0")["last-error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains(command), "{hint}");
    project.ok(&[&command.split(' ').skip(1).collect::<Vec<_>>()[..], &["--yes"]].concat());
    project.run_until_idle();
}
