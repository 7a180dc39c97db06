//! What becomes of a call: writes kept or forgotten, failures, settings, lines, panics.

use std::time::Duration;

use tidemill_sdk::{
    prelude::*,
    testing::{Failure, Host, TestEvent},
};

const TEXTS: Map<str, String> = Map::new("");

/// Does what the event says, after it wrote a key.
#[derive(Default)]
struct Told {
    seen: usize,
}

impl Processor for Told {
    fn apply(&mut self, event: Event<'_>) -> Result {
        self.seen += 1;
        TEXTS.put("seen", self.seen.to_string())?;
        match event.text()? {
            "fail" => TEXTS.put("number", "x".parse::<u32>()?.to_string()),
            "retry" => Err(Error::retry(Duration::from_secs(2), "the currency is not known yet")),
            "halt" => Err(Error::halt("look")),
            "blame the first" => Err(Error::reject("it was the first").at(0)),
            "panic" => panic!("on\nand off"),
            "setting" => TEXTS.put("currency", config::require("currency")?),
            "number" => TEXTS.put("number", config::get::<u32>("number")?.unwrap_or(1).to_string()),
            "log" => {
                info!("seen {}", self.seen);
                warn!("plain");
                Ok(())
            }
            "bulk" => (0..100_001).try_for_each(|n| TEXTS.put(&n.to_string(), String::new())),
            "large" => TEXTS.put("large", "x".repeat(17 << 20)),
            "envelope" => TEXTS.put(
                "envelope",
                format!(
                    "{:?} {:?} {:?} {:?} {:?}",
                    event.id(),
                    event.kind(),
                    event.key(),
                    event.occurred_at(),
                    event.header("TRACE")
                ),
            ),
            _ => Ok(()),
        }
    }

    fn end(self) -> Result {
        if self.seen == 4 { Err(Error::reject("four is one too many")) } else { Ok(()) }
    }
}

#[track_caller]
fn fails(events: &[&str]) -> Failure {
    let mut host = Host::new().state("kept", "yes");
    let failure = host.apply::<Told>(events.iter().copied()).expect_err("it must fail");
    assert_eq!(host.all().len(), 1, "a failed call leaves no write");
    failure
}

#[test]
fn any_error_rejects_the_event_that_is_being_applied() {
    let failure = fails(&["x", "fail", "y"]);
    assert!(matches!(failure, Failure::Rejected { index: Some(1), .. }), "{failure:?}");
    assert!(failure.reason().starts_with("invalid digit found in string (at tests/processors.rs:"), "{failure:?}");
}

#[test]
fn an_error_can_blame_another_event_or_none() {
    assert!(matches!(fails(&["x", "blame the first"]), Failure::Rejected { index: Some(0), .. }));
    assert!(matches!(fails(&["x", "x", "x", "x"]), Failure::Rejected { index: None, .. }));
}

#[test]
fn a_retry_and_a_halt_concern_the_batch() {
    let reason = "the currency is not known yet".to_owned();
    assert_eq!(fails(&["retry"]), Failure::Retry { after: Duration::from_secs(2), reason });
    assert_eq!(fails(&["x", "halt"]), Failure::Halted { reason: "look".into() });
}

#[test]
fn a_panic_says_where_it_was_and_is_logged() {
    let mut host = Host::new();
    let failure = host.apply::<Told>(["panic"]).unwrap_err();
    let Failure::Trapped { reason } = failure else { panic!("{failure:?}") };
    assert!(reason.starts_with("panicked at tests/processors.rs:") && reason.ends_with(": on\nand off"), "{reason}");
    assert_eq!(host.lines(), [(tidemill_sdk::log::Level::Error, reason)]);
}

#[test]
fn a_fresh_processor_meets_each_batch() {
    let mut host = Host::new();
    host.apply::<Told>(["x", "x"]).unwrap();
    host.apply::<Told>(["x"]).unwrap();
    assert_eq!(host.text("seen"), Some("1"));
}

#[test]
fn settings_are_read_by_type_and_a_missing_or_unfit_one_halts() {
    let mut host = Host::new().config("currency", "NOK").config("number", &42);
    host.apply::<Told>(["setting", "number"]).unwrap();
    assert_eq!((host.text("currency"), host.text("number")), (Some("NOK"), Some("42")));
    let reason = "the setting `currency` is missing: set it in [processors.NAME.config]".to_owned();
    assert_eq!(fails(&["setting"]), Failure::Halted { reason });
    let unfit = Host::new().config("number", "many").apply::<Told>(["number"]).unwrap_err();
    let reason = "the setting `number` is `many`, which does not fit: invalid digit found in string".to_owned();
    assert_eq!(unfit, Failure::Halted { reason });
}

