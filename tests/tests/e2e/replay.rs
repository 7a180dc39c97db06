//! `record`, `replay` and `inspect --events`: what an event does, and what it costs, without committing anything.

use std::fs;

use e2e::{guest_host::example, project::Project, publisher::Publisher, served::Served};
use serde_json::Value as Json;

const EVENTS: [&str; 6] = [
    r#"{"user":"ada",  "amount":3}"#,
    r#"{"user":"bob","amount":5}"#,
    r#"{"user":"bl\u00e5b\u00e6r","amount":1}"#,
    r#"{"user":"ada","amount":"x"}"#,
    r#"{"user":"ada","amount":4}"#,
    r#"{"user":"bob","amount":-5}"#,
];

/// `totals` on a feed that is served in two partitions.
fn served(protocol: &str) -> (Project, Served) {
    let project = Project::new("");
    project.put("totals.wasm", &example("rust", "totals"));
    project.put("events.ndjson", (EVENTS.join("\n") + "\n").as_bytes());
    let served = Served::start(&project, "events.ndjson", 2);
    let partitions = if protocol == "zeroeventhub" { "partitions = 2\n" } else { "" };
    project.configure(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"{protocol}\"\n{partitions}\
         [feeds.kept]\nurl = \"file:case.ndjson\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\non-reject = \"park\"\n\
         [processors.again]\ncomponent = \"totals.wasm\"\nfeeds = [\"kept\"]\non-reject = \"park\"\n",
        served.url()
    ));
    (project, served)
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_recorded_of_a_feed_replays_as_the_feed_does() {
    for protocol in ["zeroeventhub", "feedapi"] {
        let (project, _served) = served(protocol);
        let said = project.tidemill(&["record", "orders", "--events", "100", "-o", "case.ndjson"]);
        assert!(said.status.success(), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stdout).starts_with("6 events in "), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stderr).contains("The feed has no more than that"), "{said:?}");
        let recording = fs::read_to_string(project.path().join("case.ndjson")).unwrap();
        assert!(recording.starts_with("{\"recording\":\"tidemill\",\"version\":1,\"feed\":\"orders\""), "{recording}");
        for event in EVENTS {
            assert!(recording.contains(&format!("\"data\":{event}}}")), "{protocol}: {event} is not in\n{recording}");
        }

        // As a feed it gives the same events in the same partitions, and so the same state.
        project.run_until_stopped();
        let state = project.state("totals");
        assert_eq!(state["total/ada"], "7");
        assert_eq!(project.state("again"), state);
        let positions = |processor: &str, partition: &str| project.partition(processor, partition)["position"].clone();
        for partition in ["0", "1"] {
            assert_eq!(positions("again", partition), positions("totals", partition), "{protocol} {partition}");
        }

        // Replayed it writes the same, and the one event is found to be to blame.
        let output = project.tidemill(&["replay", "totals", "--events", "case.ndjson", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let batches = lines(&String::from_utf8(output.stdout).unwrap());
        let mut changes = batches.iter().flat_map(|batch| batch["changes"].as_array().unwrap());
        let last = changes.rfind(|change| change["key"] == "total/ada").unwrap();
        assert_eq!(last["after"], "7");
        let rejected: Vec<_> = batches.iter().flat_map(|batch| batch["rejected"].as_array().unwrap()).collect();
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        assert_eq!(rejected[0]["payload"], EVENTS[3]);
        assert_eq!(project.state("totals"), state, "nothing is committed");
    }
}

#[test]
fn a_recording_is_the_events_of_a_case() {
    let (project, _served) = served("feedapi");
    project.ok(&["record", "orders", "--partition", "0", "--events", "1", "-o", "case.ndjson"]);
    project.put("recorded.toml", b"on-reject = 'skip'\nevents-file = 'case.ndjson'\n");
    project.ok(&["test", "recorded.toml", "--processor", "totals", "--update"]);
    let said = project.ok(&["test", "recorded.toml", "--processor", "totals", "--json"]);
    assert_eq!(lines(&said)[0]["passed"], true);
    let written = fs::read_to_string(project.path().join("recorded.toml")).unwrap();
    assert!(written.contains("\"total/") && !written.contains("[after]\n\n"), "{written}");
}

