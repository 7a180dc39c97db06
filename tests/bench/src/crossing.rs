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

use std::{collections::BTreeMap, fmt::Write as _, hint::black_box, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use tidemill_engine::{ComponentProcessor, Limits};
use tidemill_pipeline::{Batch, Call, Instances, Metadata, Overlay, Processor as _, Value, WriteBounds};

use crate::{goal::Goal, median::median};

/// The section's name in the results.
pub(crate) const SECTION: &str = "crossing";

/// The names of the variants that a goal is about.
const EVENT: &str = "an event in, payload only";
const BULK: &str = "an event in by columns, payload only";
const BULK_KNOWN: &str = "an event in by columns, with id, kind, key, time";
const PUT: &str = "a write out by `put`, overlay included";
const APPLY: &str = "a write out by `apply`, overlay included";
const OVERLAY: &str = "the overlay's part of a write";

/// What was measured, by the variants' names.
pub(crate) type Crossings = BTreeMap<String, Crossing>;

/// What one variant costs, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Crossing {
    /// The least of all rounds: what it costs.
    pub(crate) least: f64,
    /// The median: how busy the machine was.
    pub(crate) median: f64,
}

/// A component that ignores its events, which come to it as records.
pub(crate) fn ignoring() -> Vec<u8> {
    guest::process(guest::OK)
}

/// A component that ignores its events, which come to it by columns if they fit.
pub(crate) fn ignoring_bulk() -> Vec<u8> {
    guest::bulk("unreachable", guest::OK)
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
    calls_of(&guest::process(body), batch, instances)
}

fn calls_of(component: &[u8], batch: Batch, instances: Instances) -> Box<dyn FnMut()> {
    let (engine, dir) = host::engine();
    let component = engine.load(component, &Limits::default()).unwrap();
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

/// Measures.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn measure(quick: bool) -> Crossings {
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
        variant(BULK, EVENTS, calls_of(&ignoring_bulk(), batch(EVENTS, &plain), reused)),
        variant(BULK_KNOWN, EVENTS, calls_of(&ignoring_bulk(), batch(EVENTS, &known), reused)),
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
    let crossing = |variant: Variant| {
        let least = variant.times.iter().copied().fold(f64::INFINITY, f64::min);
        (variant.name.to_owned(), Crossing { least, median: median(variant.times) })
    };
    variants.into_iter().map(crossing).collect()
}

/// The goals, of the least that was measured.
pub(crate) fn goals(crossings: &Crossings) -> Vec<Goal> {
    let least = |name: &str| crossings.get(name).map(|crossing| crossing.least);
    let write = least(APPLY).zip(least(OVERLAY)).map(|(apply, overlay)| apply - overlay);
    vec![
        Goal::at_most("crossing: an event of 300 B in by columns, batch of 1,000".to_owned(), 80.0, "ns", least(BULK)),
        Goal::at_most(
            "crossing: the same as a record, for who has no bulk export".to_owned(),
            80.0,
            "ns",
            least(EVENT),
        ),
        Goal::at_most("crossing: a write out by `apply`, without the overlay".to_owned(), 80.0, "ns", write),
    ]
}

/// Markdown: a row for each variant.
pub(crate) fn text(crossings: &Crossings) -> String {
    let mut text = "## Crossing into a component\n\nThrough the whole processor: queue, thread, call, overlay; fuel and epochs on. The least of 200 rounds is what it costs;\n\
        the median says how busy the machine was. An instance is reused unless the row says otherwise.\n\n| | least, ns | median, ns |\n|---|--:|--:|\n"
        .to_owned();
    for (name, Crossing { least, median }) in crossings {
        writeln!(text, "| {name} | {least:.0} | {median:.0} |").expect("text takes everything");
    }
    text
}
