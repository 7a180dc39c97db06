//! A call that goes well.

use tidemill_pipeline::{Metadata, Processor, Value};

use crate::{
    guest,
    host::{Host, batch},
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
