//! `status`: what it prints of a store.

use std::path::Path;

use tidemill_pipeline::*;
use tidemill_store::{Lineage, PartitionStatus, ProcessorStatus};

use super::{document::Document, tables};
use crate::{config::Config, host::Trouble};

const NOON: &str = "2026-01-02T12:00:00.000Z";

fn partition(number: &str, checkpoint: Checkpoint, lineage: Vec<Lineage>) -> PartitionStatus {
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new(number) };
    PartitionStatus { key, checkpoint, updated_at: NOON.to_owned(), lineage }
}

fn stretch(from_generation: u64, from_position: u64, component: &[u8]) -> Lineage {
    let code = Code { component: Digest::of(component), config: Digest::of(b""), instances: Instances::Fresh };
    Lineage { from_generation, from_position, code, since: NOON.to_owned() }
}

fn runs() -> Checkpoint {
    Checkpoint {
        read_from: ReadFrom::After(Cursor::new("1002").unwrap()),
        generation: 7,
        position: 12,
        status: Status::Running,
        error: None,
        feed_identity: "http://one.example/orders".to_owned(),
        resolutions: Vec::new(),
    }
}

fn halted() -> Checkpoint {
    let event = ParkedId {
        key: PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("1") },
        span_from: ReadFrom::First,
        payload: Digest::of(b"poison"),
    };
    let error = LastError {
        kind: "rejected".to_owned(),
        stage: "process".to_owned(),
        cause: "event 3 after the beginning: trap: unreachable\u{1b}[2J".to_owned(),
        hint: Some("repair it".to_owned()),
        event: Some(event),
        backtrace: Some("0: process".to_owned()),
    };
    let read_from = ReadFrom::First;
    Checkpoint { read_from, position: 0, status: Status::Halted, error: Some(error), generation: 1, ..runs() }
}

fn processors() -> Vec<ProcessorStatus> {
    let totals = ProcessorStatus {
        id: ProcessorId { name: ProcessorName::new("totals"), version: 1 },
        epoch: 3,
        owner: "process 1 on one".to_owned(),
        claimed_at: NOON.to_owned(),
        state_generation: 9,
        component: Some(Digest::of(b"new")),
        partitions: vec![
            partition("0", runs(), vec![stretch(1, 0, b"old"), stretch(5, 8, b"new")]),
            partition("1", halted(), Vec::new()),
        ],
        parked: 2,
        waiting: 0,
        held_keys: 0,
        state: Stored { rows: 4, bytes: 120 },
        stored: Stored { rows: 6, bytes: 1_920 },
        quota: Quota::default(),
    };
    let large = ProcessorStatus {
        id: ProcessorId { name: ProcessorName::new("large"), version: 1 },
        component: None,
        partitions: Vec::new(),
        parked: 0,
        waiting: 0,
        held_keys: 0,
        state: Stored { rows: 2_000_000, bytes: 90_000_000 },
        stored: Stored { rows: 2_000_000, bytes: 90_000_000 },
        ..totals.clone()
    };
    vec![large, totals]
}

/// A configuration with both.
fn config() -> Config {
    let text = "[feeds.orders]\nurl = \"http://one.example/orders\"\nprotocol = \"feedapi\"\n
[processors.large]\ncomponent = \"large.wasm\"\nfeeds = [\"orders\"]\n
[processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n";
    Config::parse(Path::new("tidemill.toml"), text).unwrap()
}

fn troubles() -> Vec<Trouble> {
    let of = |processor: Option<&str>, partition: Option<&str>, cause: &str| Trouble {
        processor: processor.map(str::to_owned),
        feed: (processor.is_none() || partition.is_some()).then(|| "orders".to_owned()),
        partition: partition.map(str::to_owned),
        kind: "unavailable".to_owned(),
        cause: cause.to_owned(),
        hint: Some("is the publisher there?".to_owned()),
        since: NOON.to_owned(),
    };
    vec![
        of(None, None, "nobody answers\u{1b}[2J"),
        of(Some("totals"), None, "the component totals.wasm does not load: it is empty"),
        of(Some("totals"), Some("0"), "the publisher answered 503"),
    ]
}

#[test]
fn the_document_says_where_everything_stands_and_what_computed_it() {
    insta::assert_json_snapshot!(Document::new(None, &processors(), troubles(), &config()));
}

#[test]
fn the_tables_say_the_same_and_cannot_steer_the_terminal() {
    let text = tables::text(&Document::new(Some("process 1 on one".to_owned()), &processors(), troubles(), &config()));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    insta::assert_snapshot!(text);
}

#[test]
fn quotas_are_shown_where_there_are_any_with_what_is_nearly_used_in_words() {
    let mut processors = processors();
    processors[0].quota = Quota { rows_max: Some(10_000_000), bytes_max: Some(100_000_000) };
    processors[1].quota = Quota { rows_max: Some(6), bytes_max: None };
    let text = tables::text(&Document::new(None, &processors, Vec::new(), &config()));
    let table: Vec<_> = text.lines().skip_while(|line| !line.contains("QUOTA")).take(4).collect();
    let wanted = [
        "PROCESSOR  QUOTA         USED      OF         SHARE",
        "large      stored-rows   2000000   10000000   20 %",
        "large      stored-bytes  90000000  100000000  90 %, nearly full",
        "totals     stored-rows   6         6          100 %, full",
    ];
    assert_eq!(table, wanted, "{text}");
}

#[test]
fn a_database_without_a_processor_is_said_to_be_one() {
    assert_eq!(
        tables::text(&Document::new(None, &[], Vec::new(), &config())),
        "No host runs.\nNo processor has run yet.\n"
    );
}

#[test]
fn a_component_that_has_not_computed_an_event_yet_is_not_said_to_have_computed_any() {
    let mut processors = processors();
    let began_again = Checkpoint { position: 0, read_from: ReadFrom::First, ..runs() };
    processors[1].partitions = vec![partition("0", began_again, vec![stretch(1, 0, b"old")])];
    let text = tables::text(&Document::new(None, &processors, Vec::new(), &config()));
    assert!(!text.contains("BY COMPONENT"), "{text}");
}

#[test]
fn what_is_not_configured_any_more_is_not_said_to_run() {
    let without = Config::parse(Path::new("tidemill.toml"), "").unwrap();
    let document = Document::new(None, &processors(), Vec::new(), &without);
    let json = serde_json::to_value(&document).unwrap();
    assert_eq!(json["processors"][1]["configured"], false);
    assert_eq!(json["processors"][1]["partitions"][0]["configured"], false);
    let text = tables::text(&document);
    let said = "Processor `totals` is not configured: what it keeps stays, until `tidemill reset totals` removes it.";
    assert!(text.contains(said) && !text.contains("running"), "{text}");
    let row = text.lines().find(|line| line.starts_with("totals") && line.contains("1002")).unwrap();
    assert!(row.contains("not configured"), "{text}");
}
