//! The virtual WASI: what a component that imports it sees, which is the same each time and nothing of the world.

use std::time::{Duration, Instant};

use tidemill_pipeline::{Metadata, RejectionCause, Value};

use crate::{
    guest::{component, core_with},
    host::{Host, batch},
};

/// The parts of WASI that the guests here use, in a version that is not the host's.
const PACKAGES: [&str; 6] = [
    "package wasi:io@0.2.3;
    interface poll { resource pollable { ready: func() -> bool; block: func(); } }
    interface streams { use poll.{pollable}; resource output-stream { subscribe: func() -> pollable; } }",
    "package wasi:clocks@0.2.3;
    interface monotonic-clock { use wasi:io/poll@0.2.3.{pollable}; now: func() -> u64; subscribe-duration: func(when: u64) -> pollable; }
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
    "package wasi:random@0.2.3;
    interface random { get-random-u64: func() -> u64; }
    interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    "package wasi:cli@0.2.3;
    interface environment { get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>; }
    interface exit { exit: func(status: result); }",
    "package wasi:sockets@0.2.3;
    interface network { enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory,
        timeout, concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
        address-not-bindable, address-in-use, remote-unreachable, connection-refused, connection-reset,
        connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure,
        permanent-resolver-failure } enum ip-address-family { ipv4, ipv6 } }
    interface tcp { resource tcp-socket { is-listening: func() -> bool; } }
    interface tcp-create-socket { use network.{error-code, ip-address-family}; use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>; }",
    "package test:test; world guest {
        include tidemill:processor/processor@0.1.0;
        import wasi:clocks/monotonic-clock@0.2.3; import wasi:clocks/wall-clock@0.2.3;
        import wasi:random/random@0.2.3; import wasi:random/insecure-seed@0.2.3;
        import wasi:cli/environment@0.2.3; import wasi:cli/exit@0.2.3;
        import wasi:sockets/tcp-create-socket@0.2.3; }",
];

