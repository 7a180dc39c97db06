//! What the processor does, tried on this machine: `cargo test`.

use tidemill_sdk::testing::{Failure, Host};

use super::Totals;

#[test]
fn the_amounts_of_each_user_are_added_up() {
    let mut host = Host::new().state("total/ada", "10");
    host.apply_however_cut::<Totals>([
        r#"{"user": "ada", "amount": 3}"#,
        r#"{"user": "bob", "amount": 5, "note": "lunch"}"#,
        r#"{"user": "ada", "amount": -4}"#,
    ])
    .unwrap();
    assert_eq!(host.text("total/ada"), Some("9"));
    assert_eq!(host.text("total/bob"), Some("5"));
}

#[test]
fn what_is_not_a_payment_is_rejected_and_nothing_of_its_batch_is_kept() {
    let mut host = Host::new();
    let failure = host.apply::<Totals>([r#"{"user": "ada", "amount": 3}"#, r#"{"user": "ada"}"#]).unwrap_err();
    assert!(failure.reason().starts_with("not a payment: missing field `amount`"), "{failure:?}");
    assert!(matches!(failure, Failure::Rejected { index: Some(1), .. }), "{failure:?}");
    assert!(host.all().is_empty());
}

#[test]
fn a_total_that_is_not_a_number_needs_a_person() {
    let mut host = Host::new().state("total/ada", "three");
    let reason = "the state of `total/ada` is not a number".to_owned();
    assert_eq!(host.apply::<Totals>([r#"{"user": "ada", "amount": 3}"#]), Err(Failure::Halted { reason }));
}
