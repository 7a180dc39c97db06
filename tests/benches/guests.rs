//! What a guest costs: compiling it, starting an instance, and each event of `totals`, with fresh and with reused instances.
//!
//! Arguments are files of components; each gives a line of JSON. `cargo xtask languages` runs it for every language and writes the
//! table of `docs/languages.md`.
#![allow(missing_docs, clippy::cast_precision_loss, clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::guest_host::{Hashes, Memory, batch};
use serde_json::json;
use tidemill_engine::{
    Compiler, Component, ComponentProcessor, Engine, EngineSettings, Limits, LogLevel, ProcessorSettings,
};
use tidemill_pipeline::{Call, Digest, Instances, Overlay, Processor as _, ProcessorName, WriteBounds};
use tokio::runtime::Runtime;

const EVENTS: usize = 20_000;
const BATCH: usize = 1_000;
const USERS: usize = 1_000;
/// How often each start is tried; the best counts, because what others do on the machine only adds.
const STARTS: usize = 20;
const ROUNDS: usize = 3;

fn main() {
    for file in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        println!("{}", measure(Path::new(&file)));
    }
}

fn measure(file: &Path) -> serde_json::Value {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let directory = tempfile::tempdir().unwrap();
    // A guest that is slow to start has to do it within its call.
    let limits = Limits {
        memory_bytes_max: 256 << 20,
        call_time_max: Duration::from_mins(1),
        fuel_base: 100_000_000_000,
        ..Limits::default()
    };
    let engine = Engine::new(EngineSettings {
        cache_dir: directory.path().join("code"),
        threads: 1,
        compiler: Compiler::InProcess,
        hashes: Arc::new(Hashes::default()),
        tick: Duration::from_millis(10),
    })
    .unwrap();
    let (compiled, component) = timed(|| load(&engine, &bytes, &limits));
    let (cached, _) = timed(|| load(&engine, &bytes, &limits));

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let processor = |instances| engine.processor(&component, settings(&limits, instances));
    let one = payments(1);
    let mut starts = Vec::new();
    let mut fresh = processor(Instances::Fresh);
    for _ in 0..STARTS {
        starts.push(timed(|| call(&runtime, &mut fresh, &one)).0);
    }
    let (fresh_nanos, fresh_fuel, memory) = events(&runtime, &mut fresh);
    let (reused_nanos, reused_fuel, _) = events(&runtime, &mut processor(Instances::Reuse));
    json!({
        "file": file.display().to_string(),
        "bytes": bytes.len(),
        "compile-ms": compiled.as_secs_f64() * 1e3,
        "load-ms": cached.as_secs_f64() * 1e3,
        "first-us": starts[0].as_secs_f64() * 1e6,
        "best-us": starts.iter().min().unwrap().as_secs_f64() * 1e6,
        "fresh-ns": fresh_nanos,
        "fresh-fuel": fresh_fuel,
        "reused-ns": reused_nanos,
        "reused-fuel": reused_fuel,
        "memory-bytes": memory,
    })
}

fn load(engine: &Engine, bytes: &[u8], limits: &Limits) -> Component {
    engine.load(bytes, limits).unwrap_or_else(|error| panic!("the component does not load: {error}"))
}

fn settings(limits: &Limits, instances: Instances) -> ProcessorSettings {
    ProcessorSettings {
        name: ProcessorName::new("totals"),
        config: Vec::new().into_iter().collect(),
        config_digest: Digest::of(b""),
        limits: limits.clone(),
        instances,
        log_level: LogLevel::Info,
    }
}

/// Payloads that all keys of the state share in: users come round again and again, in no simple order.
fn payments(count: usize) -> Vec<String> {
    (0..count).map(|n| json!({ "user": format!("user-{}", n * 7919 % USERS), "amount": n % 100 }).to_string()).collect()
}

/// The best of some rounds over all events: nanoseconds and fuel an event, and the memory that an instance took.
fn events(runtime: &Runtime, processor: &mut ComponentProcessor) -> (f64, u64, u64) {
    let payloads = payments(EVENTS);
    let rounds = (0..ROUNDS).map(|_| {
        let (mut took, mut fuel, mut memory) = (Duration::ZERO, 0, 0);
        for payloads in payloads.chunks(BATCH) {
            let (time, cost) = timed(|| call(runtime, processor, payloads));
            took += time;
            fuel += cost.fuel;
            memory = memory.max(cost.memory_bytes);
        }
        (took, fuel, memory)
    });
    let (took, fuel, memory) = rounds.min_by_key(|(took, ..)| *took).unwrap();
    (took.as_secs_f64() * 1e9 / EVENTS as f64, fuel / EVENTS as u64, memory)
}

/// One batch, from the call to the writes that the host holds, over an empty state.
fn call(runtime: &Runtime, processor: &mut ComponentProcessor, payloads: &[String]) -> tidemill_pipeline::Cost {
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let overlay = Overlay::new(Box::new(Memory::default()), WriteBounds::default());
    let call = Call { batch: Arc::new(batch(&payloads)), events: 0..payloads.len(), overlay, fresh: false };
    let processed = runtime.block_on(processor.process(call));
    let cost = processed.result.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    processor.committed();
    cost
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed(), done)
}
