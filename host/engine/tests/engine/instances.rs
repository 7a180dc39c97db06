//! How long instances live, and that the same call gives the same.

use tidemill_pipeline::{Instances, Processor, Value};

use crate::{
    guest::{component, core, keeper},
    host::{Host, events},
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

fn host(instances: Instances) -> Host {
    Host::with(&counter(), |settings| settings.instances = instances)
}

fn calls(host: &mut Host) -> String {
    host.apply(&["e"]);
    host.text("n").unwrap().to_owned()
}

#[test]
fn a_fresh_instance_remembers_nothing() {
    let mut host = host(Instances::Fresh);
    assert_eq!([calls(&mut host), calls(&mut host)], ["a", "a"]);
}

#[test]
fn a_reused_instance_lives_on_while_its_calls_are_committed() {
    let mut host = host(Instances::Reuse);
    assert_eq!([calls(&mut host), calls(&mut host), calls(&mut host)], ["a", "b", "c"]);
    host.call(&["e"]).result.unwrap();
    assert_eq!(calls(&mut host), "a", "the call before was not committed");
}

#[test]
fn a_fresh_call_gets_a_fresh_instance() {
    let mut host = host(Instances::Reuse);
    calls(&mut host);
    let writes = host.process(events(&["e"]), true).overlay.unwrap().into_writes();
    assert_eq!(writes.iter().collect::<Vec<_>>(), [("n", Some(&Value::from("a")))]);
}

#[test]
fn an_instance_that_trapped_is_never_entered_again() {
    let mut host = host(Instances::Reuse);
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
    let (engine, _dir) = crate::host::engine();
    let component = engine.load(&keeper(), &tidemill_engine::Limits::default()).unwrap();
    let before = threads();
    let processors: Vec<_> =
        (0..1_000).map(|_| engine.processor(&component, crate::host::processor_settings())).collect();
    // Other tests of this process have threads too, so only a thread for each processor would show.
    assert!(threads() < before + 500, "{} threads for {} processors", threads(), processors.len());
}