const IMPORTS: &str = r#"
  (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
  (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
  (import "wasi:random/insecure-seed@0.2.3" "insecure-seed" (func $seed (param i32)))
  (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.3" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $tcp (param i32 i32)))
"#;

/// A guest that puts what it computed at 4096, `len` bytes of it, under the key `k`.
fn guest(compute: &str, len: usize) -> Vec<u8> {
    let more = format!(r#"{IMPORTS} (data (i32.const 2048) "k")"#);
    let put = format!(
        "(call $put (i32.const 2048) (i32.const 1) (i32.const 1) (i32.const 4096) (i32.const {len})) (i32.const 32768)"
    );
    component(&core_with(&format!("{compute} {put}"), &more, "test:test/guest", &PACKAGES))
}

fn computed(host: &mut Host) -> Vec<u8> {
    host.apply(&["e"]);
    match host.state.get("k") {
        Some(Value::Bytes(bytes)) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

#[test]
fn sleeping_an_hour_returns_at_once_and_an_hour_later() {
    let hour_ns = 3_600_000_000_000_u64;
    let sleep = format!(
        "(call $block (call $subscribe (i64.const {hour_ns})))
        (i64.store (i32.const 4096) (call $now))"
    );
    let begun = Instant::now();
    let later = number(&computed(&mut Host::new(&guest(&sleep, 8))));
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert!((hour_ns..hour_ns + 1_000_000).contains(&later), "{later}");
}

#[test]
fn the_wall_clock_stands_where_the_last_event_put_it() {
    let mut host = Host::new(&guest("(call $wall (i32.const 4096))", 12));
    assert_eq!(number(&computed(&mut host)), 0, "no event has a time");
    for (occurred_at_us, seconds) in [(1_700_000_000_123_456, 1_700_000_000), (-5, 0)] {
        let dated = |occurred_at_us| Metadata { occurred_at_us: Some(occurred_at_us), ..Metadata::default() };
        let processed = host
            .process(batch([("e", dated(9_000_000)), ("f", dated(occurred_at_us)), ("g", Metadata::default())]), false);
        let writes = processed.overlay.unwrap().into_writes();
        let (_, value) = writes.iter().next().unwrap();
        assert_eq!(number(value.unwrap().as_ref().as_bytes()), seconds);
    }
}

#[test]
fn randomness_is_the_same_for_the_same_call_and_another_for_another_processor() {
    let file = guest("(i64.store (i32.const 4096) (call $random)) (call $seed (i32.const 4104))", 24);
    let mut host = Host::new(&file);
    let first = computed(&mut host);
    assert_eq!(first, computed(&mut host));
    let mut other = Host::with(&file, |settings| settings.name = tidemill_pipeline::ProcessorName::new("other"));
    let other = computed(&mut other);
    assert_ne!(first[..8], other[..8], "`random` is the processor's");
    assert_eq!(first[8..], other[8..], "`insecure-seed` is the component's");
}

#[test]
fn there_is_no_environment_and_no_argument() {
    let file = guest("(call $environment (i32.const 4096)) (call $arguments (i32.const 4104))", 16);
    let found = computed(&mut Host::new(&file));
    assert_eq!((&found[4..8], &found[12..16]), ([0; 4].as_slice(), [0; 4].as_slice()));
}

#[test]
fn a_socket_is_access_denied() {
    let found = computed(&mut Host::new(&guest("(call $tcp (i32.const 0) (i32.const 4096))", 8)));
    assert_eq!((found[0], found[4]), (1, 1), "err(access-denied)");
}

#[test]
fn an_exit_is_a_trap() {
    let rejection = Host::new(&guest("(call $exit (i32.const 0))", 8)).rejection(&["e"]);
    assert_eq!(rejection.cause, RejectionCause::Trap);
    assert!(rejection.reason.contains("`exit`"), "{}", rejection.reason);
}

#[test]
fn timers_without_end_are_a_limit() {
    let file = guest("(loop $l (drop (call $subscribe (i64.const 1))) (br $l))", 8);
    let mut host = Host::with(&file, |settings| settings.limits.fuel_base = 1 << 40);
    assert_eq!(host.rejection(&["e"]).cause, RejectionCause::Limit);
}

/// A module of WASI's first preview, as older toolchains make them: it prints, draws random bytes, reads a clock.
#[test]
fn a_module_of_the_first_preview_gets_an_adapter() {
    let imports = r#"
      (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $random-get (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
    "#;
    let more = format!(r#"{imports} (data (i32.const 2048) "k") (data (i32.const 2056) "last words\0a")"#);
    let body = "
        (i32.store (i32.const 3000) (i32.const 2056)) (i32.store (i32.const 3004) (i32.const 11))
        (if (call $fd-write (i32.const 2) (i32.const 3000) (i32.const 1) (i32.const 3008)) (then (unreachable)))
        (if (call $random-get (i32.const 4096) (i32.const 8)) (then (unreachable)))
        (if (call $time (i32.const 0) (i64.const 0) (i32.const 4104)) (then (unreachable)))
        (if (call $environ (i32.const 4112) (i32.const 4116)) (then (unreachable)))
        (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 1) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 4120))) (then (unreachable)))
        (call $put (i32.const 2048) (i32.const 1) (i32.const 1) (i32.const 4096) (i32.const 20))
        (if (i32.eq (i32.const 116) (i32.load8_u (i32.load offset=4 (local.get $events)))) (then (unreachable)))
        (i32.const 32768)";
    let file = core_with(body, &more, "tidemill:processor/processor@0.1.0", &[]);
    let mut host = Host::new(&file);
    let found = computed(&mut host);
    assert_ne!(number(&found), 0, "random bytes");
    assert_eq!((number(&found[8..]), &found[16..20]), (0, [0; 4].as_slice()), "no time, no environment");
    assert_eq!(found, computed(&mut host));
    let rejection = host.rejection(&["trap"]);
    assert!(rejection.reason.starts_with("last words (wasm trap: "), "{}", rejection.reason);
}
