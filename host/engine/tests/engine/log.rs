//! What a component says in the host's log.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, Once, PoisonError},
};

use tidemill_engine::{LogLevel, LogQuota};
use tidemill_pipeline::ProcessorName;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    guest::{OK, component, core, core_with},
    host::Host,
};

/// Keeps the guests' lines of this process, each as its level and its fields.
struct Keeper;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "guest"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

/// The lines of one call of a component, under a name that no other test has.
pub fn lines(name: &str, file: &[u8], level: LogLevel) -> Vec<String> {
    static KEEP: Once = Once::new();
    KEEP.call_once(|| tracing::subscriber::set_global_default(Keeper).unwrap());
    let mut host = Host::with(file, |settings| {
        settings.name = ProcessorName::new(name);
        settings.log_level = level;
        settings.limits.log_lines_max = 3;
    });
    host.apply(&["e"]);
    kept(name)
}

/// The lines of the components of a name.
fn kept(name: &str) -> Vec<String> {
    let mine = format!("processor=\"{name}\"");
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.contains(&mine)).cloned().collect()
}

const HEY: &str = r#"(data (i32.const 2048) "hey")"#;

#[test]
fn a_line_says_which_processor_and_partition_it_is_from() {
    let file = component(&core(&format!("(call $log (i32.const 3) (i32.const 2048) (i32.const 3)) {OK}"), HEY));
    let expected = r#"WARN message=hey processor="a-line" feed="orders" partition="0""#;
    assert_eq!(lines("a-line", &file, LogLevel::Info), [expected]);
    assert!(lines("no-line", &file, LogLevel::Error).is_empty());
}

#[test]
fn lines_past_the_calls_share_are_dropped_with_a_note() {
    let flood = "(loop $l
        (call $log (i32.const 4) (i32.const 2048) (i32.const 3))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 5000)))) (i32.const 32768)";
    let found = lines("flood", &component(&core(flood, HEY)), LogLevel::Info);
    assert_eq!(found.len(), 4);
    assert!(found[3].starts_with("WARN message=more than 3 log lines"), "{found:?}");
}

#[test]
fn a_quota_of_lines_leaves_lines_out_and_changes_neither_the_writes_nor_the_fuel_of_a_call() {
    let put = "(call $log (i32.const 2) (i32.const 2048) (i32.const 3))
        (call $log (i32.const 2) (i32.const 2048) (i32.const 3))
        (call $log (i32.const 2) (i32.const 2048) (i32.const 3))";
    let file = component(&core(&format!("{put} {OK}"), HEY));
    let free = lines("unbounded", &file, LogLevel::Info);
    assert_eq!(free.len(), 3);

    let quota = Arc::new(LogQuota::new(4));
    let run = |name: &str, quota: Option<&Arc<LogQuota>>| {
        let mut host = Host::with(&file, |settings| settings.name = ProcessorName::new(name));
        if let Some(quota) = quota {
            host.processor = host.processor.within(Arc::clone(quota));
        }
        let costs = [host.apply(&["e"]), host.apply(&["e"])];
        (costs, host.state)
    };
    assert_eq!(run("within", Some(&quota)), run("without", None));
    assert_eq!(kept("within").len(), 4, "of six lines");
    assert_eq!(kept("without").len(), 6);
    run("within-too", Some(&quota));
    assert_eq!(kept("within-too").len(), 0, "all lanes of a processor share its minute");
}

#[test]
fn a_long_line_is_cut() {
    let long = format!(r#"(data (i32.const 2048) "{}")"#, "é".repeat(3_000));
    let body = format!("(call $log (i32.const 4) (i32.const 2048) (i32.const 6000)) {OK}");
    let found = lines("long", &component(&core(&body, &long)), LogLevel::Info);
    assert_eq!(found[0].matches('é').count(), 2_048);
}

#[test]
fn printed_lines_go_to_the_log_line_by_line() {
    let more = r#"
      (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
      (data (i32.const 2056) "one\0atwo")"#;
    let body = "
        (i32.store (i32.const 3000) (i32.const 2056)) (i32.store (i32.const 3004) (i32.const 7))
        (drop (call $fd-write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3008)))
        (i32.const 32768)";
    let found = lines("prints", &core_with(body, more, "tidemill:processor/processor@0.1.0", &[]), LogLevel::Info);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("INFO message=one ") && found[1].starts_with("INFO message=two "), "{found:?}");
}
