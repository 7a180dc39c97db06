//! A call that goes well.

use std::sync::Arc;

use tidemill_pipeline::{
    Batch, Call, Cursor, Event, FeedName, Metadata, Overlay, PartitionId, PartitionKey, Processor, ReadFrom, Refusal,
    RejectionCause, Span, Value, WriteBounds,
};

use crate::{
    guest,
    host::{Host, batch, block_on, events, no_state},
};

#[test]
fn the_writes_of_a_call_reach_the_overlay() {
    let mut host = Host::new(&guest::keeper());
    let cost = host.apply(&["one", "two"]);
    assert_eq!(host.text("k"), Some("two"));
    assert!(cost.fuel > 0, "{cost:?}");
    assert!(cost.memory_bytes >= 16 * 65536, "{cost:?}");
    let events =
        [("3", "a"), ("4", "b")].map(|(data, key)| (data, Metadata { key: Some(key.into()), ..Metadata::default() }));
    let processed = host.process(batch(events), false);
    processed.result.unwrap();
    let writes = processed.overlay.unwrap().into_writes();
    let writes: Vec<_> = writes.iter().collect();
    assert_eq!(writes, [("a", Some(&Value::from("3"))), ("b", Some(&Value::from("4")))]);
    assert_eq!(host.processor.code().config, tidemill_pipeline::Digest::of(b"config"));
}

#[test]
fn an_event_that_cannot_be_delivered_is_rejected_by_its_place() {
    let body = b"goodb\xffd".as_slice().into();
    let events = vec![Event::text(0..4), Event::text(4..7)];
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
    let batch = Batch::new(key, Span::new(ReadFrom::First, Cursor::new("1").unwrap(), body, events));
    match Host::new(&guest::keeper()).process(batch, false).result {
        Err(Refusal::Rejected(rejection)) => {
            assert_eq!((rejection.cause, rejection.index), (RejectionCause::Undeliverable, Some(1)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_call_gets_the_events_of_its_range() {
    let mut host = Host::new(&guest::keeper());
    let overlay = Overlay::new(no_state(), WriteBounds::default());
    let call = Call { batch: Arc::new(events(&["1", "2", "3", "4"])), events: 1..3, overlay, fresh: false };
    let processed = block_on(host.processor.process(call));
    let writes = processed.overlay.unwrap().into_writes();
    assert_eq!(writes.iter().collect::<Vec<_>>(), [("k", Some(&Value::from("3")))]);
}
