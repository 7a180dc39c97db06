//! What a processor may keep and say: warned about, stopped where it ends, and nobody else's matter.

use e2e::{
    guest_host::example,
    project::{Host, Project, log_lines},
    publisher::Publisher,
};
use serde_json::{Value as Json, json};

const NEARLY: &str = "the processor has nearly used up its quota";
const USED_UP: &str = "the processor has used up its quota";
const PAST: &str = "the processor is past its quota";

/// A feed of one partition in spans of three events, and two processors on it.
struct World {
    publisher: Publisher,
    project: Project,
}

impl World {
    fn new() -> Self {
        let publisher = Publisher::start(1, 1);
        publisher.set_span(3);
        let project = Project::new("");
        project.put("fickle.wasm", &example("rust", "fickle"));
        project.put("ledger.wasm", &example("rust", "ledger"));
        Self { publisher, project }
    }

    /// `grows` with these settings and tables, and its neighbour `ledger` without any.
    fn configure(&self, grows: &str) {
        self.project.configure(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\n\
             [processors.grows]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n{grows}",
            self.publisher.section("orders")
        ));
    }

    fn append(&self, events: impl IntoIterator<Item = Json>) {
        self.publisher.append(0, events.into_iter().map(|event| event.to_string()));
    }

    fn processor(&self, name: &str) -> Json {
        let status = self.project.status();
        status["processors"].as_array().unwrap().iter().find(|found| found["name"] == name).cloned().unwrap()
    }

    fn position(&self, processor: &str) -> u64 {
        self.project.partition(processor, "0")["position"].as_u64().unwrap()
    }
}

fn put(number: usize) -> Json {
    json!({ "do": "put", "key": format!("k{number:02}"), "value": "0123456789" })
}

#[test]
fn a_state_that_grows_is_warned_about_stops_at_its_quota_and_goes_on_when_that_is_raised() {
    let world = World::new();
    // `fickle` counts what it applied under one key: with that, 20 rows are full after 19 events, so after 18 with their checkpoint.
    world.configure("[processors.grows.quotas]\nstored-rows = 20\n");
    world.append((0..15).map(put));
    let mut host = world.project.run(&["--until-idle"]);
    assert!(host.wait().success(), "{}", host.complaints());
    let warned = log_lines(&host.complaints(), NEARLY);
    let [warning] = &warned[..] else { panic!("one warning: {warned:?}") };
    assert_eq!(
        (&warning["what"], &warning["max"], &warning["setting"]),
        (&json!("rows"), &json!(20), &json!("quotas.stored-rows"))
    );
    assert_eq!(world.processor("grows")["stored"]["rows"], 16);
    let text = world.project.ok(&["status"]);
    assert!(text.contains("stored-rows  16    20  80 %, nearly full"), "{text}");

    world.append((15..30).map(put));
    let log = world.project.run_until_stopped();
    assert_eq!(log_lines(&log, NEARLY).len(), 1, "said once at the start, and not again when more is kept\n{log}");
    let partition = world.project.partition("grows", "0");
    assert_eq!((&partition["status"], &partition["position"]), (&json!("stopped"), &json!(18)), "{partition}");
    let error = &partition["last-error"];
    assert_eq!((&error["kind"], &error["stage"]), (&json!("full"), &json!("commit")));
    assert_eq!(error["cause"], "the processor may keep 20 rows (quotas.stored-rows): it keeps 19, and this adds 3");
    let hint = error["hint"].as_str().unwrap();
    let whole =
        hint.starts_with("raise quotas.stored-rows and start again") && hint.ends_with("; then `tidemill resume`");
    assert!(whole, "{error}");
    assert_eq!(error["event"], Json::Null, "no event is to blame");
    assert_eq!(world.processor("grows")["stored"]["rows"], 19);
    assert_eq!(world.position("ledger"), 30, "the neighbour went on");

    world.configure("[processors.grows.quotas]\nstored-rows = 31\n");
    world.project.run_until_idle();
    let mut wanted: Vec<_> = (0..30).map(|number| (format!("k{number:02}"), "0123456789".to_owned())).collect();
    wanted.insert(0, ("fickle/orders/0".to_owned(), "30".to_owned()));
    assert_eq!(world.project.state("grows").into_iter().collect::<Vec<_>>(), wanted);
    let grows = world.processor("grows");
    assert_eq!(grows["stored"]["rows"], 31);
    let bytes = wanted.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    assert_eq!((&grows["stored"]["bytes"], &grows["state"]["bytes"]), (&json!(bytes), &json!(bytes)));
    let text = world.project.ok(&["status"]);
    assert!(text.contains("stored-rows  31    31  100 %, full"), "{text}");
    let mut host = world.project.run(&["--until-idle"]);
    assert!(host.wait().success(), "{}", host.complaints());
    let log = host.complaints();
    assert_eq!((log_lines(&log, USED_UP).len(), log_lines(&log, NEARLY).len()), (1, 0), "{log}");

    world.configure("[processors.grows.quotas]\nstored-rows = 5\n");
    let mut host = world.project.run(&["--until-idle"]);
    assert!(host.wait().success(), "nothing grows: {}", host.complaints());
    let log = host.complaints();
    let past = log_lines(&log, PAST);
    assert_eq!((past.len(), &past[0]["used"], &past[0]["max"]), (1, &json!(31), &json!(5)), "{log}");
    assert_eq!(log_lines(&log, NEARLY).len(), 0, "it is more than that: {log}");
}

