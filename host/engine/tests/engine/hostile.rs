//! Components that mean harm: each is stopped, and says what stopped it.

use std::time::{Duration, Instant};

use tidemill_engine::{Limits, LoadError};
use tidemill_pipeline::{Instances, Refusal, RejectionCause};

use crate::{
    guest::{OK, component, core, keeper, process},
    host::{Host, load_error},
};

fn rejected(body: &str, more: &str) -> (RejectionCause, String) {
    let rejection = Host::new(&component(&core(body, more))).rejection(&["e"]);
    (rejection.cause, rejection.reason)
}

#[test]
fn an_endless_loop_ends_with_its_fuel() {
    assert_eq!(rejected("(loop $l (br $l)) (unreachable)", "").0, RejectionCause::Fuel);
}

#[test]
fn an_endless_loop_with_fuel_enough_ends_with_its_time_and_blames_no_event() {
    let limit = Duration::from_millis(100);
    let mut host = Host::with(&process("(loop $l (br $l)) (unreachable)"), |settings| {
        settings.limits.fuel_base = u64::MAX;
        settings.limits.call_time_max = limit;
    });
    let begun = Instant::now();
    assert_eq!(host.refusal(&["e"]), Refusal::Overtime { limit });
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_flood_of_host_calls_with_fuel_enough_ends_with_its_time() {
    let limit = Duration::from_millis(100);
    let flood = "(loop $l (drop (call $log-enabled (i32.const 0))) (br $l)) (unreachable)";
    let mut host = Host::with(&process(flood), |settings| {
        settings.limits.fuel_base = u64::MAX;
        settings.limits.call_time_max = limit;
    });
    assert_eq!(host.refusal(&["e"]), Refusal::Overtime { limit });
    assert_eq!(rejected(flood, "").0, RejectionCause::Fuel);
}

#[test]
fn deep_recursion_is_a_trap() {
    let (cause, reason) = rejected("(call $deep) (i32.const 32768)", "(func $deep (call $deep) (call $deep))");
    assert_eq!(cause, RejectionCause::Trap);
    assert!(reason.contains("call stack exhausted"), "{reason}");
}

#[test]
fn memory_past_the_limit_is_refused_and_named_if_the_component_traps_over_it() {
    let grow = "(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))";
    let (cause, reason) = rejected(&format!("{grow} (unreachable)"), "");
    assert_eq!(cause, RejectionCause::Memory);
    assert!(reason.contains("limits.memory"), "{reason}");
    let cost = Host::new(&process(&format!("{grow} {OK}"))).apply(&["e"]);
    assert_eq!(cost.memory_bytes, 64 * 1024 * 1024);
}

#[test]
fn a_table_past_the_limit_is_refused() {
    let grow = "(loop $l (br_if $l (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 10000)))))";
    let (cause, reason) = rejected(&format!("{grow} (unreachable)"), "(table $t 1 funcref)");
    assert_eq!(cause, RejectionCause::Memory);
    assert!(reason.contains("table elements"), "{reason}");
}

#[test]
fn a_million_writes_end_at_the_bound_of_rows() {
    let writes = "(loop $l
        (i32.store (i32.const 2048) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (i32.store8 (i32.const 2048) (i32.and (local.get $i) (i32.const 127)))
        (i32.store8 (i32.const 2049) (i32.and (i32.shr_u (local.get $i) (i32.const 7)) (i32.const 127)))
        (i32.store8 (i32.const 2050) (i32.and (i32.shr_u (local.get $i) (i32.const 14)) (i32.const 127)))
        (call $put (i32.const 2048) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000)))) (i32.const 32768)";
    let mut host = Host::with(&process(writes), |settings| settings.limits.fuel_base = 1 << 40);
    let rejection = host.rejection(&["e"]);
    assert_eq!(rejection.cause, RejectionCause::Limit);
    assert!(rejection.reason.contains("limits.write-rows"), "{}", rejection.reason);
}

