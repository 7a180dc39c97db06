//! How a call that does not go well is told.

use std::time::Duration;

use tidemill_engine::LogLevel;
use tidemill_pipeline::{FailureKind, Instances, REASON_BYTES_MAX, Refusal, RejectionCause};

use crate::{
    guest::{self, component, core, halt, reject, retry},
    host::Host,
};

const WHY: &str = r#"(data (i32.const 2048) "why")"#;
const REASON: (u32, usize) = (2048, 3);

fn host(body: &str, more: &str) -> Host {
    Host::new(&component(&core(body, more)))
}

/// Leaves a write behind that must not be kept.
const PUT: &str = "(call $put (i32.const 2048) (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 3))";

#[test]
fn a_retry_waits_as_long_as_it_asks_but_an_hour_at_most() {
    for (asked, waits) in [(1_500, Duration::from_millis(1_500)), (u64::MAX >> 1, Duration::from_hours(1))] {
        let body = format!("{PUT}{}", retry(asked, REASON));
        assert_eq!(host(&body, WHY).refusal(&["e"]), Refusal::Retry { after: waits, reason: "why".into() });
    }
}

#[test]
fn a_rejection_names_its_event_only_if_the_call_has_it() {
    for (index, named) in [(0, Some(0)), (1, Some(1)), (2, None), (u32::MAX >> 1, None)] {
        let rejection = host(&format!("{PUT}{}", reject(index, REASON)), WHY).rejection(&["a", "b"]);
        assert_eq!(rejection.cause, RejectionCause::Returned);
        assert_eq!((rejection.index, rejection.reason.as_str()), (named, "why"));
    }
}

#[test]
fn a_halt_is_told_with_its_reason() {
    assert_eq!(host(&halt(REASON), WHY).refusal(&["e"]), Refusal::Halt { reason: "why".into() });
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let long = format!(r#"(data (i32.const 2048) "x{}")"#, "é".repeat(4_000));
    let rejection = host(&reject(0, (2048, 8_001)), &long).rejection(&["e"]);
    assert_eq!(rejection.reason.len(), REASON_BYTES_MAX - 1);
    assert!(rejection.reason.ends_with('é'));
}

#[test]
fn a_trap_is_told_with_the_guests_frames_innermost_first() {
    let more = "(func $inner (unreachable)) (func $outer (call $inner))";
    let rejection = host("(call $outer) (i32.const 32768)", more).rejection(&["e"]);
    assert_eq!(rejection.cause, RejectionCause::Trap);
    assert!(rejection.reason.contains("unreachable"), "{}", rejection.reason);
    let backtrace = rejection.backtrace.unwrap();
    let place = |name| backtrace.find(name).unwrap_or_else(|| panic!("{name} is in {backtrace}"));
    assert!(place("inner") < place("outer") && place("outer") < place("process"), "{backtrace}");
}

/// Logs the text at 2048 as an error.
fn says(bytes: usize) -> String {
    format!("(call $log (i32.const 4) (i32.const 2048) (i32.const {bytes}))")
}

#[test]
fn what_a_component_says_before_it_gives_up_is_the_reason_whatever_is_kept_of_its_lines() {
    let warns = "(loop $l (call $log (i32.const 3) (i32.const 2051) (i32.const 4))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50))))";
    let file = component(&core(
        &format!("{warns} (call $log (i32.const 4) (i32.const 2051) (i32.const 4)) {} {warns} (unreachable)", says(3)),
        r#"(data (i32.const 2048) "whynot")"#,
    ));
    for level in [LogLevel::Trace, LogLevel::Error, LogLevel::Off] {
        let mut host = Host::with(&file, |settings| {
            settings.log_level = level;
            settings.limits.log_lines_max = 3;
        });
        let rejection = host.rejection(&["e"]);
        assert_eq!(rejection.reason, "why (wasm trap: wasm `unreachable` instruction executed)", "{level:?}");
    }
}

#[test]
fn last_words_come_second_where_the_trap_speaks_for_itself() {
    let body = format!("{} (i32.div_u (i32.const 1) (local.get $i))", says(3));
    let expected = "wasm trap: integer divide by zero\nthe last error that it told: why";
    assert_eq!(host(&body, WHY).rejection(&["e"]).reason, expected);
}

#[test]
fn last_words_are_cut_and_forgotten_with_their_call() {
    let long = format!(r#"(data (i32.const 2048) "{}")"#, "é".repeat(1_000));
    let reason = host(&format!("{} (unreachable)", says(2_000)), &long).rejection(&["e"]).reason;
    assert_eq!(reason.matches('é').count(), 512);

    let trap =
        "(if (i32.eq (i32.const 116) (i32.load8_u (i32.load offset=4 (local.get $events)))) (then (unreachable)))";
    let file = component(&core(&format!("{trap} {} {}", says(3), guest::OK), WHY));
    let mut host = Host::with(&file, |settings| settings.instances = Instances::Reuse);
    host.apply(&["e"]);
    assert_eq!(host.rejection(&["trap"]).reason, "wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn a_state_that_cannot_be_read_ends_the_call_and_blames_no_event() {
    let mut host = host("(call $get (i32.const 2048) (i32.const 3) (i32.const 4096)) (i32.const 32768)", WHY);
    host.broken = true;
    match host.refusal(&["e"]) {
        Refusal::Host(failure) => {
            assert_eq!((failure.kind, failure.cause.as_str()), (FailureKind::Unavailable, "the disk is gone"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_write_past_a_bound_is_a_limit_with_its_setting() {
    let mut host = Host::new(&guest::keeper());
    host.bounds.bytes_max = 4;
    let rejection = host.rejection(&["12345"]);
    assert_eq!(rejection.cause, RejectionCause::Limit);
    assert!(rejection.reason.contains("limits.write-bytes"), "{}", rejection.reason);
}
