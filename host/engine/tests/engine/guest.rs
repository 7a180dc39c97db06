//! Guests: components written as core modules by hand, with the contract's metadata, as compilers leave them.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What every guest has: memory, an allocator that only goes forward, and names for the imports.
const SHELL: &str = r#"
  (import "tidemill:processor/state@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "get-many" (func $get-many (param i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "tidemill:processor/state@0.1.0" "delete" (func $delete (param i32 i32)))
  (import "tidemill:processor/state@0.1.0" "apply" (func $apply (param i32 i32)))
  (import "tidemill:processor/config@0.1.0" "get" (func $config-get (param i32 i32 i32)))
  (import "tidemill:processor/config@0.1.0" "get-all" (func $config-get-all (param i32)))
  (import "tidemill:processor/log@0.1.0" "enabled" (func $log-enabled (param i32) (result i32)))
  (import "tidemill:processor/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 65536))
  (func $alloc (param $align i32) (param $size i32) (result i32) (local $at i32)
    (global.set $top (i32.and
      (i32.sub (i32.add (global.get $top) (local.get $align)) (i32.const 1))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1)
            (i32.shr_u (i32.sub (global.get $top) (i32.mul (memory.size) (i32.const 65536))) (i32.const 16)))))
        (then (unreachable))))
    (local.get $at))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $alloc (local.get 2) (local.get 3)))
  (func $done (export "cabi_post_tidemill:processor/handler@0.1.0#process") (param i32)
    (global.set $top (i32.const 65536)))
"#;

/// A body's end that returns ok.
pub const OK: &str = "(i32.const 32768)";

/// A body's end that returns `retry` with a reason that lies in memory.
pub fn retry(after_ms: u64, reason: (u32, usize)) -> String {
    format!(
        "(i32.store8 (i32.const 32768) (i32.const 1)) (i32.store8 (i32.const 32776) (i32.const 0))
        (i64.store (i32.const 32784) (i64.const {after_ms}))
        (i32.store (i32.const 32792) (i32.const {})) (i32.store (i32.const 32796) (i32.const {})) (i32.const 32768)",
        reason.0, reason.1
    )
}

/// A body's end that returns `reject`.
pub fn reject(index: u32, reason: (u32, usize)) -> String {
    format!(
        "(i32.store8 (i32.const 32768) (i32.const 1)) (i32.store8 (i32.const 32776) (i32.const 1))
        (i32.store (i32.const 32784) (i32.const {index}))
        (i32.store (i32.const 32788) (i32.const {})) (i32.store (i32.const 32792) (i32.const {})) (i32.const 32768)",
        reason.0, reason.1
    )
}

/// A body's end that returns `halt`.
pub fn halt(reason: (u32, usize)) -> String {
    format!(
        "(i32.store8 (i32.const 32768) (i32.const 1)) (i32.store8 (i32.const 32776) (i32.const 2))
        (i32.store (i32.const 32784) (i32.const {})) (i32.store (i32.const 32788) (i32.const {})) (i32.const 32768)",
        reason.0, reason.1
    )
}

/// A core module whose `process` has this body, with `more` beside it. The parameters are `$feed`, `$feed-len`,
/// `$partition`, `$partition-len`, `$events` and `$count`.
pub fn core(body: &str, more: &str) -> Vec<u8> {
    core_with(body, more, "tidemill:processor/processor@0.1.0", &[])
}

/// The same for another world, with packages of WIT text that are not the contract's.
pub fn core_with(body: &str, more: &str, world: &str, packages: &[&str]) -> Vec<u8> {
    let text = format!(
        r#"(module {SHELL}
          {more}
          (func $process (export "tidemill:processor/handler@0.1.0#process")
            (param $feed i32) (param $feed-len i32) (param $partition i32) (param $partition-len i32)
            (param $events i32) (param $count i32) (result i32)
            (local $i i32) (local $j i32) (local $event i32) (local $n i64)
            {body}))"#
    );
    let text = text.replacen("(module", "(module (@name \"guest\")", 1);
    embed(imports_first(&text), world, packages)
}