/// The words behind a line's beginning, as a shell would split them.
#[track_caller]
fn command_after(text: &str, begin: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(begin));
    let line = line.unwrap_or_else(|| panic!("`{begin}` is missing in\n{text}"));
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_halt_ends_with_the_command_that_shows_the_event_failing_alone() {
    let publisher = Publisher::start(1, 1);
    publisher.set_span(3);
    publisher.append(0, EVENTS.map(str::to_owned));
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n",
        publisher.url()
    ));
    project.put("totals.wasm", &example("rust", "totals"));
    let log = project.run_until_stopped();
    assert!(log.contains("see it fail alone with `tidemill replay totals --feed orders"), "{log}");
    let command = command_after(&project.ok(&["status"]), "again: ");
    let status = project.status();
    let said = status["processors"][0]["partitions"][0]["last-error"]["reproduce"].as_str().unwrap();
    assert_eq!(said, format!("tidemill {}", command.join(" ")));
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    let output = project.tidemill(&[&arguments[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let batches = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(batches.len(), 1, "{batches:?}");
    assert_eq!((&batches[0]["events"], &batches[0]["from"]), (&1.into(), &"c3".into()));
    assert_eq!(batches[0]["rejected"][0]["payload"], EVENTS[3]);

    // An event that is fine shows what it would change in the state as it is.
    let fine = ["replay", "totals", "--feed", "orders", "--from", "c3", "--event", "2", "--state", "current", "--json"];
    let fine = lines(&project.ok(&fine));
    let change = &fine[0]["changes"][0];
    assert_eq!((&change["key"], &change["before"], &change["after"]), (&"total/ada".into(), &"3".into(), &"7".into()));
    let said = project.ok(&["replay", "totals", "--feed", "orders", "--from", "c3", "--event", "2"]);
    assert!(said.contains("total/ada: - → 4"), "{said}");
    project.fails(&["replay", "totals", "--feed", "orders", "--event", "7"], 1);
}

#[test]
fn a_parked_event_is_tried_again_without_settling_it() {
    let (project, _served) = served("zeroeventhub");
    project
        .put("case.ndjson", b"{\"recording\":\"tidemill\",\"version\":1,\"feed\":\"kept\",\"partitions\":[\"0\"]}\n");
    project.run_until_stopped();
    let shown = project.ok(&["parked", "show", "totals", "1"]);
    let command = command_after(&shown, "tidemill ");
    assert_eq!(command, ["totals", "--parked", "1"]);
    let output = project.tidemill(&["replay", "totals", "--parked", "1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("not a payment: ") && said.contains(EVENTS[3]), "{said}");
    assert_eq!(project.ok(&["parked", "list", "totals", "--json"]).lines().count(), 1);
    let complaint = project.fails(&["replay", "totals", "--parked", "9"], 1);
    assert!(complaint.contains("tidemill parked list totals"), "{complaint}");
}

#[test]
fn what_each_kind_of_event_costs_can_be_seen() {
    let project = Project::new("");
    project.put("join.wasm", &example("rust", "join"));
    let orders = (0..20).map(|number| format!("{{\"type\":\"order\",\"customer\":\"c{number}\",\"amount\":1}}\n"));
    let mut events = orders.collect::<Vec<_>>().concat();
    events += "{\"type\":\"customer\",\"id\":\"c1\",\"name\":\"Ada\"}\n{\"type\":\"order\"}\n";
    project.put("sample.ndjson", events.as_bytes());
    let inspect = ["inspect", "join.wasm", "--events", "sample.ndjson", "--kind-of", "/type"];
    let document: Json = serde_json::from_str(&project.ok(&[&inspect[..], &["--json"]].concat())).unwrap();
    let kinds = document["kinds"].as_array().unwrap();
    assert_eq!(kinds.iter().map(|kind| kind["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["customer", "order"]);
    let order = &kinds[1];
    assert_eq!((&order["events"], &order["rejected"]), (&21.into(), &1.into()));
    let number = |name: &str| order[name].as_u64().unwrap();
    assert!(0 < number("fuel-median") && number("fuel-median") <= number("fuel-p99"), "{order}");
    assert!(number("fuel-p99") <= number("fuel-max") && number("memory-bytes-max") > 0, "{order}");
    let row = "{\"name\":null,\"spent\":1}".len() as u64;
    assert_eq!(number("bytes-written-max"), row + "customer/c10".len() as u64);
    assert_eq!(document["granted"]["fuel-per-event"], 10_000_000);
    let words = project.ok(&inspect);
    assert!(words.contains("FUEL MEDIAN") && words.contains("The limits grant: fuel 1000000000 a call"), "{words}");
}
