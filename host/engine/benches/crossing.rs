//! What crossing into a component costs: events in, writes out, reads, and a call itself.
//!
//! Variants are interleaved. The least of the rounds is what it costs; the median says how busy the machine was. `cargo bench -p tidemill-engine`.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a benchmark")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark"
)]
#![allow(clippy::cast_precision_loss, clippy::print_stdout, reason = "it prints what it measured")]

#[path = "../tests/engine/guest.rs"]
mod guest;
#[path = "../tests/engine/host.rs"]
mod host;

use std::{hint::black_box, sync::Arc, time::Instant};

use tidemill_engine::{ComponentProcessor, Limits};
use tidemill_pipeline::{Batch, Call, Instances, Metadata, Overlay, Processor, Value, WriteBounds};

const EVENTS: usize = 1_000;
const ROUNDS: usize = 201;
const CALLS: usize = 5;

/// Makes a key of four bytes of `$i` at 2048, with its value behind it.
const KEY: &str = "
    (i32.store (i32.const 2048) (i32.add (i32.const 0x30303030)
      (i32.or (i32.and (local.get $i) (i32.const 15))
      (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4))
              (i32.shl (i32.and (local.get $i) (i32.const 0xf00)) (i32.const 8))))))";

fn each(body: &str) -> String {
    format!(
        "(loop $l {KEY} {body}
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const {EVENTS}))))"
    )
}

/// Writes made in memory, given in one call.
fn apply() -> String {
    let build = format!(
        "(loop $l
        (local.set $j (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 24))))
        (i32.store (i32.add (i32.const 8192) (i32.shl (local.get $i) (i32.const 2))) (i32.add (i32.const 0x30303030)
          (i32.or (i32.and (local.get $i) (i32.const 15))
          (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4))
                  (i32.shl (i32.and (local.get $i) (i32.const 0xf00)) (i32.const 8))))))
        (i32.store (local.get $j) (i32.add (i32.const 8192) (i32.shl (local.get $i) (i32.const 2))))
        (i32.store offset=4 (local.get $j) (i32.const 4))
        (i32.store8 offset=8 (local.get $j) (i32.const 1))
        (i32.store8 offset=12 (local.get $j) (i32.const 0))
        (i32.store offset=16 (local.get $j) (i32.const 8192))
        (i32.store offset=20 (local.get $j) (i32.const 8))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const {EVENTS}))))"
    );
    format!("{build} (call $apply (i32.const 131072) (i32.const {EVENTS})) (i32.const 32768)")
}

struct Variant {
    name: &'static str,
    per: usize,
    run: Box<dyn FnMut()>,
    times: Vec<f64>,
}

fn calls(body: &str, batch: Batch, instances: Instances) -> Box<dyn FnMut()> {
    let (engine, dir) = host::engine();
    let component = engine.load(&guest::process(body), &Limits::default()).unwrap();
    let mut settings = host::processor_settings();
    settings.instances = instances;
    settings.limits = Limits::default();
    let mut processor = engine.processor(&component, settings);
    let batch = Arc::new(batch);
    Box::new(move || {
        let _dir = &dir;
        call(&mut processor, &batch);
    })
}

fn call(processor: &mut ComponentProcessor, batch: &Arc<Batch>) {
    let overlay = Overlay::new(host::no_state(), WriteBounds::default());
    let call = Call { batch: Arc::clone(batch), events: 0..batch.len(), overlay, fresh: false };
    let processed = host::block_on(processor.process(call));
    processed.result.unwrap();
    drop(black_box(processed.overlay));
    processor.committed();
}

/// The overlay's own work for the same writes, without a component.
fn overlay() -> Box<dyn FnMut()> {
    Box::new(|| {
        let mut overlay = Overlay::new(host::no_state(), WriteBounds::default());
        for number in 0..EVENTS {
            overlay.write(format!("{number:04x}"), Some(Value::from("00000000"))).unwrap();
        }
        overlay.settle();
        black_box(overlay);
    })
}

fn main() {
    let data = "x".repeat(300);
    let batch = |count: usize, metadata: &Metadata| host::batch((0..count).map(|_| (data.as_str(), metadata.clone())));
    let plain = Metadata::default();
    let known = Metadata {
        id: Some("0123456789abcdef".into()),
        kind: Some("order.placed".into()),
        key: Some("user-1".into()),
        occurred_at_us: Some(1),
        ..plain.clone()
    };
    let headers = Metadata {
        headers: (0..4).map(|number| (format!("ce_header{number}").into(), "some value".into())).collect(),
        ..known.clone()
    };
    let put = "(call $put (i32.const 2048) (i32.const 4) (i32.const 0) (i32.const 2048) (i32.const 8))";
    let get = "(call $get (i32.const 2048) (i32.const 4) (i32.const 4096))";
    let ok = guest::OK;
    let variant = |name, per, run| Variant { name, per, run, times: Vec::new() };
    let reused = Instances::Reuse;
    let mut variants = vec![
        variant("a call of one event, reused instance", 1, calls(ok, batch(1, &plain), reused)),
        variant("a call of one event, fresh instance", 1, calls(ok, batch(1, &plain), Instances::Fresh)),
        variant("an event in, payload only", EVENTS, calls(ok, batch(EVENTS, &plain), reused)),
        variant("an event in, with id, kind, key, time", EVENTS, calls(ok, batch(EVENTS, &known), reused)),
        variant("an event in, with four headers too", EVENTS, calls(ok, batch(EVENTS, &headers), reused)),
        variant(
            "a write out by `put`, overlay included",
            EVENTS,
            calls(&format!("{} {ok}", each(put)), batch(1, &plain), reused),
        ),
        variant("a write out by `apply`, overlay included", EVENTS, calls(&apply(), batch(1, &plain), reused)),
        variant("the overlay's part of a write", EVENTS, overlay()),
        variant("a `get` of no value", EVENTS, calls(&format!("{} {ok}", each(get)), batch(1, &plain), reused)),
    ];
    for round in 0..ROUNDS {
        for variant in &mut variants {
            let begun = Instant::now();
            for _ in 0..CALLS {
                (variant.run)();
            }
            let nanos = begun.elapsed().as_nanos() as f64 / (CALLS * variant.per) as f64;
            if round > 0 {
                variant.times.push(nanos);
            }
        }
    }
    for variant in &mut variants {
        variant.times.sort_by(f64::total_cmp);
        let (least, median) = (variant.times[0], variant.times[variant.times.len() / 2]);
        println!("{:45} {least:8.0} ns at least, {median:8.0} ns median", variant.name);
    }
}
