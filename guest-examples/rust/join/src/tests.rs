//! What the processor does, tried on this machine: `cargo test`.

use tidemill_sdk::testing::{Failure, Host};

use super::Join;

const ADA: &str = r#"{"type": "customer", "id": "c1", "name": "Ada"}"#;
const ORDER: &str = r#"{"type": "order", "customer": "c1", "amount": 7}"#;
const ROW: &str = r#"{"name":"Ada","spent":7}"#;

#[test]
fn a_row_is_the_same_whichever_event_comes_first() {
    for events in [[ADA, ORDER], [ORDER, ADA]] {
        let mut host = Host::new();
        host.apply_however_cut::<Join>(events).unwrap();
        assert_eq!(host.text("customer/c1"), Some(ROW));
    }
}

#[test]
fn an_order_waits_for_its_customer() {
    let mut host = Host::new();
    host.apply::<Join>([ORDER, r#"{"type": "weather"}"#]).unwrap();
    assert_eq!(host.text("customer/c1"), Some(r#"{"name":null,"spent":7}"#));
}

#[test]
fn what_is_not_an_event_is_rejected() {
    for event in ["[]", "{}", r#"{"type": "order", "customer": "c1", "amount": 1.5}"#] {
        let failure = Host::new().apply::<Join>([ADA, event]).unwrap_err();
        assert!(failure.reason().starts_with("not an event: "), "{failure:?}");
        assert!(matches!(failure, Failure::Rejected { index: Some(1), .. }), "{failure:?}");
    }
}

#[test]
fn a_sum_that_does_not_fit_is_rejected_and_a_row_that_cannot_be_read_halts() {
    let mut host = Host::new().state("customer/c1", r#"{"name":null,"spent":9223372036854775807}"#);
    assert!(matches!(host.apply::<Join>([ORDER]), Err(Failure::Rejected { index: Some(0), .. })));
    let mut host = Host::new().state("customer/c1", "Ada");
    let failure = host.apply::<Join>([ADA]).unwrap_err();
    assert!(failure.reason().starts_with("the row `customer/c1` cannot be read: "), "{failure:?}");
    assert!(matches!(failure, Failure::Halted { .. }), "{failure:?}");
}
