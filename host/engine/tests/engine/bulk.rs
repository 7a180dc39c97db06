//! The optional export that takes a batch as a few large pieces.

use std::sync::Arc;

use tidemill_engine::{Description, Limits, LoadError};
use tidemill_pipeline::{
    Batch, Call, Cursor, Event, FeedName, Fields, Instances, Metadata, Overlay, PartitionId, PartitionKey,
    Processor as _, ReadFrom, Refusal, Span, Value, WriteBounds,
};

use crate::{
    guest::{OK, bulk, bulk_export, component, core, core_with, go, reject},
    host::{Host, batch, block_on, call, events, load_error, no_state},
    loading::replace,
};

/// Puts a letter under itself: which handler was called.
fn mark(letter: u8) -> String {
    format!(
        "(i32.store8 (i32.const 1024) (i32.const {letter}))
        (call $put (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 1))"
    )
}

/// Puts the last payload under `z`, in either handler.
fn last() -> Vec<u8> {
    let key = "(i32.store8 (i32.const 1025) (i32.const 122))";
    let records = format!(
        "{} {key}
        (local.set $event (i32.add (local.get $events) (i32.mul (i32.sub (local.get $count) (i32.const 1)) (i32.const 72))))
        (call $put (i32.const 1025) (i32.const 1) (i32.load8_u (local.get $event))
          (i32.load offset=4 (local.get $event)) (i32.load offset=8 (local.get $event)))
        {OK}",
        mark(b'r')
    );
    let columns = format!(
        "{} {key}
        (local.set $i (i32.add (i32.load offset=24 (local.get $batch))
          (i32.shl (i32.sub (i32.load offset=28 (local.get $batch)) (i32.const 1)) (i32.const 2))))
        (local.set $end (i32.load (local.get $i)))
        (if (i32.gt_u (i32.load offset=28 (local.get $batch)) (i32.const 1))
          (then (local.set $start (i32.add (i32.load (i32.sub (local.get $i) (i32.const 4))) (i32.const 1)))))
        (call $put (i32.const 1025) (i32.const 1) (i32.const 0)
          (i32.add (i32.load offset=16 (local.get $batch)) (local.get $start))
          (i32.sub (local.get $end) (local.get $start)))
        {OK}",
        mark(b'c')
    );
    bulk(&records, &columns)
}

/// Which handler a batch was given to, and what it put under `z`.
fn given(host: &mut Host, batch: Batch) -> (char, Value) {
    let writes = host.process(batch, false).overlay.unwrap().into_writes();
    let writes: Vec<_> = writes.iter().map(|(key, value)| (key.to_owned(), value.cloned())).collect();
    let [(handler, _), (_, Some(last))] = writes.as_slice() else { panic!("{writes:?}") };
    (handler.chars().next().unwrap(), last.clone())
}

fn known() -> Metadata {
    Metadata {
        id: Some("1".into()),
        kind: Some("placed".into()),
        key: Some("ada".into()),
        occurred_at_us: Some(-5),
        ..Metadata::default()
    }
}

fn span(body: &'static [u8], events: Vec<Event>) -> Batch {
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
    Batch::new(key, Span::new(ReadFrom::First, Cursor::new("1").unwrap(), body.into(), events))
}

