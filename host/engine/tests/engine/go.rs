//! Modules of the Go compiler, and what their adapter answers.

use tidemill_engine::LogLevel;
use tidemill_pipeline::RejectionCause;

use crate::{guest::go, host::Host, log::lines};

/// Puts so many bytes of memory from 4096 under the key `k`, and returns ok.
fn put(len: u32) -> String {
    format!(
        "(call $put (i32.const 2048) (i32.const 1) (i32.const 0) (i32.const 4096) (i32.const {len})) (i32.const 32768)"
    )
}

const KEY: &str = r#"(data (i32.const 2048) "k")"#;

#[test]
fn the_time_may_be_asked_and_text_printed_while_arguments_are_lowered() {
    let mut host = Host::new(&go("(i32.const 32768)", ""));
    host.apply(&["one", "two"]);
}

#[test]
fn what_is_printed_in_pieces_is_a_line_and_the_memory_lent_for_it_is_given_back() {
    let more = r#"
      (data (i32.const 0) "0123456789abcdef0123456789abcdef")
      (data (i32.const 2056) "panic: boom\0aon error\0a")
      ;; "panic: ", "boom\n"; "on ", "error\n"
      (data (i32.const 3000) "\08\08\00\00\07\00\00\00" "\0f\08\00\00\05\00\00\00" "\14\08\00\00\03\00\00\00" "\17\08\00\00\06\00\00\00")"#;
    let body = "
        (if (call $fd-write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3100)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 3100)) (i32.const 7)) (then (unreachable)))
        (if (call $fd-write (i32.const 2) (i32.const 3016) (i32.const 2) (i32.const 3100)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 3100)) (i32.const 9)) (then (unreachable)))
        (if (call $fd-write (i32.const 1) (i32.const 3008) (i32.const 1) (i32.const 3100)) (then (unreachable)))
        (if (i32.ne (call $fd-write (i32.const 3) (i32.const 3008) (i32.const 1) (i32.const 3100)) (i32.const 8))
          (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 16)) (i64.load (i32.const 0))) (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 24)) (i64.load (i32.const 8))) (then (unreachable)))
        (i32.const 32768)";
    let kept = lines("go-prints", &go(body, more), LogLevel::Info);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].starts_with("WARN") && kept[0].contains("on error"), "{kept:?}");
    assert!(kept[1].starts_with("INFO") && kept[1].contains("panic: boom"), "{kept:?}");
}

#[test]
fn an_exit_is_a_trap_with_the_last_words() {
    let more = r#"(data (i32.const 2056) "fatal error: all goroutines are asleep\0a") (data (i32.const 3000) "\08\08\00\00\27\00\00\00")"#;
    let body = "
        (drop (call $fd-write (i32.const 2) (i32.const 3000) (i32.const 1) (i32.const 3100)))
        (call $exit (i32.const 2)) (i32.const 32768)";
    let rejection = Host::new(&go(body, more)).rejection(&["e"]);
    assert_eq!(rejection.cause, RejectionCause::Trap);
    assert!(rejection.reason.contains("all goroutines are asleep"), "{}", rejection.reason);
    assert!(rejection.reason.contains("`exit`"), "{}", rejection.reason);
}

#[test]
fn an_exit_where_imports_must_not_be_called_is_a_trap_of_its_own() {
    let file = go("(call $set-paused (i32.const 1)) (call $exit (i32.const 2)) (i32.const 32768)", "");
    let rejection = Host::new(&file).rejection(&["e"]);
    assert_eq!(rejection.cause, RejectionCause::Trap);
    assert!(rejection.reason.contains("unreachable"), "{}", rejection.reason);
}

