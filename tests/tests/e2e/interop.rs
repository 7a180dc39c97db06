//! Feeds published by software that we did not write: the Python package `zeroeventhub`.

use std::collections::BTreeMap;

use e2e::{
    guest_host::example,
    project::{Project, wait_until},
    zeroeventhub::{Publisher, amount, payload, read, user},
};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

const PARTITIONS: usize = 3;
const EVENTS_AT_FIRST: usize = 400;
const ROUNDS: usize = 6;
const EVENTS_A_ROUND: usize = 150;

fn start() -> Publisher {
    let (partitions, events) = (PARTITIONS.to_string(), EVENTS_AT_FIRST.to_string());
    Publisher::start(&["--partitions", &partitions, "--events", &events, "--page", "130", "--checkpoint-every", "7"])
}

fn feed(url: &str, more: &str) -> String {
    format!(
        "[feeds.hub]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {PARTITIONS}\npoll-interval = \"20ms\"\n{more}\n"
    )
}

#[test]
fn a_feed_of_the_python_package_is_followed_to_its_end_while_it_appends_and_breaks() {
    let mut publisher = start();
    let processors = "[processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"hub\"]\nbatch-events = 60\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"hub\"]\nbatch-events = 90\n";
    let project = Project::new(&feed(publisher.url(), processors));
    project.put("ledger.wasm", &example("rust", "ledger"));
    project.put("totals.wasm", &example("rust", "totals"));

    publisher.obey("break 4");
    let mut host = project.run(&[]);
    for round in 1..=ROUNDS {
        for partition in 0..PARTITIONS {
            publisher.obey(&format!("append {partition} {EVENTS_A_ROUND}"));
        }
        publisher.obey("break 2");
        host.wait_for("committed", round * PARTITIONS * 2);
    }
    let events = EVENTS_AT_FIRST + ROUNDS * EVENTS_A_ROUND;
    wait_until("the end of every partition", || {
        positions(&project.status()).values().filter(|position| **position == events).count() == 2 * PARTITIONS
    });
    host.terminate();
    assert!(host.wait().success(), "{}", host.complaints());
    let stats = publisher.obey("stats");
    assert_eq!(stats["events"], Json::from(vec![events; PARTITIONS]));
    assert!(stats["broken"].as_u64().unwrap() >= 4, "too few responses broke: {stats}");

    let ledger = project.state("ledger");
    let mut totals = BTreeMap::<String, i64>::new();
    for partition in 0..PARTITIONS {
        let mut chain = String::new();
        for index in 0..events {
            chain = format!("{:x}", Sha256::digest(chain + &payload(partition, index)));
            *totals.entry(format!("total/{}", user(partition, index))).or_default() += amount(partition, index);
        }
        assert_eq!(ledger[&format!("ledger/hub/{partition}/count")], events.to_string());
        assert_eq!(ledger[&format!("ledger/hub/{partition}/chain")], chain);
    }
    let totals: BTreeMap<_, _> = totals.into_iter().map(|(key, total)| (key, total.to_string())).collect();
    assert_eq!(project.state("totals"), totals);
}

/// How many events each partition of each processor has moved over.
fn positions(status: &Json) -> BTreeMap<(String, String), usize> {
    let mut positions = BTreeMap::new();
    for processor in status["processors"].as_array().unwrap() {
        for partition in processor["partitions"].as_array().unwrap() {
            let name = |of: &Json, field: &str| of[field].as_str().unwrap_or_default().to_owned();
            let position = partition["position"].as_u64().unwrap();
            positions.insert((name(processor, "name"), name(partition, "partition")), position.try_into().unwrap());
        }
    }
    positions
}

/// Headers and payloads of each partition, and where it ends.
type Read = BTreeMap<String, (Vec<(Json, Json)>, String)>;

fn as_the_package_reads(url: &str, headers: Option<&str>) -> Read {
    let mut partitions = Read::new();
    for line in read(url, PARTITIONS, headers) {
        if let Some(cursors) = line.get("cursors") {
            for (partition, cursor) in cursors.as_object().unwrap() {
                cursor.as_str().unwrap().clone_into(&mut partitions.entry(partition.clone()).or_default().1);
            }
        } else {
            let event = (line["headers"].clone(), line["data"].clone());
            partitions.entry(line["partition"].to_string()).or_default().0.push(event);
        }
    }
    partitions
}

fn as_tidemill_reads(project: &Project) -> Read {
    let events = (PARTITIONS * EVENTS_AT_FIRST).to_string();
    let mut partitions = Read::new();
    for line in project.ok(&["feed", "tail", "hub", "--from", "first", "-n", &events, "--json"]).lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let partition = partitions.entry(line["partition"].as_str().unwrap().to_owned()).or_default();
        match line.get("cursor") {
            Some(cursor) => cursor.as_str().unwrap().clone_into(&mut partition.1),
            None => partition.0.push((line["headers"].clone(), line["data"].clone())),
        }
    }
    partitions
}

#[test]
fn the_python_packages_own_client_and_tidemill_read_the_same_events() {
    let mut publisher = start();
    for (asked, headers) in
        [("[]", None), ("[\"ce_id\", \"ce_type\"]", Some("ce_id,ce_type")), ("[\"_all\"]", Some("_all"))]
    {
        let project = Project::new(&feed(publisher.url(), &format!("event-headers = {asked}")));
        let package = as_the_package_reads(publisher.url(), headers);
        assert_eq!(package.len(), PARTITIONS);
        for (events, cursor) in package.values() {
            assert_eq!((events.len(), cursor.as_str()), (EVENTS_AT_FIRST, "at-400"));
            assert_eq!(events[1].0.get("ce_type").and_then(Json::as_str), headers.map(|_| "payment"));
        }
        // The package's client does not survive a response that breaks; Tidemill does.
        publisher.obey("break 1");
        assert_eq!(as_tidemill_reads(&project), package, "headers {asked}");
    }
}