#[test]
fn a_batch_crosses_by_columns_if_it_fits_and_as_records_if_not() {
    let bare = Metadata::default;
    let headers = Metadata { headers: vec![("a".into(), "b".into())], ..known() };
    let mut host = Host::new(&last());
    for (batch, handler, last) in [
        (events(&["1"]), 'c', "1"),
        (events(&["", "", "ø€", "{\"user\":\"Ædå\"}"]), 'c', "{\"user\":\"Ædå\"}"),
        (events(&["1", ""]), 'c', ""),
        (batch([("1", known()), ("2", known())]), 'c', "2"),
        (batch([("1", Metadata { key: None, ..known() }), ("2", Metadata { key: None, ..known() })]), 'c', "2"),
        // What does not fit: a line feed, in whichever column; metadata of some; headers.
        (events(&["1", "a\nb"]), 'r', "a\nb"),
        (batch([("1", known()), ("2", Metadata { id: Some("\n".into()), ..known() })]), 'r', "2"),
        (batch([("1", known()), ("2", bare())]), 'r', "2"),
        (batch([("1", bare()), ("2", known())]), 'r', "2"),
        (batch([("1", known()), ("2", Metadata { id: None, ..known() })]), 'r', "2"),
        (batch([("1", known()), ("2", Metadata { occurred_at_us: None, ..known() })]), 'r', "2"),
        (batch([("1", Metadata { kind: None, ..known() }), ("2", known())]), 'r', "2"),
        (batch([("1", Metadata { occurred_at_us: None, ..known() }), ("2", known())]), 'r', "2"),
        (batch([("1", headers.clone()), ("2", headers)]), 'r', "2"),
    ] {
        let shown = format!("{:?}", batch.events().collect::<Vec<_>>());
        assert_eq!(given(&mut host, batch), (handler, Value::from(last)), "{shown}");
    }
    let bytes = span(b"12", vec![Event::text(0..1), Event::bytes(1..2)]);
    assert_eq!(given(&mut host, bytes), ('r', Value::Bytes(b"2".to_vec())));
}

#[test]
fn a_component_is_given_the_fields_that_were_picked_by_columns_or_as_records() {
    let mut host = Host::new(&last());
    for (payload, handler, last) in [
        (r#"{"a":1,"b":2}"#, 'c', r#"{"b":2}"#),
        ("{\n\"a\": 1,\n\"b\": 2\n}", 'c', r#"{"b":2}"#),
        ("{\"a\":1,\"b\":[\n]}", 'r', "{\"b\":[\n]}"),
        ("[1]", 'c', "[1]"),
    ] {
        let whole = events(&["{}", payload]);
        let span = whole.spans()[0].clone().picked(Some(&Fields::new(["b"])));
        let picked = Batch::new(whole.key().clone(), span);
        assert_eq!(given(&mut host, picked), (handler, Value::from(last)), "{payload}");
    }
}

#[test]
fn every_column_arrives_as_it_was_published() {
    /// Puts a column's lines under a letter and its ends, as bytes, under the next one.
    fn column(letter: u8, at: u32) -> String {
        let key = |letter: u8, put: &str| format!("(i32.store8 (i32.const 1024) (i32.const {letter})) {put}");
        let lines = format!(
            "(call $put (i32.const 1024) (i32.const 1) (i32.const 0)
              (i32.load offset={at} (local.get $batch)) (i32.load offset={} (local.get $batch)))",
            at + 4
        );
        let ends = format!(
            "(call $put (i32.const 1024) (i32.const 1) (i32.const 1) (i32.load offset={} (local.get $batch))
              (i32.shl (i32.load offset={} (local.get $batch)) (i32.const 2)))",
            at + 8,
            at + 12
        );
        format!("{} {}", key(letter, &lines), key(letter + 1, &ends))
    }
    let times = "(i32.store8 (i32.const 1024) (i32.const 116))
        (call $put (i32.const 1024) (i32.const 1) (i32.const 1) (i32.load offset=96 (local.get $batch))
          (i32.shl (i32.load offset=100 (local.get $batch)) (i32.const 3)))";
    let columns = [column(b'a', 16), column(b'c', 36), column(b'e', 56), column(b'g', 76)].concat();
    let mut host = Host::new(&bulk("unreachable", &format!("{columns} {times} {OK}")));
    let other = Metadata { id: Some("ø".into()), kind: Some("".into()), occurred_at_us: Some(7), ..known() };
    let processed = host.process(batch([("{}", known()), ("[3]", other)]), false);
    processed.result.unwrap();
    let writes = processed.overlay.unwrap().into_writes();
    let writes: Vec<_> = writes.iter().map(|(key, value)| (key, value.cloned().unwrap())).collect();
    let ends = |ends: [u32; 2]| Value::Bytes(ends.map(u32::to_le_bytes).concat());
    let expected = [
        ("a", Value::from("{}\n[3]\n")),
        ("b", ends([2, 6])),
        ("c", Value::from("1\nø\n")),
        ("d", ends([1, 4])),
        ("e", Value::from("placed\n\n")),
        ("f", ends([6, 7])),
        ("g", Value::from("ada\nada\n")),
        ("h", ends([3, 7])),
        ("t", Value::Bytes([-5_i64, 7].map(i64::to_le_bytes).concat())),
    ];
    assert_eq!(writes, expected);
}

