//! What happens to a call when its caller goes away, or the host itself fails.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tidemill_engine::Limits;
use tidemill_pipeline::{Call, Failure, FailureKind, Overlay, Processor, Refusal, Snapshot, Value, WriteBounds};

use crate::{
    guest::{component, core, keeper},
    host::{block_on, call, engine, events, no_state, processor_settings},
};

struct Panics;

impl Snapshot for Panics {
    fn get(&mut self, _: &str) -> Result<Option<Value>, Failure> {
        panic!("a bug of the store")
    }

    fn scan(&mut self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Value)>, Failure> {
        panic!("a bug of the store")
    }
}

fn a_call(base: Box<dyn Snapshot>) -> Call {
    let overlay = Overlay::new(base, WriteBounds::default());
    Call { batch: Arc::new(events(&["e"])), events: 0..1, overlay, fresh: false }
}

#[test]
fn a_panic_of_the_host_ends_the_call_alone() {
    let (engine, _dir) = engine();
    let get = "(call $get (i32.const 2048) (i32.const 1) (i32.const 4096)) (i32.const 32768)";
    let component = engine.load(&component(&core(get, "")), &Limits::default()).unwrap();
    let mut processor = engine.processor(&component, processor_settings());
    for _ in 0..3 {
        let processed = block_on(processor.process(a_call(Box::new(Panics))));
        assert!(processed.overlay.is_none());
        match processed.result {
            Err(Refusal::Host(failure)) => assert_eq!(failure.kind, FailureKind::Broken),
            other => panic!("{other:?}"),
        }
    }
    let mut neighbour = engine.processor(&engine.load(&keeper(), &Limits::default()).unwrap(), processor_settings());
    call(&mut neighbour, events(&["e"])).result.unwrap();
}

#[test]
fn a_call_whose_caller_went_away_runs_to_its_end_before_the_next() {
    let (engine, _dir) = engine();
    let component = engine.load(&keeper(), &Limits::default()).unwrap();
    let mut processor = engine.processor(&component, processor_settings());
    for _ in 0..20 {
        let mut dropped = pin!(processor.process(a_call(no_state())));
        let poll = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Pending | Poll::Ready(_)));
    }
    call(&mut processor, events(&["e"])).result.unwrap();
}

/// A state on a disk that takes its time.
struct Slow(Duration);

impl Snapshot for Slow {
    fn get(&mut self, _: &str) -> Result<Option<Value>, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < self.0 {
            std::hint::spin_loop();
        }
        Ok(None)
    }

    fn scan(&mut self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Value)>, Failure> {
        Ok(Vec::new())
    }
}

#[test]
fn a_host_call_that_takes_long_is_ended_with_the_calls_time() {
    let (engine, _dir) = engine();
    // One host call for 4,000 keys, of which each takes 10 ms.
    let get = "(call $get-many (i32.const 131072) (i32.const 4000) (i32.const 4096)) (i32.const 32768)";
    let component = engine.load(&component(&core(get, "")), &Limits::default()).unwrap();
    let limit = Duration::from_millis(100);
    let mut settings = processor_settings();
    settings.limits.call_time_max = limit;
    let mut processor = engine.processor(&component, settings);
    let begun = Instant::now();
    let processed = block_on(processor.process(a_call(Box::new(Slow(Duration::from_millis(10))))));
    assert_eq!(processed.result, Err(Refusal::Overtime { limit }));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