/// The clocks after a reading, after a sleep of an hour, and eight random bytes.
fn seen() -> Vec<u8> {
    let body = "
        (if (call $time (i32.const 0) (i64.const 0) (i32.const 4096)) (then (unreachable)))
        (i64.store (i32.const 3000) (i64.const 77))
        (i64.store (i32.const 3024) (i64.const 3600000000000))
        (if (call $poll (i32.const 3000) (i32.const 3100) (i32.const 1) (i32.const 3140)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 3140)) (i32.const 1)) (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 3100)) (i64.const 77)) (then (unreachable)))
        (if (call $time (i32.const 1) (i64.const 0) (i32.const 4104)) (then (unreachable)))
        (if (call $random (i32.const 4112) (i32.const 8)) (then (unreachable)))"
        .to_owned()
        + &hex(24)
        + &put(48).replace("i32.const 4096", "i32.const 6000");
    let mut host = Host::new(&go(&body, KEY));
    host.apply(&["e"]);
    let text = host.text("k").unwrap();
    (0..24).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

/// Writes memory from 4096 as hexadecimal text to 6000.
fn hex(len: u32) -> String {
    let stores: Vec<String> = (0..len * 2)
        .map(|at| {
            let shift = if at % 2 == 0 { 4 } else { 0 };
            let nibble = format!(
                "(i32.and (i32.shr_u (i32.load8_u (i32.const {})) (i32.const {shift})) (i32.const 15))",
                4096 + at / 2
            );
            format!(
                "(i32.store8 (i32.const {}) (i32.add {nibble} (select (i32.const 48) (i32.const 87) (i32.lt_u {nibble} (i32.const 10)))))",
                6000 + at
            )
        })
        .collect();
    stores.concat()
}

#[test]
fn the_clocks_begin_at_1970_and_a_sleep_is_over_at_once() {
    let seen = seen();
    let number = |at: usize| u64::from_le_bytes(seen[at..at + 8].try_into().unwrap());
    assert!((1_000..1_000_000).contains(&number(0)), "{} ns", number(0));
    assert!((3_600_000_000_000..3_600_001_000_000).contains(&number(8)), "{} ns", number(8));
    assert_ne!(number(16), 0, "random bytes");
}

#[test]
fn the_same_call_sees_the_same_time_and_the_same_random_bytes() {
    assert_eq!(seen(), seen());
}

#[test]
fn lists_of_output_that_lie_outside_of_memory_are_a_trap_and_nothing_else() {
    // An entry with a length that reaches over the end of all memory, and one that begins behind it.
    let more = r#"(data (i32.const 3000) "\00\08\00\00\ff\ff\ff\ff" "\f0\ff\ff\ff\20\00\00\00")"#;
    for (list, count, written) in [
        ("i32.const 3000", "i32.const 1", "i32.const 3100"),
        ("i32.const 3008", "i32.const 1", "i32.const 3100"),
        ("i32.const -16", "i32.const 1", "i32.const 3100"),
        ("i32.const -4", "i32.const 1", "i32.const 3100"),
        ("i32.const 3016", "i32.const -1", "i32.const 3100"),
        ("i32.const 3016", "i32.const 1", "i32.const -2"),
    ] {
        let body = format!("(drop (call $fd-write (i32.const 2) ({list}) ({count}) ({written}))) (i32.const 32768)");
        let rejection = Host::new(&go(&body, more)).rejection(&["e"]);
        assert!(
            matches!(rejection.cause, RejectionCause::Trap | RejectionCause::Fuel | RejectionCause::Limit),
            "{list} {count} {written}: {rejection:?}"
        );
    }
}

#[test]
fn output_without_end_and_without_lines_is_cut_and_its_last_words_are_short() {
    let more = r#"(data (i32.const 3000) "\00\10\00\00\00\80\00\00")"#;
    let body = "
        (block $end (loop $next
          (br_if $end (i32.ge_u (local.get $i) (i32.const 200)))
          (drop (call $fd-write (i32.const 2) (i32.const 3000) (i32.const 1) (i32.const 3100)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
        (unreachable)";
    let rejection = Host::new(&go(&format!("(local $i i32) {body}"), more)).rejection(&["e"]);
    assert!(rejection.reason.len() < 2 * 1024, "{} bytes", rejection.reason.len());
}