#[test]
fn a_part_of_a_batch_crosses_by_columns_and_its_rejection_counts_from_the_parts_beginning() {
    let mut host = Host::new(&bulk("unreachable", &reject(1, (16, 0))));
    let overlay = Overlay::new(no_state(), WriteBounds::default());
    let call = Call { batch: Arc::new(events(&["\n", "2", "3", "\n"])), events: 1..3, overlay, fresh: false };
    match block_on(host.processor.process(call)).result {
        Err(Refusal::Rejected(rejection)) => assert_eq!(rejection.index, Some(1)),
        other => panic!("{other:?}"),
    }
    let outside = Host::new(&bulk("unreachable", &reject(2, (16, 0)))).rejection(&["1", "2"]);
    assert_eq!(outside.index, None);
}

#[test]
fn an_event_that_cannot_be_delivered_is_found_before_either_handler() {
    let faulty = span(b"goodb\xffd", vec![Event::text(0..4), Event::text(4..7)]);
    match Host::new(&bulk("unreachable", "unreachable")).process(faulty, false).result {
        Err(Refusal::Rejected(rejection)) => assert_eq!(rejection.index, Some(1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reused_instance_is_called_by_whichever_handler_fits() {
    let mut host = Host::with(&last(), |settings| settings.instances = Instances::Reuse);
    for (payload, handler) in [("1", 'c'), ("\n", 'r'), ("2", 'c')] {
        assert_eq!(given(&mut host, events(&[payload])), (handler, Value::from(payload)));
        host.processor.committed();
    }
}

#[test]
fn a_module_of_go_may_have_the_optional_export_too() {
    let file = go("unreachable", &bulk_export(OK));
    let mut host = Host::new(&file);
    call(&mut host.processor, events(&["1"])).result.unwrap();
}

#[test]
fn the_description_says_that_a_component_takes_batches_as_large_pieces() {
    let says = |file: &[u8]| Description::read(file).unwrap().can.iter().any(|can| can.contains("large pieces"));
    assert!(says(&last()) && !says(&core(OK, "")));
}

#[test]
fn an_optional_export_without_its_function_is_refused() {
    let file = wat::parse_str(
        r#"(component
            (core module $m (func (export "p")))
            (core instance $i (instantiate $m))
            (func $p (canon lift (core func $i "p")))
            (instance $handler (export "process" (func $p)))
            (export "tidemill:processor/handler@0.1.0" (instance $handler))
            (instance $bulk (export "other" (func $p)))
            (export "tidemill:processor/bulk-handler@0.1.0" (instance $bulk)))"#,
    )
    .unwrap();
    let LoadError::Unfit(misfits) = load_error(&file, &Limits::default()) else { panic!("it fits") };
    assert_eq!(misfits[0].name, "tidemill:processor/bulk-handler@0.1.0");
    assert!(misfits[0].problem.contains("must export `process`"), "{misfits:?}");
}

#[test]
fn an_optional_export_of_another_type_is_refused() {
    let theirs = "package tidemixx:processor@0.1.0; interface bulk-handler { process: func(text: string); }";
    let world = "package test:test; world guest {
        include tidemill:processor/processor@0.1.0;
        export tidemixx:processor/bulk-handler@0.1.0; }";
    let process = r#"(func (export "tidemixx:processor/bulk-handler@0.1.0#process") (param i32 i32))"#;
    let mut file = component(&core_with(OK, process, "test:test/guest", &[theirs, world]));
    Host::new(&file).apply(&["1"]);
    replace(&mut file, b"tidemixx", b"tidemill");
    let error = load_error(&file, &Limits::default()).to_string();
    assert!(error.contains("type mismatch") || error.contains("expected"), "{error}");
}
