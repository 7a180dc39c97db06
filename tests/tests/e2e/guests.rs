//! What the example components do, each called directly.

use e2e::guest_host::{GuestHost, example};
use sha2::{Digest, Sha256};
use tidemill_pipeline::{Refusal, Rejection, RejectionCause, Value};

fn rust(name: &str) -> GuestHost {
    GuestHost::new(&example("rust", name))
}

#[track_caller]
fn rejection(result: Result<(), Refusal>) -> Rejection {
    match result {
        Err(Refusal::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn totals_adds_up_the_amounts_of_each_user() {
    let mut host = rust("totals");
    host.call(&[
        r#"{"user": "ada", "amount": 3}"#,
        r#"{"amount": -5, "currency": {"code": "NOK"}, "user": "bob"}"#,
        r#"{"user": "ada", "amount": 4}"#,
    ])
    .unwrap();
    host.state.insert("total/eve".to_owned(), "18446744073709551615".into());
    host.call(&[r#"{"user":"bl\u00e5b\u00e6r","amount":0}"#, r#"{"user":"eve","amount":9007199254740991}"#]).unwrap();
    host.call(&[r#"{"user":"bob","amount":-9007199254740991}"#]).unwrap();
    assert_eq!(host.text("total/ada"), Some("7"));
    assert_eq!(host.text("total/bob"), Some("-9007199254740996"));
    assert_eq!(host.text("total/eve"), Some("18455751272964292606"));
    assert_eq!(host.text("total/blåbær"), Some("0"));
    assert_eq!(host.state.len(), 4);
}

#[test]
fn totals_rejects_a_malformed_event_by_its_place() {
    let malformed = [
        "not JSON",
        r#"{"amount": 3}"#,
        r#"{"user": "ada"}"#,
        r#"{"user": "ada", "amount": 1.5}"#,
        r#"{"user": "ada", "amount": "3"}"#,
        r#"{"user": null, "amount": 3}"#,
        r#"{"user": "ada", "amount": 9007199254740992}"#,
        r#"{"user": "ada", "amount": 9223372036854775808}"#,
        r#"["ada", 3]"#,
        r#"{"user": "ada", "amount": 3"#,
    ];
    let mut host = rust("totals");
    for payload in malformed {
        let rejection = rejection(host.call(&[r#"{"user": "ada", "amount": 1}"#, payload, "also not JSON"]));
        assert_eq!((rejection.cause, rejection.index), (RejectionCause::Returned, Some(1)), "{payload}");
        assert!(rejection.reason.starts_with("not a payment: "), "{}", rejection.reason);
    }
    assert!(host.state.is_empty());
}

#[test]
fn totals_halts_on_a_state_that_is_not_a_number() {
    let mut host = rust("totals");
    host.state.insert("total/ada".to_owned(), "three".into());
    let reason = "the state of `total/ada` is not a number".to_owned();
    assert_eq!(host.call(&[r#"{"user": "ada", "amount": 1}"#]), Err(Refusal::Halt { reason }));
}

#[test]
fn join_fills_a_row_whichever_event_comes_first() {
    let mut host = rust("join");
    host.call(&[
        r#"{"type": "customer", "id": "c1", "name": "Ada"}"#,
        r#"{"type": "order", "customer": "c1", "amount": 250}"#,
        r#"{"type": "order", "customer": "c2", "amount": 10}"#,
        r#"{"type": "refund", "anything": true}"#,
    ])
    .unwrap();
    host.call(&[
        r#"{"type": "customer", "id": "c2", "name": "Bob"}"#,
        r#"{"type": "order", "customer": "c1", "amount": -50, "note": "x"}"#,
    ])
    .unwrap();
    assert_eq!(host.text("customer/c1"), Some(r#"{"name":"Ada","spent":200}"#));
    assert_eq!(host.text("customer/c2"), Some(r#"{"name":"Bob","spent":10}"#));
    let rejection = rejection(host.call(&[r#"{"type": "customer", "id": "c3"}"#]));
    assert_eq!(rejection.index, Some(0));
    assert_eq!(host.state.len(), 2);
}

#[test]
fn join_keeps_what_it_knows_of_a_customer_who_has_not_come_yet() {
    let mut host = rust("join");
    host.call(&[r#"{"type": "order", "customer": "c1", "amount": 7}"#]).unwrap();
    assert_eq!(host.text("customer/c1"), Some(r#"{"name":null,"spent":7}"#));
    host.call(&[r#"{"type": "customer", "id": "c1", "name": "Ada"}"#]).unwrap();
    host.call(&[r#"{"type": "customer", "id": "c1", "name": "Ada L."}"#]).unwrap();
    assert_eq!(host.text("customer/c1"), Some(r#"{"name":"Ada L.","spent":7}"#));
}

#[test]
fn join_rejects_a_malformed_event_by_its_place_and_halts_on_a_row_that_it_cannot_read() {
    let good = r#"{"type": "customer", "id": "c1", "name": "Ada"}"#;
    let mut host = rust("join");
    for malformed in ["[]", "{}", r#"{"type": "order", "customer": "c1", "amount": 1.5}"#, r#"{"type": "order"}"#] {
        let rejection = rejection(host.call(&[good, malformed]));
        assert_eq!((rejection.cause, rejection.index), (RejectionCause::Returned, Some(1)), "{malformed}");
        assert!(rejection.reason.starts_with("not an event: "), "{}", rejection.reason);
    }
    assert!(host.state.is_empty());
    host.state.insert("customer/c1".to_owned(), "Ada".into());
    match host.call(&[good]) {
        Err(Refusal::Halt { reason }) => {
            assert!(reason.starts_with("the row `customer/c1` cannot be read"), "{reason}");
        }
        other => panic!("not halted: {other:?}"),
    }
}

#[test]
fn ledger_keeps_a_count_and_a_chain_over_the_events_in_their_order() {
    let batches: [&[&str]; 3] = [&["one", "two"], &["tre \u{1f30a}"], &["two", "one", ""]];
    let mut host = rust("ledger");
    let mut chain = String::new();
    for batch in batches {
        host.call(batch).unwrap();
        for payload in batch {
            chain = format!("{:x}", Sha256::digest(format!("{chain}{payload}")));
        }
        assert_eq!(host.text("ledger/orders/0/chain"), Some(chain.as_str()));
    }
    assert_eq!(host.text("ledger/orders/0/count"), Some("6"));
}

#[test]
fn fickle_fails_as_its_events_ask() {
    let mut host = rust("fickle");
    assert_eq!(rejection(host.call(&["{}", r#"{"do": "reject"}"#])).index, Some(1));
    assert_eq!(rejection(host.call(&["{}", r#"{"do": "reject", "index": 0}"#])).index, Some(0));
    assert_eq!(rejection(host.call(&[r#"{"do": "reject", "index": 7}"#])).index, None);
    assert!(matches!(host.call(&[r#"{"do": "halt"}"#]), Err(Refusal::Halt { .. })));
    let wait = r#"{"do": "retry", "after_ms": 1500}"#;
    match host.call(&[wait]) {
        Err(Refusal::Retry { after, .. }) => assert_eq!(after.as_millis(), 1500),
        other => panic!("no retry: {other:?}"),
    }
    let trap = rejection(host.call(&[r#"{"do": "trap"}"#]));
    assert_eq!(trap.cause, RejectionCause::Trap);
    assert!(trap.backtrace.is_some_and(|frames| frames.contains("fickle")), "{}", trap.reason);
    assert_eq!(rejection(host.call(&[r#"{"do": "recurse"}"#])).cause, RejectionCause::Trap);
    assert_eq!(rejection(host.call(&[r#"{"do": "crowd", "most": 1}"#, "{}"])).cause, RejectionCause::Trap);
    assert_eq!(rejection(host.call(&[r#"{"do": "burn"}"#])).cause, RejectionCause::Fuel);
    assert_eq!(rejection(host.call(&[r#"{"do": "pester"}"#])).cause, RejectionCause::Fuel);
    assert_eq!(rejection(host.call(&[r#"{"do": "gorge"}"#])).cause, RejectionCause::Memory);
    assert_eq!(rejection(host.call(&[r#"{"do": "bulk", "rows": 20, "bytes": 1000000}"#])).cause, RejectionCause::Limit);
    assert!(host.state.is_empty());

    let mut ready = GuestHost::with_config(&example("rust", "fickle"), &[("ready", "yes")]);
    assert_eq!(ready.call(&[wait]), Ok(()));
}

#[test]
fn a_panic_in_rust_is_told_by_its_message_and_its_line() {
    let mut host = rust("probe");
    let rejection = rejection(host.call(&[r#"{"do":"throw","message":"no such currency"}"#]));
    assert_eq!(rejection.cause, RejectionCause::Trap);
    assert!(rejection.reason.starts_with("panicked at probe/src/obedience.rs:"), "{}", rejection.reason);
    assert!(rejection.reason.contains(": no such currency (wasm trap: "), "{}", rejection.reason);
}

#[test]
fn fickle_writes_as_its_events_ask() {
    let mut host = rust("fickle");
    host.call(&[
        "{}",
        r#"{"do": "put", "key": "b", "value": "x"}"#,
        r#"{"do": "put-bytes", "key": "a", "value": [0, 255]}"#,
        r#"{"do": "put", "key": "c", "value": "y"}"#,
        r#"{"do": "delete", "key": "c"}"#,
        r#"{"do": "scan", "prefix": "", "into": "seen"}"#,
        r#"{"do": "chatter", "lines": 3}"#,
        r#"{"do": "remember"}"#,
    ])
    .unwrap();
    assert_eq!(host.text("seen"), Some("a b"));
    assert_eq!(host.text("fickle/orders/0"), Some("8"));
    assert_eq!(host.text("global"), Some("1"));
    assert_eq!(host.state.get("a"), Some(&Value::Bytes(vec![0_u8, 255])));
    let trap = rejection(host.call(&["{}", r#"{"do": "trap-if", "key": "b"}"#]));
    assert_eq!(trap.cause, RejectionCause::Trap);
}
