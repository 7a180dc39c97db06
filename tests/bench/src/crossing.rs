//! The crossing: what it costs to bring an event into a component and a write out of it, and a call itself.
//!
//! Variants are interleaved. Components are a few instructions written by hand, so that only the crossing is left.

#[allow(dead_code, reason = "the engine's tests use all of it")]
#[allow(unreachable_pub, reason = "the engine's tests have it as a module of a program")]
#[path = "../../../host/engine/tests/engine/guest.rs"]
mod guest;
#[allow(dead_code, missing_docs, reason = "the engine's tests use all of it")]
#[allow(unreachable_pub, reason = "the engine's tests have it as a module of a program")]
#[path = "../../../host/engine/tests/engine/host.rs"]
mod host;

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tidemill_engine::{ComponentProcessor, Limits};
use tidemill_pipeline::{Batch, Call, Instances, Metadata, Overlay, Processor as _, Value, WriteBounds};

/// The section's name in the results.
pub(crate) const SECTION: &str = "crossing";

/// What one variant costs, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Crossing {
    /// The least of all rounds: what it costs.
    pub(crate) least: f64,
    /// The median: how busy the machine was.
    pub(crate) median: f64,
}

/// A component that ignores its events.
pub(crate) fn ignoring() -> Vec<u8> {
    guest::process(guest::OK)
}

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

/// The variants, by the names that the page knows.
pub(crate) const EVENT: &str = "an event in, payload only";
pub(crate) const PUT: &str = "a write out by `put`, overlay included";
pub(crate) const APPLY: &str = "a write out by `apply`, overlay included";
pub(crate) const OVERLAY: &str = "the overlay's part of a write";

/// Measures.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn measure(quick: bool) -> Result<serde_json::Value> {
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
        variant(EVENT, EVENTS, calls(ok, batch(EVENTS, &plain), reused)),
        variant("an event in, with id, kind, key, time", EVENTS, calls(ok, batch(EVENTS, &known), reused)),
        variant("an event in, with four headers too", EVENTS, calls(ok, batch(EVENTS, &headers), reused)),
        variant(PUT, EVENTS, calls(&format!("{} {ok}", each(put)), batch(1, &plain), reused)),
        variant(APPLY, EVENTS, calls(&apply(), batch(1, &plain), reused)),
        variant(OVERLAY, EVENTS, overlay()),
        variant("a `get` of no value", EVENTS, calls(&format!("{} {ok}", each(get)), batch(1, &plain), reused)),
    ];
    let rounds = if quick { 3 } else { ROUNDS };
    for round in 0..rounds {
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
    let crossing: BTreeMap<&str, Crossing> = variants
        .iter_mut()
        .map(|variant| {
            variant.times.sort_by(f64::total_cmp);
            let (least, median) = (variant.times[0], variant.times[variant.times.len() / 2]);
            (variant.name, Crossing { least, median })
        })
        .collect();
    Ok(serde_json::to_value(crossing)?)
}
