//! How long instances live, and that the same call gives the same.

use tidemill_engine::{ComponentProcessor, Limits, ProcessorSettings};
use tidemill_pipeline::{Instances, Processor, ProcessorName, Value};

use crate::{
    guest::{component, core, keeper},
    host::{self, Host, events},
};

/// Counts its calls in a global and writes the count, as a letter from `a`, under `n`. The event `t` makes it trap.
fn counter() -> Vec<u8> {
    component(&core(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const 2048) (i32.const 110))
        (i32.store8 (i32.const 2049) (i32.add (i32.const 96) (global.get $calls)))
        (call $put (i32.const 2048) (i32.const 1) (i32.const 0) (i32.const 2049) (i32.const 1))
        (if (i32.eq (i32.const 116) (i32.load8_u (i32.load offset=4 (local.get $events)))) (then (unreachable)))
        (i32.const 32768)",
        "(global $calls (mut i32) (i32.const 0))",
    ))
}

fn host_with(instances: Instances) -> Host {
    Host::with(&counter(), |settings| settings.instances = instances)
}

/// Calls a lane once, and gives what its instance has counted.
fn count(lane: &mut ComponentProcessor) -> String {
    let writes = host::call(lane, events(&["e"])).overlay.unwrap().into_writes();
    match writes.iter().next() {
        Some(("n", Some(Value::Text(count)))) => count.clone(),
        other => panic!("{other:?}"),
    }
}

fn calls(host: &mut Host) -> String {
    host.apply(&["e"]);
    host.text("n").unwrap().to_owned()
}

#[test]
fn a_fresh_instance_remembers_nothing() {
    let mut host = host_with(Instances::Fresh);
    assert_eq!([calls(&mut host), calls(&mut host)], ["a", "a"]);
}

#[test]
fn a_reused_instance_lives_on_while_its_calls_are_committed() {
    let mut host = host_with(Instances::Reuse);
    assert_eq!([calls(&mut host), calls(&mut host), calls(&mut host)], ["a", "b", "c"]);
    host.call(&["e"]).result.unwrap();
    assert_eq!(calls(&mut host), "a", "the call before was not committed");
}

#[test]
fn lanes_of_a_processor_share_the_instances_that_wait() {
    let (engine, _dir) = host::engine();
    let component = engine.load(&counter(), &Limits::default()).unwrap();
    let lane = |name: &str| {
        let name = ProcessorName::new(name);
        let settings = host::processor_settings();
        engine.processor(&component, ProcessorSettings { name, instances: Instances::Reuse, ..settings })
    };
    let (mut one, mut two, mut other) = (lane("shared"), lane("shared"), lane("other"));
    assert_eq!(count(&mut one), "a");
    assert_eq!(count(&mut two), "a", "the call before is not committed, so its instance waits for that");
    one.committed();
    two.committed();
    let counts = [count(&mut one), count(&mut two)];
    assert_eq!(counts, ["b", "b"], "each had an instance that one of them had before");
    one.committed();
    assert_eq!(count(&mut two), "a", "its call before is not committed, so it may not build on anything");
    two.committed();
    assert_eq!([count(&mut one), count(&mut two)], ["b", "c"], "the last one that came goes first");
    assert_eq!(count(&mut other), "a", "another processor never gets it");
}

#[test]
fn a_fresh_call_gets_a_fresh_instance() {
    let mut host = host_with(Instances::Reuse);
    calls(&mut host);
    let writes = host.process(events(&["e"]), true).overlay.unwrap().into_writes();
    assert_eq!(writes.iter().collect::<Vec<_>>(), [("n", Some(&Value::from("a")))]);
}

#[test]
fn an_instance_that_trapped_is_never_entered_again() {
    let mut host = host_with(Instances::Reuse);
    calls(&mut host);
    host.rejection(&["t"]);
    host.processor.committed();
    assert_eq!(calls(&mut host), "a");
}

#[test]
fn the_same_call_gives_the_same_writes_and_costs_the_same() {
    let mut host = Host::new(&keeper());
    let mut run = || {
        let processed = host.call(&["one", "two", "three"]);
        (processed.result.unwrap(), processed.overlay.unwrap().into_writes())
    };
    let first = run();
    assert!((0..5).all(|_| run() == first));
}

#[test]
fn an_idle_processor_has_no_thread() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let (engine, _dir) = host::engine();
    let component = engine.load(&keeper(), &Limits::default()).unwrap();
    let before = threads();
    let processors: Vec<_> = (0..1_000).map(|_| engine.processor(&component, host::processor_settings())).collect();
    // Other tests of this process have threads too, so only a thread for each processor would show.
    assert!(threads() < before + 500, "{} threads for {} processors", threads(), processors.len());
}