#[test]
fn lines_reach_the_host() {
    let mut host = Host::new();
    host.apply::<Told>(["x", "log"]).unwrap();
    let lines: Vec<_> = host.lines().iter().map(|(level, line)| (level.as_str(), line.as_str())).collect();
    assert_eq!(lines, [("INFO", "seen 2"), ("WARN", "plain")]);
}

#[test]
fn writes_past_a_bound_end_the_call() {
    let reason = "the batch writes more than 100000 keys (limits.write-rows)".to_owned();
    assert_eq!(fails(&["bulk"]), Failure::Trapped { reason });
    let reason = "the batch writes more than 16777216 bytes (limits.write-bytes)".to_owned();
    assert_eq!(fails(&["large"]), Failure::Trapped { reason });
}

#[test]
fn the_envelope_is_there_to_read() {
    let mut host = Host::new();
    let event = TestEvent::from("envelope").id("e1").kind("paid").key("ada").occurred_at(-5).header("trace", "abc");
    host.apply::<Told>([event]).unwrap();
    assert_eq!(host.text("envelope"), Some(r#"Some("e1") Some("paid") Some("ada") Some(-5) Some("abc")"#));
}

#[test]
fn a_payload_of_bytes_or_a_list_is_no_json_object() {
    #[derive(Default)]
    struct Reading;
    impl Processor for Reading {
        fn apply(&mut self, event: Event<'_>) -> Result {
            #[derive(serde::Deserialize)]
            struct Payment {
                amount: u32,
            }
            let payment: Payment = event.json().context("not a payment")?;
            TEXTS.put("amount", payment.amount.to_string())
        }
    }
    let mut host = Host::new();
    host.apply::<Reading>([TestEvent::json(&serde_json::json!({"amount": 3}))]).unwrap();
    assert_eq!(host.text("amount"), Some("3"));
    for (event, reason) in [
        (TestEvent::from(&b"{}"[..]), "not a payment: the payload is bytes, not text"),
        (TestEvent::from(" [3]"), "not a payment: a list, expected an object"),
        (TestEvent::from("3"), "not a payment: invalid type: integer `3`"),
        (TestEvent::from(""), "not a payment: EOF while parsing"),
    ] {
        let failure = host.apply::<Reading>([event]).unwrap_err();
        assert!(failure.reason().starts_with(reason), "{failure:?}");
    }
}

#[test]
#[should_panic(expected = "the state differs between one batch (left) and one event at a time (right)")]
fn a_state_that_depends_on_how_events_are_cut_is_found_out() {
    // It counts the events of a batch, not those of the feed.
    _ = Host::new().apply_however_cut::<Told>(["x", "x"]);
}

/// Shows everything that can be seen of an event, under its index.
#[derive(Default)]
struct Shown;

impl Processor for Shown {
    fn begin(&mut self, batch: Batch<'_>) -> Result {
        TEXTS.put("count", batch.events().len().to_string())
    }

    fn apply(&mut self, event: Event<'_>) -> Result {
        let place = (event.feed(), event.partition());
        let known = (event.id(), event.kind(), event.key(), event.occurred_at(), event.headers());
        let data = (event.text().ok(), event.bytes(), event.data());
        TEXTS.put(&event.index().to_string(), format!("{place:?} {known:?} {data:?}"))
    }
}

#[test]
fn an_event_is_the_same_whether_its_batch_comes_by_columns_or_as_records() {
    let known = |data: &str, number: i64| {
        let event = TestEvent::from(data).id(number.to_string()).kind("").key("\u{f8}");
        event.occurred_at(number - 1)
    };
    let plain = || vec![TestEvent::from(""), "{\"a\": \"\u{f8}\u{20ac}\"}".into(), "".into(), "3".into()];
    for events in [plain(), vec![known("1", 0), known("{}", 7), known("", -3)], vec![known("\u{f8}", 1)]] {
        let (mut columns, mut records) = (Host::new(), Host::new());
        columns.apply::<Shown>(events.clone()).unwrap();
        // One that does not fit makes records of all.
        records.apply::<Shown>(events.iter().cloned().chain([TestEvent::from("a\nb")])).unwrap();
        for index in 0..events.len() {
            let index = index.to_string();
            assert!(columns.text(&index).is_some());
            assert_eq!(columns.text(&index), records.text(&index));
        }
        assert_eq!(columns.text("count"), Some(events.len().to_string().as_str()));
        assert_eq!(records.text("count"), Some((events.len() + 1).to_string().as_str()));
    }
}
