//! `verify`: results depend on the events alone, or the first event where they part is named.

use std::{fmt::Write as _, fs};

use e2e::{
    guest_host::example,
    project::Project,
    suite::{PROCESSORS, root},
};
use serde_json::Value as Json;
use tidemill::cases::Case;

/// A project with a processor on a file of events.
fn project(component: &[u8], events: impl IntoIterator<Item = String>, more: &str) -> Project {
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"file:events.ndjson\"\n\
         [processors.tried]\ncomponent = \"tried.wasm\"\nfeeds = [\"orders\"]\n{more}"
    ));
    project.put("tried.wasm", component);
    let mut text = String::new();
    for event in events {
        writeln!(text, "{event}").unwrap();
    }
    project.put("events.ndjson", text.as_bytes());
    project
}

fn payments(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("{{\"user\":\"user-{}\",\"amount\":{number}}}", number % 7))
}

/// What it says, as JSON, and its exit code.
fn verified(project: &Project, arguments: &[&str]) -> (Json, Option<i32>) {
    let output = project.tidemill(&[&["verify", "tried", "--json"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (document, output.status.code())
}

/// What is tried of each example: every batch of one event costs a slow language milliseconds.
const EVENTS_MAX: usize = 100;

/// The first payloads of all cases of an example, one after the other.
fn events_of_all_cases(processor: &str) -> Vec<String> {
    let cases = Case::read_all(&root().join("guest-examples/cases").join(processor)).unwrap();
    let events = cases.iter().flat_map(|case| &case.spans).flat_map(|(_, span)| span.events());
    let text = events.filter_map(|event| String::from_utf8(event.data().as_bytes().to_vec()).ok());
    text.filter(|text| !text.contains('\n') && !text.is_empty()).take(EVENTS_MAX).collect()
}

#[track_caller]
fn all_examples_verify(language: &str) {
    for processor in PROCESSORS {
        let events = events_of_all_cases(processor);
        let project = project(&example(language, processor), events.iter().cloned(), "");
        let (document, code) = verified(&project, &["--events", "events.ndjson"]);
        let verified = document["events"].as_u64().unwrap();
        assert!(verified >= 8, "{language}/{processor}: {verified} of {} events: {document:#}", events.len());
        let ways = document["ways"].as_array().unwrap();
        assert_eq!(ways.len(), 6, "{document:#}");
        // `probe` writes where in its batch an event stood, for the suite: other batches are the one thing that shows.
        let sizes: &[u64] = if processor == "probe" { &[10_000] } else { &[10_000, 7, 1] };
        let held = ways.iter().filter(|way| sizes.contains(&way["batch-events"].as_u64().unwrap()));
        assert!(held.clone().all(|way| way["same"] == true), "{language}/{processor}: {document:#}");
        assert_eq!(held.count(), 2 * sizes.len());
        assert_eq!(code, Some(i32::from(processor == "probe")), "{language}/{processor}: {document:#}");
    }
}

#[test]
fn the_results_of_every_example_in_rust_depend_on_the_events_alone() {
    all_examples_verify("rust");
}

#[test]
fn the_results_of_every_example_in_python_depend_on_the_events_alone() {
    all_examples_verify("python");
}

#[test]
fn the_results_of_every_example_in_javascript_depend_on_the_events_alone() {
    all_examples_verify("js");
}

#[test]
fn the_results_of_every_example_in_typescript_depend_on_the_events_alone() {
    all_examples_verify("ts");
}

#[test]
fn the_results_of_every_example_in_go_depend_on_the_events_alone() {
    all_examples_verify("go");
}

#[test]
fn the_results_of_every_example_in_c_depend_on_the_events_alone() {
    all_examples_verify("c");
}

#[test]
fn a_component_that_keeps_a_global_is_found_with_the_first_event_that_shows_it() {
    let wrong = fs::read(root().join("target/guests/wrong/keeps_a_global.wasm")).unwrap();
    // In batches of ten fresh instances forget the sums of the batch before; user-0 is in the first and the eighth event.
    let project = project(&wrong, payments(40), "batch-events = 10\n");
    let (document, code) = verified(&project, &[]);
    assert_eq!(code, Some(1), "{document:#}");
    let way = |instances: &str, size: u64| {
        let ways = document["ways"].as_array().unwrap().iter();
        ways.into_iter().find(|way| way["instances"] == instances && way["batch-events"] == size).cloned().unwrap()
    };
    assert_eq!(way("fresh", 10)["same"], true, "the same calls give the same");
    // Reused, the instance still has the sums when the second batch begins: event 11 is user-3's, who had event 4.
    let parted = way("reuse", 10)["parted"].clone();
    assert_eq!(parted["event"], 11, "{document:#}");
    assert_eq!(parted["difference"], "`total/user-3` has `13`, and not `10`");
    // One by one nothing is ever added up: event 8 is user-0's second.
    let parted = way("fresh", 1)["parted"].clone();
    assert_eq!(parted["event"], 9, "user-0's first amount is 0, and user-1's is not: {document:#}");
    let words = String::from_utf8(project.tidemill(&["verify", "tried"]).stdout).unwrap();
    assert!(words.contains("PARTED  reused instances, batches of 10"), "{words}");
    assert!(words.contains("hint: the component keeps something from call to call"), "{words}");
}

#[test]
fn what_comes_before_a_halt_is_verified_and_rejected_events_are_compared() {
    let mut events: Vec<String> = payments(20).map(|_| r#"{"do":"put","key":"k","value":"v"}"#.to_owned()).collect();
    events[4] = r#"{"do":"reject"}"#.to_owned();
    events[12] = r#"{"do":"halt"}"#.to_owned();
    let project = project(&example("rust", "fickle"), events, "");
    let (document, code) = verified(&project, &[]);
    assert_eq!((document["events"].as_u64(), document["rejected"].as_u64()), (Some(12), Some(1)), "{document:#}");
    assert_eq!(document["ended"]["event"], 13, "{document:#}");
    assert_eq!(code, Some(0), "{document:#}");
    project.ok(&["verify", "tried", "--events", "events.ndjson", "--component", "tried.wasm"]);
}