#[test]
fn a_scan_that_never_ends_ends_with_its_fuel() {
    let scan = "(loop $l
        (call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))
        (global.set $top (i32.const 65536))
        (br $l)) (unreachable)";
    let mut host = Host::new(&process(scan));
    host.state = (0..5_000).map(|number| (format!("{number:05}"), "x".into())).collect();
    assert_eq!(host.rejection(&["e"]).cause, RejectionCause::Fuel);
}

#[test]
fn a_list_that_would_fill_the_hosts_memory_is_a_limit() {
    // A thousand writes whose keys are the same 100,000 bytes of the guest's memory.
    let bomb = "(loop $l
        (i32.store offset=131076 (i32.mul (local.get $i) (i32.const 24)) (i32.const 100000))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
        (call $apply (i32.const 131072) (i32.const 1000)) (i32.const 32768)";
    let (cause, reason) = rejected(bomb, "");
    assert_eq!(cause, RejectionCause::Limit, "{reason}");
    assert!(reason.contains("one host call"), "{reason}");
}

#[test]
fn pointers_outside_memory_are_traps() {
    for body in [
        "(call $delete (i32.const -16) (i32.const 100)) (i32.const 32768)",
        "(call $apply (i32.const 0) (i32.const 100000000)) (i32.const 32768)",
        "(call $get (i32.const 0) (i32.const 1) (i32.const -4)) (i32.const 32768)",
        "(i32.const -8)",
    ] {
        assert_eq!(rejected(body, "").0, RejectionCause::Trap, "{body}");
    }
}

#[test]
fn text_that_is_not_utf8_is_a_trap() {
    let (cause, reason) = rejected(
        "(call $delete (i32.const 2048) (i32.const 2)) (i32.const 32768)",
        r#"(data (i32.const 2048) "a\ff")"#,
    );
    assert_eq!(cause, RejectionCause::Trap);
    assert!(reason.contains("utf-8"), "{reason}");
}

#[test]
fn a_result_that_lies_about_its_length_is_a_trap() {
    assert_eq!(rejected(&crate::guest::reject(0, (2048, 0x7fff_ffff)), "").0, RejectionCause::Trap);
}

#[test]
fn a_start_function_that_loops_is_not_loaded() {
    let file = component(&core(OK, "(func $loop (loop $l (br $l))) (start $loop)"));
    let fuel = Limits { fuel_base: 1_000_000, ..Limits::default() };
    let LoadError::Start(reason) = load_error(&file, &fuel) else { panic!("it does not start") };
    assert!(reason.contains("fuel"), "{reason}");
    let time = Limits { fuel_base: u64::MAX, call_time_max: Duration::from_millis(50), ..Limits::default() };
    let LoadError::Start(reason) = load_error(&file, &time) else { panic!("it does not start") };
    assert!(reason.contains("0.05 s"), "{reason}");
}

#[test]
fn the_state_cannot_be_used_while_the_component_is_instantiated() {
    let file = component(&core(OK, r#"(func (export "_initialize") (call $delete (i32.const 0) (i32.const 1)))"#));
    let error = load_error(&file, &Limits::default()).to_string();
    assert!(error.contains("instantiated") && error.contains("the state cannot be used"), "{error}");
}

#[test]
fn a_neighbour_goes_on_while_one_is_stopped() {
    let (engine, _dir) = crate::host::engine();
    let limits = Limits::default();
    let evil = engine.load(&process("(unreachable)"), &limits).unwrap();
    let good = engine.load(&keeper(), &limits).unwrap();
    for component in [&evil, &good, &evil, &good] {
        let mut settings = crate::host::processor_settings();
        settings.instances = Instances::Reuse;
        let mut processor = engine.processor(component, settings);
        let processed = crate::host::call(&mut processor, crate::host::events(&["e"]));
        assert_eq!(processed.result.is_ok(), component.digest() == good.digest());
    }
}
