//! What happens to events that a component cannot apply, and the ways out.

use e2e::{
    guest_host::example,
    project::{Project, wait_until},
    publisher::Publisher,
    witness::assert_ledger,
};
use serde_json::Value as Json;
use tidemill_pipeline::Digest;

const POISON: &str = r#"{"do":"reject"}"#;
const TRAP: &str = r#"{"do":"trap"}"#;

/// A feed of two partitions in spans of five events, and `fickle` on it.
struct World {
    publisher: Publisher,
    project: Project,
}

impl World {
    /// With settings of the processor, and below them its tables.
    fn new(settings: &str) -> Self {
        let publisher = Publisher::start(2, 1);
        publisher.set_span(5);
        let project = Project::new("");
        project.put("fickle.wasm", &example("rust", "fickle"));
        let world = Self { publisher, project };
        world.configure(settings);
        world
    }

    fn configure(&self, settings: &str) {
        self.project.configure(&format!(
            "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 2\npoll-interval = \"10ms\"\n\
             [processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n{settings}",
            self.publisher.url()
        ));
    }

    /// Puts `n/<partition>/<number>`, but for the events at these places.
    fn publish(&self, partition: usize, count: usize, instead: &[(usize, &str)]) {
        let event = |number: usize| match instead.iter().find(|(at, _)| *at == number) {
            Some((_, event)) => (*event).to_owned(),
            None => put(partition, number),
        };
        self.publisher.append(partition, (0..count).map(event));
    }

    fn partition(&self, partition: &str) -> Json {
        self.project.partition("fickle", partition)
    }

    /// The numbers of a partition whose events were applied.
    fn applied(&self, partition: usize) -> Vec<usize> {
        let prefix = format!("n/{partition}/");
        let keys = self.project.state("fickle").into_keys();
        let mut numbers: Vec<usize> =
            keys.filter_map(|key| key.strip_prefix(&prefix).map(|number| number.parse().unwrap())).collect();
        numbers.sort_unstable();
        numbers
    }

    /// How often an event of a partition was applied.
    fn count(&self, partition: usize) -> String {
        self.project.state("fickle").remove(&format!("fickle/orders/{partition}")).unwrap_or_default()
    }