#[test]
fn parked_events_stop_at_the_quota_instead_of_filling_the_disk_and_dropping_them_makes_room() {
    let world = World::new();
    world.configure("on-reject = \"park\"\n[processors.grows.quotas]\nstored-bytes = \"10KiB\"\n");
    let poison = |number: usize| json!({ "do": "reject", "why": format!("{number:03}{}", "x".repeat(900)) });
    world.append((0..30).map(poison));
    world.project.run_until_stopped();
    let partition = world.project.partition("grows", "0");
    assert_eq!((&partition["status"], &partition["position"]), (&json!("stopped"), &json!(9)), "{partition}");
    let cause = partition["last-error"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("the processor may keep 10240 bytes (quotas.stored-bytes): it keeps "), "{cause}");
    let grows = world.processor("grows");
    assert_eq!(grows["parked"], 9);
    assert!(grows["stored"]["bytes"].as_u64().unwrap() <= 10_240, "{grows}");
    assert_eq!(world.position("ledger"), 30, "the neighbour went on");

    let mut host = world.project.start();
    host.wait_for("the partition stopped", 1);
    world.project.ok(&["parked", "drop", "grows", "--all", "--yes"]);
    world.project.ok(&["resume", "grows"]);
    host.wait_for("the partition stopped", 2);
    assert_eq!(world.position("grows"), 18, "as many more as have room");
    drop(host);
    world.project.ok(&["reset", "grows", "--yes"]);
    assert_eq!(
        world.processor("grows")["stored"],
        json!({ "rows": 0, "bytes": 0 }),
        "a reset frees everything at once"
    );
}

#[test]
fn a_retry_that_has_no_room_leaves_its_event_parked_and_says_so() {
    let world = World::new();
    world.configure("on-reject = \"park\"\n[processors.grows.limits]\nwrite-rows = 5\n");
    world.append([json!({ "do": "bulk", "rows": 10, "bytes": 1 })]);
    world.project.run_until_stopped();
    assert_eq!(world.processor("grows")["stored"]["rows"], 1, "the parked event");
    let retry = ["parked", "retry", "grows", "1"];

    // With the row that counts eleven come, and the parked one goes.
    world.configure("on-reject = \"park\"\n[processors.grows.quotas]\nstored-rows = 10\n");
    let host = world.project.start();
    let refused = world.project.fails(&retry, 1);
    let said = "1 stays parked: the processor may keep 10 rows (quotas.stored-rows): it keeps 1, and this adds 10";
    assert!(refused.contains(said) && refused.contains("hint: raise quotas.stored-rows"), "{refused}");
    assert!(refused.trim_end().ends_with("; then retry it again"), "{refused}");
    assert_eq!(world.processor("grows")["parked"], 1);
    drop(host);

    world.configure("on-reject = \"park\"\n[processors.grows.quotas]\nstored-rows = 11\n");
    let host = world.project.start();
    world.project.ok(&retry);
    let grows = world.processor("grows");
    assert_eq!((&grows["parked"], &grows["stored"]["rows"]), (&json!(0), &json!(11)));
    drop(host);
}

#[test]
fn the_partitions_of_one_processor_share_what_it_may_keep() {
    let publisher = Publisher::start(2, 1);
    publisher.set_span(1);
    let project = Project::new(&format!(
        "{}poll-interval = \"10ms\"\n[processors.grows]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n\
         state = \"partitioned\"\n[processors.grows.quotas]\nstored-rows = 20\n",
        publisher.section("orders")
    ));
    project.put("fickle.wasm", &example("rust", "fickle"));
    for partition in 0..2 {
        publisher.append(partition, (0..10).map(|number| put(number).to_string()));
    }
    project.run_until_stopped();
    let status = project.status();
    let grows = &status["processors"][0];
    assert_eq!(grows["stored"]["rows"], 20);
    let partitions = grows["partitions"].as_array().unwrap().iter();
    let applied: u64 = partitions.map(|partition| partition["position"].as_u64().unwrap()).sum();
    assert_eq!(applied, 18, "each has a row that counts, and 18 are left for what is put");
}

#[test]
fn log_lines_past_the_quota_are_left_out_and_the_processing_goes_on() {
    let world = World::new();
    world.configure("[processors.grows.quotas]\nlog-lines = 10\n");
    world.append((0..6).map(|_| json!({ "do": "chatter", "lines": 4 })));
    let mut host: Host = world.project.run(&["--until-idle"]);
    assert!(host.wait().success(), "{}", host.complaints());
    let log = host.complaints();
    let said = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    assert_eq!(said.filter(|line| line["target"] == "guest").count(), 10, "{log}");
    for message in [
        "the processor has nearly used up its log lines of this minute",
        "log lines of the processor are left out until its minute is over",
    ] {
        let lines = log_lines(&log, message);
        let [line] = &lines[..] else { panic!("`{message}` once: {log}") };
        assert_eq!((&line["max"], &line["setting"]), (&json!(10), &json!("quotas.log-lines")));
    }
    // The minute is not over, but nobody comes who could say it later.
    let told = log_lines(&log, "log lines of the processor were left out");
    let [told] = &told[..] else { panic!("how many were left out is said once: {log}") };
    assert_eq!((&told["lines"], &told["processor"]), (&json!(14), &json!("grows")));
    assert_eq!(world.position("grows"), 6);
}