/// A core module as Go's compiler makes it: with its mark, without the contract's metadata, and with an allocator that asks the
/// time, prints, and may exit, as Go's runtime does.
pub fn go(body: &str, more: &str) -> Vec<u8> {
    let imports = r#"
      (import "wasi_snapshot_preview1" "adapter_monotonic_clock_set_paused" (func $set-paused (param i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    "#;
    let allocator = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (call $set-paused (i32.const 1))
      (drop (call $time (i32.const 0) (i64.const 0) (i32.const 5000)))
      (i32.store (i32.const 5008) (i32.const 0)) (i32.store (i32.const 5012) (i32.const 8))
      (drop (call $fd-write (i32.const 2) (i32.const 5008) (i32.const 1) (i32.const 5016)))
      (call $set-paused (i32.const 0))"#;
    let text = format!(
        r#"(module (@name "guest") {imports} {SHELL}
          {more}
          (func (export "tidemill:processor/handler@0.1.0#process")
            (param $feed i32) (param $feed-len i32) (param $partition i32) (param $partition-len i32)
            (param $events i32) (param $count i32) (result i32)
            {body})
          (@custom "go:buildid" "guest"))"#
    );
    let text = text.replacen(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)"#, allocator, 1);
    wat::parse_str(imports_first(&text)).unwrap()
}

/// WAT wants imports before everything else; `more` may bring some.
fn imports_first(text: &str) -> String {
    let mut imports = Vec::new();
    let mut rest = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("(import") { imports.push(line) } else { rest.push(line) }
    }
    rest.join("\n").replacen("(@name \"guest\")", &format!("(@name \"guest\")\n{}", imports.join("\n")), 1)
}

fn embed(text: String, world: &str, packages: &[&str]) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let (main, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    for (number, package) in packages.iter().enumerate() {
        resolve.push_str(format!("{number}.wit"), package).unwrap();
    }
    let world = resolve.select_world(&[main], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// The component of a core module.
pub fn component(core: &[u8]) -> Vec<u8> {
    ComponentEncoder::default().validate(true).module(core).unwrap().encode().unwrap()
}

/// A component whose `process` has this body.
pub fn process(body: &str) -> Vec<u8> {
    component(&core(body, ""))
}

/// A component whose two handlers have these bodies. The parameter of the second is `$batch`.
pub fn bulk(body: &str, bulk_body: &str) -> Vec<u8> {
    component(&core_with(body, &bulk_export(bulk_body), "tidemill:processor/bulk-processor@0.1.0", &[]))
}

/// The optional export, as functions of a core module.
pub fn bulk_export(body: &str) -> String {
    format!(
        r#"(func (export "cabi_post_tidemill:processor/bulk-handler@0.1.0#process") (param i32)
            (global.set $top (i32.const 65536)))
          (func (export "tidemill:processor/bulk-handler@0.1.0#process") (param $batch i32) (result i32)
            (local $i i32) (local $start i32) (local $end i32)
            {body})"#
    )
}

/// Puts each event's payload under the event's `key`, else under `k`.
pub fn keeper() -> Vec<u8> {
    process(
        r"
        (i32.store8 (i32.const 1024) (i32.const 107))
        (block $end (loop $next
          (br_if $end (i32.ge_u (local.get $i) (local.get $count)))
          (local.set $event (i32.add (local.get $events) (i32.mul (local.get $i) (i32.const 72))))
          (if (i32.load8_u offset=44 (local.get $event))
            (then (call $put
              (i32.load offset=48 (local.get $event)) (i32.load offset=52 (local.get $event))
              (i32.load8_u (local.get $event))
              (i32.load offset=4 (local.get $event)) (i32.load offset=8 (local.get $event))))
            (else (call $put (i32.const 1024) (i32.const 1)
              (i32.load8_u (local.get $event))
              (i32.load offset=4 (local.get $event)) (i32.load offset=8 (local.get $event)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
        (i32.const 32768)",
    )
}