    fn parked(&self) -> Vec<Json> {
        let list = self.project.ok(&["parked", "list", "fickle", "--json"]);
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn put(partition: usize, number: usize) -> String {
    format!("{{\"do\":\"put\",\"key\":\"n/{partition}/{number}\",\"value\":\"1\"}}")
}

fn without(range: std::ops::Range<usize>, missing: &[usize]) -> Vec<usize> {
    range.filter(|number| !missing.contains(number)).collect()
}

#[test]
fn halt_commits_nothing_of_the_span_and_lets_the_other_partitions_go_on() {
    let world = World::new("");
    world.publish(0, 13, &[(7, POISON)]);
    world.publish(1, 13, &[]);
    let log = world.project.run_until_stopped();
    assert!(log.contains("the partition stopped"), "{log}");
    assert_eq!(world.applied(0), (0..5).collect::<Vec<_>>());
    assert_eq!((world.count(0), world.count(1)), ("5".to_owned(), "13".to_owned()));
    let halted = world.partition("0");
    assert_eq!(
        (&halted["status"], &halted["cursor"], &halted["position"]),
        (&"halted".into(), &"c5".into(), &5.into())
    );
    let error = &halted["last-error"];
    assert_eq!(error["kind"], "rejected");
    assert!(error["cause"].as_str().unwrap().contains("the event asked to be rejected"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("tidemill resume"), "{error}");
    assert_eq!(error["event"]["span-from"], "c5");
    assert_eq!(error["event"]["payload"], Digest::of(POISON.as_bytes()).to_string());
    let words = world.project.ok(&["status"]);
    assert!(words.contains("halted") && words.contains("the event asked to be rejected"), "{words}");
    assert!(words.contains("tidemill resume"), "{words}");
    assert_eq!(world.partition("1")["status"], "running");

    // A restart changes nothing about it.
    world.project.run_until_stopped();
    assert_eq!(world.partition("0")["status"], "halted");
    assert_eq!(world.count(0), "5");
}

#[test]
fn park_puts_poison_events_of_one_and_several_spans_aside_and_applies_the_rest() {
    let world = World::new("on-reject = \"park\"\n");
    world.publish(0, 20, &[(0, TRAP), (6, POISON), (8, TRAP), (9, r#"{"do":"dance"}"#), (19, POISON)]);
    world.publish(1, 7, &[]);
    world.project.run_until_stopped();
    assert_eq!(world.applied(0), without(0..20, &[0, 6, 8, 9, 19]));
    assert_eq!((world.count(0), world.count(1)), ("15".to_owned(), "7".to_owned()));
    let zero = world.partition("0");
    assert_eq!((&zero["status"], &zero["position"]), (&"running".into(), &20.into()));
    let mut parked: Vec<_> = world.parked();
    parked.sort_by_key(|parked| parked["number"].as_i64());
    let of = |parked: &Json| (parked["span-from"].clone(), parked["cause"].clone());
    let expected = [
        (Json::Null, "trap".into()),
        ("c5".into(), "rejected".into()),
        ("c5".into(), "trap".into()),
        ("c5".into(), "rejected".into()),
        ("c15".into(), "rejected".into()),
    ];
    assert_eq!(parked.iter().map(of).collect::<Vec<_>>(), expected);

    let number = parked[0]["number"].to_string();
    let shown: Json =
        serde_json::from_str(&world.project.ok(&["parked", "show", "fickle", &number, "--json"])).unwrap();
    assert_eq!(shown["payload"], TRAP);
    assert_eq!(shown["digest"], Digest::of(TRAP.as_bytes()).to_string());
    let backtrace = shown["backtrace"].as_str().unwrap();
    let names = ["fickle.wasm!", "panicking::panic_fmt", "tidemill:processor/handler@0.1.0#process"];
    assert!(names.iter().all(|name| backtrace.contains(name)), "the functions that trapped are named: {backtrace}");

    // The same component refuses it again, and it stays; dropping it ends it.
    let refused = world.project.fails(&["parked", "retry", "fickle", &number], 1);
    assert!(refused.contains("stays parked"), "{refused}");
    assert_eq!(world.parked().len(), 5);
    assert!(world.project.ok(&["parked", "drop", "fickle", "--all", "--yes"]).contains("5 parked events"));
    assert!(world.parked().is_empty());
    // Nothing was parked in the next run.
    world.project.run_until_idle();
}

#[test]
fn parked_events_that_are_retried_against_a_repaired_processor_give_the_state_of_a_clean_run() {
    let bulk = r#"{"do":"bulk","rows":30,"bytes":1}"#;
    let tight = "on-reject = \"park\"\n[processors.fickle.limits]\nwrite-rows = 20\n";
    let wide = "on-reject = \"park\"\n";
    let clean = World::new(wide);
    let world = World::new(tight);
    for world in [&clean, &world] {
        world.publish(0, 12, &[(3, bulk), (7, bulk)]);
        world.publish(1, 12, &[(11, bulk)]);
    }
    clean.project.run_until_idle();
    world.project.run_until_stopped();
    assert_eq!(world.applied(0), without(0..12, &[3, 7]));
    assert!(world.parked().iter().all(|parked| parked["cause"] == "limit"), "{:?}", world.parked());
    assert_ne!(world.project.state("fickle"), clean.project.state("fickle"));

    // Of a host that runs, and of none.
    world.configure(wide);
    let mut host = world.project.start();
    host.wait_for("the processor starts", 1);
    let number = world.parked()[0]["number"].to_string();
    assert_eq!(world.project.ok(&["parked", "retry", "fickle", &number]), "1 applied\n");
    host.terminate();
    assert!(host.wait().success());
    assert_eq!(world.project.ok(&["parked", "retry", "fickle", "--all"]), "2 applied\n");
    assert!(world.parked().is_empty());
    assert_eq!(world.project.state("fickle"), clean.project.state("fickle"));
}

#[test]
fn skip_leaves_poison_events_out_and_says_so() {
    let world = World::new("on-reject = \"skip\"\n");
    world.publish(0, 12, &[(1, POISON), (2, TRAP), (8, POISON)]);
    let mut host = world.project.run(&["--until-idle"]);
    // Leaving them out is what was asked for: nothing failed.
    assert!(host.wait().success());
    assert_eq!(host.logged("an event was left out"), 3);
    assert_eq!(world.applied(0), without(0..12, &[1, 2, 8]));
    assert_eq!((world.count(0).as_str(), &world.partition("0")["position"]), ("9", &12.into()));
    assert!(world.parked().is_empty());
}

#[test]
fn a_new_component_is_a_way_out_of_a_halt() {
    let world = World::new("");
    world.publish(0, 13, &[(7, POISON)]);
    let mut host = world.project.start();
    host.wait_for("the partition stopped", 1);
    world.project.put("fickle.wasm", &example("rust", "ledger"));
    host.wait_for("the component was reloaded", 1);
    wait_until("the last event", || world.partition("0")["position"] == 13);
    assert_eq!(
        (&world.partition("0")["status"], &world.partition("0")["last-error"]),
        (&"running".into(), &Json::Null)
    );
    host.terminate();
    assert!(host.wait().success());
    // It had nothing of the first span, which was committed before, and all of the others.
    assert_ledger(&world.project, "fickle", "orders", "0", &world.publisher.events(0)[5..]);
}

#[test]
fn a_new_component_is_a_way_out_for_parked_events_of_a_host_that_runs() {
    let world = World::new("on-reject = \"park\"\n");
    world.publish(0, 13, &[(7, POISON)]);
    let mut host = world.project.start();
    wait_until("the last event", || world.partition("0")["position"] == 13);
    world.project.put("fickle.wasm", &example("rust", "ledger"));
    host.wait_for("the component was reloaded", 1);
    assert_eq!(world.project.ok(&["parked", "retry", "fickle", "--all"]), "1 applied\n");
    host.terminate();
    assert!(host.wait().success());
    assert_ledger(&world.project, "fickle", "orders", "0", &[POISON.to_owned()]);
}

#[test]
fn a_halt_is_left_by_parking_or_skipping_the_events_that_it_stands_at_one_after_the_other() {
    for (settle, parked) in [("--park", 2), ("--skip", 0)] {
        let world = World::new("");
        // Two in one span: the second comes to light when the first is settled.
        world.publish(0, 13, &[(6, POISON), (8, TRAP)]);
        world.project.run_until_stopped();
        world.project.ok(&["resume", "fickle", settle]);
        world.project.run_until_stopped();
        let error = world.partition("0")["last-error"].clone();
        assert_eq!(error["event"]["payload"], Digest::of(TRAP.as_bytes()).to_string(), "{settle}: {error}");
        assert_eq!(world.count(0), "5");

        let mut host = world.project.start();
        host.wait_for("the processor starts", 1);
        world.project.ok(&["resume", "fickle", "--feed", "orders", "--partition", "0", settle]);
        wait_until("the last event", || world.partition("0")["position"] == 13);
        host.terminate();
        assert!(host.wait().success());
        assert_eq!(world.applied(0), without(0..13, &[6, 8]), "{settle}");
        assert_eq!((world.count(0).as_str(), world.parked().len()), ("11", parked), "{settle}");
        assert_eq!(world.partition("0")["resolutions"], Json::Array(Vec::new()));
    }
}

#[test]
fn resume_tries_the_event_again() {
    let world = World::new("");
    world.publish(0, 8, &[(6, POISON)]);
    let mut host = world.project.start();
    host.wait_for("the partition stopped", 1);
    assert!(world.project.ok(&["resume", "fickle"]).contains("1 partition"));
    host.wait_for("the partition stopped", 2);
    host.terminate();
    assert!(host.wait().success());
    assert_eq!((&world.partition("0")["status"], world.count(0).as_str()), (&"halted".into(), "5"));
}

#[test]
fn a_component_that_asks_for_a_retry_waits_without_an_event_being_poison() {
    let world = World::new("on-reject = \"park\"\n");
    world.publish(0, 7, &[(5, r#"{"do":"retry","after_ms":1}"#)]);
    world.publish(1, 7, &[]);
    let mut host = world.project.start();
    host.wait_for("waiting before starting over", 2);
    wait_until("the other partition", || world.partition("1")["position"] == 7);
    let waits = world.partition("0");
    assert_eq!((&waits["status"], &waits["last-error"]), (&"running".into(), &Json::Null));
    host.terminate();
    assert!(host.wait().success());
    world.configure("on-reject = \"park\"\n[processors.fickle.config]\nready = true\n");
    world.project.run_until_idle();
    assert_eq!((world.count(0).as_str(), world.count(1).as_str()), ("7", "7"));
    assert!(world.parked().is_empty());
}

#[test]
fn a_component_that_halts_stops_its_partition_whatever_the_policy_is() {
    let world = World::new("on-reject = \"park\"\n");
    world.publish(0, 8, &[(6, r#"{"do":"halt"}"#)]);
    world.publish(1, 8, &[]);
    world.project.run_until_stopped();
    let halted = world.partition("0");
    assert_eq!((&halted["status"], &halted["last-error"]["kind"]), (&"halted".into(), &"halted".into()));
    let cause = halted["last-error"]["cause"].as_str().unwrap();
    assert!(cause.contains("the event asked to halt"), "{cause}");
    assert_eq!((world.applied(1).len(), world.parked().len()), (8, 0));
    let nothing = world.project.fails(&["resume", "fickle", "--skip"], 1);
    assert!(nothing.contains("nothing to skip"), "{nothing}");
    // The state before the span is whole.
    assert!(world.applied(0).len() <= 5, "{:?}", world.applied(0));
}

#[test]
fn events_that_use_up_the_fuel_the_memory_or_the_stack_are_parked_alone() {
    let world = World::new(
        "on-reject = \"park\"\n[processors.fickle.limits]\nfuel-per-call = 20_000_000\nfuel-per-event = 1_000_000\nmemory = \"4MiB\"\n",
    );
    let deeds = ["burn", "pester", "gorge", "recurse"].map(|deed| format!("{{\"do\":\"{deed}\"}}"));
    let poison: Vec<(usize, &str)> = deeds.iter().enumerate().map(|(at, deed)| (3 * at, deed.as_str())).collect();
    world.publish(0, 12, &poison);
    world.project.run_until_stopped();
    assert_eq!(world.applied(0), without(0..12, &[0, 3, 6, 9]));
    let causes: Vec<_> = world.parked().into_iter().map(|parked| parked["cause"].clone()).collect();
    assert_eq!(causes, ["fuel", "fuel", "memory", "trap"]);
}

#[test]
fn a_batch_that_costs_too_much_as_a_whole_becomes_smaller_and_nothing_is_parked() {
    let world = World::new("on-reject = \"park\"\nbatch-events = 100\n");
    let crowd = r#"{"do":"crowd","most":3}"#;
    world.publish(0, 40, &(0..40).step_by(4).map(|at| (at, crowd)).collect::<Vec<_>>());
    world.project.run_until_idle();
    assert_eq!((world.count(0).as_str(), world.parked().len()), ("40", 0));
    assert_eq!(world.applied(0).len(), 30);
    // In spans that are smaller than what is too much, too.
    let world = World::new("on-reject = \"park\"\nbatch-events = 100\n");
    world.publisher.set_span(2);
    world.publish(0, 40, &(0..40).map(|at| (at, crowd)).collect::<Vec<_>>());
    world.project.run_until_idle();
    assert_eq!((world.count(0).as_str(), world.parked().len()), ("40", 0));
}

#[test]
fn a_call_that_meets_the_wall_clock_three_times_stalls_its_partition_and_poisons_nothing() {
    let slow =
        "on-reject = \"park\"\n[processors.fickle.limits]\ncall-time = \"200ms\"\nfuel-per-call = 1_000_000_000_000\n";
    let world = World::new(slow);
    world.publish(0, 8, &[(6, r#"{"do":"burn"}"#)]);
    world.publish(1, 8, &[]);
    world.project.run_until_stopped();
    let stalled = world.partition("0");
    assert_eq!((&stalled["status"], &stalled["position"]), (&"stalled".into(), &5.into()));
    let error = &stalled["last-error"];
    assert!(error["cause"].as_str().unwrap().contains("3 times in a row"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("limits.call-time"), "{error}");
    assert_eq!((world.applied(1).len(), world.parked().len()), (8, 0));

    // With other limits the same event is out of fuel, which is deterministic.
    world.configure("on-reject = \"park\"\n[processors.fickle.limits]\nfuel-per-call = 20_000_000\n");
    world.project.ok(&["resume", "fickle"]);
    world.project.run_until_stopped();
    assert_eq!((world.applied(0), world.parked().len()), (without(0..8, &[6]), 1));
}
