//! A host that is killed with SIGKILL at random moments loses nothing and applies nothing twice. The fault matrix does
//! the same a thousand times (`cargo xtask faults --row kill-random`).

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    guest_host::example,
    project::{Project, Stage},
    publisher::Publisher,
    witness::assert_whole_ledger,
};

const PARTITIONS: usize = 3;
const EVENTS_A_ROUND: usize = 1_500;
const KILLS: usize = 20;
const SEED: u64 = 7;

fn configuration(url: &str) -> String {
    format!(
        "[feeds.witness]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {PARTITIONS}\npage-size = 400\npoll-interval = \"20ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 60\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 90\n"
    )
}

fn append(publisher: &Publisher, round: usize) {
    for partition in 0..PARTITIONS {
        let event = |number: usize| {
            let number = round * EVENTS_A_ROUND + number;
            format!("{{\"user\":\"user-{}\",\"amount\":{},\"number\":{number}}}", number % 97, number % 201)
        };
        publisher.append(partition, (0..EVENTS_A_ROUND).map(event));
    }
}

/// What the state must be: folds of the events, computed here.
fn check(project: &Project, publisher: &Publisher) {
    assert_whole_ledger(project, "ledger", "witness", publisher);
    let mut totals = BTreeMap::<String, i64>::new();
    for partition in 0..PARTITIONS {
        let events = publisher.events(partition);
        for event in events {
            let event: serde_json::Value = serde_json::from_str(&event).unwrap();
            *totals.entry(format!("total/{}", event["user"].as_str().unwrap())).or_default() +=
                event["amount"].as_i64().unwrap();
        }
    }
    let totals: BTreeMap<_, _> = totals.into_iter().map(|(key, total)| (key, total.to_string())).collect();
    assert_eq!(project.state("totals"), totals);
    for processor in project.status()["processors"].as_array().unwrap() {
        for partition in processor["partitions"].as_array().unwrap() {
            let events = publisher.events(partition["partition"].as_str().unwrap().parse().unwrap()).len();
            assert_eq!(partition["position"], events, "{partition}");
            assert_eq!(partition["cursor"], format!("c{events}"), "{partition}");
        }
    }
}

#[test]
fn a_host_that_is_killed_at_random_moments_loses_nothing_and_applies_nothing_twice() {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let publisher = Publisher::start(PARTITIONS, SEED);
    publisher.set_breaks(10);
    let project = Project::new(&configuration(&publisher.url()));
    project.put("ledger.wasm", &example("rust", "ledger"));
    project.put("totals.wasm", &example("rust", "totals"));

    let mut stages = BTreeMap::<Stage, usize>::new();
    for round in 0..KILLS {
        append(&publisher, round);
        let mut host = project.run(&[]);
        // Most kills fall into the work, and some into the start.
        if rng.usize(..6) > 0 {
            host.wait_for("processing", 1 + rng.usize(..8));
            std::thread::sleep(Duration::from_micros(rng.u64(..20_000)));
        } else {
            std::thread::sleep(Duration::from_millis(rng.u64(..60)));
        }
        *stages.entry(host.kill()).or_default() += 1;
    }
    publisher.set_breaks(0);
    project.run_until_idle();
    check(&project, &publisher);

    let in_flight =
        stages.iter().filter(|(stage, _)| **stage >= Stage::Processing).map(|(_, kills)| kills).sum::<usize>();
    assert!(in_flight * 2 >= KILLS, "only {in_flight} of {KILLS} kills fell into the work: {stages:?}");
}
