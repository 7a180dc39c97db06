//! What maps read and write, and how often they ask the host.

use serde::{Deserialize, Serialize};
use tidemill_sdk::{
    contract::types::Value,
    prelude::*,
    testing::{Crossing, Failure, Host},
};

const TEXTS: Map<str, String> = Map::new("text/");
const SUMS: Map<str, i128> = Map::new("sum/");
const COUNTS: Map<u32, u64> = Map::new("count/");
const ROWS: Map<str, Json<Row>> = Map::new("row/");
const BYTES: Map<str, Vec<u8>> = Map::new("bytes/");
const ANYTHING: Map<str, Value> = Map::new("");

#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    seen: u32,
    last: Option<String>,
}

/// A processor of one function: `processor!(Name, |event| …)`.
macro_rules! processor {
    ($name:ident, |$event:ident| $body:expr) => {
        #[derive(Default)]
        struct $name;

        impl Processor for $name {
            fn apply(&mut self, $event: Event<'_>) -> Result {
                $body
            }
        }
    };
}

#[test]
fn totals_cost_one_read_and_one_write_however_many_events_a_batch_has() {
    processor!(Totals, |event| SUMS.add(event.text()?, 1));
    let mut host = Host::new().state("sum/b", "41");
    host.apply::<Totals>(["a", "b", "a", "c", "a"]).unwrap();
    assert_eq!(host.crossings(), [Crossing::GetMany(3), Crossing::Apply(3)]);
    assert_eq!(["a", "b", "c"].map(|key| host.text(&format!("sum/{key}"))), [Some("3"), Some("42"), Some("1")]);
}

#[test]
fn a_row_that_many_events_change_is_read_and_written_once() {
    processor!(Rows, |event| ROWS.update("r", |row| {
        row.seen += 1;
        row.last = event.text().ok().map(str::to_owned);
    }));
    let mut host = Host::new();
    host.apply_however_cut::<Rows>(["a", "b", "c"]).unwrap();
    assert_eq!(host.crossings(), [Crossing::Get, Crossing::Apply(1)]);
    assert_eq!(host.text("row/r"), Some(r#"{"seen":3,"last":"c"}"#));
}

#[test]
fn a_read_sees_the_writes_before_it_whichever_map_made_them() {
    processor!(Mixed, |_event| {
        SUMS.add("n", 5)?;
        assert_eq!(SUMS.get("n")?, Some(15));
        SUMS.add("n", 1)?;
        assert_eq!(ANYTHING.get("sum/n")?, Some(Value::Text("16".into())));
        SUMS.update("n", |n| *n *= 2)?;
        SUMS.add("n", -2)?;
        assert_eq!(Map::<str, u64>::new("sum/").get("n")?, Some(30));
        SUMS.delete("n")?;
        assert!(!SUMS.contains("n")?);
        SUMS.add("n", 7)?;
        TEXTS.put("t", "x".into())?;
        assert_eq!(TEXTS.get("t")?.as_deref(), Some("x"));
        BYTES.put("b", vec![0, 255])?;
        assert_eq!(BYTES.get("b")?, Some(vec![0, 255]));
        COUNTS.put(&7, 1)
    });
    let mut host = Host::new().state("sum/n", "10");
    host.apply::<Mixed>(["x"]).unwrap();
    assert_eq!(host.text("sum/n"), Some("7"));
    assert_eq!(host.text("count/7"), Some("1"));
    assert_eq!(host.get("bytes/b"), Some(&Value::Bytes(vec![0, 255])));
}

#[test]
fn entries_come_in_the_order_of_their_keys_page_by_page_with_the_writes_so_far() {
    processor!(Scan, |_event| {
        for n in 0..2_500 {
            COUNTS.put(&n, n.into())?;
        }
        COUNTS.delete(&3)?;
        let entries = COUNTS.entries().collect::<Result<Vec<_>>>()?;
        assert_eq!(entries.len(), 2_499);
        assert!(entries.is_sorted_by_key(|(n, _)| n.to_string()));
        assert!(entries.iter().all(|(key, value)| u64::from(*key) == *value));
        assert_eq!(COUNTS.entries_from("24").count(), 1 + 10 + 100);
        Ok(())
    });
    Host::new().apply::<Scan>(["x"]).unwrap();
}

#[test]
fn fetched_keys_are_read_in_one_crossing() {
    #[derive(Default)]
    struct Fetching;
    impl Processor for Fetching {
        fn begin(&mut self, batch: Batch<'_>) -> Result {
            TEXTS.fetch(batch.events().filter_map(|event| event.text().ok()));
            Ok(())
        }
        fn apply(&mut self, event: Event<'_>) -> Result {
            let before = TEXTS.get(event.text()?)?.unwrap_or_default();
            TEXTS.put(event.text()?, before + "!")
        }
    }
    let mut host = Host::new().state("text/a", "a");
    host.apply::<Fetching>(["a", "b", "a"]).unwrap();
    assert_eq!(host.crossings(), [Crossing::GetMany(2), Crossing::Apply(2)]);
    assert_eq!((host.text("text/a"), host.text("text/b")), (Some("a!!"), Some("!")));
}

#[test]
fn a_state_that_cannot_be_read_halts() {
    processor!(Add, |event| SUMS.add(event.text()?, 1));
    processor!(AddAndPut, |event| {
        SUMS.add(event.text()?, 1)?;
        SUMS.put(event.text()?, 1)
    });
    processor!(Get, |_event| ROWS.get("r").map(drop));
    let mut host = Host::new().state("sum/a", "one").state("row/r", "{");
    let number = Failure::Halted { reason: "the state of `sum/a` is not a number".into() };
    assert_eq!(host.apply::<Add>(["a"]), Err(number.clone()));
    assert_eq!(host.apply::<AddAndPut>(["a"]), Err(number));
    let row = host.apply::<Get>(["x"]).unwrap_err();
    assert!(row.reason().starts_with("the row `row/r` cannot be read: EOF"), "{row:?}");
}

#[test]
fn a_key_that_the_state_does_not_take_rejects_the_event() {
    processor!(Put, |event| ANYTHING.put(event.text()?, Value::Text("x".into())));
    let longest = "k".repeat(1024);
    let mut host = Host::new();
    host.apply::<Put>([longest.as_str()]).unwrap();
    for key in [String::new(), longest + "k"] {
        let failure = host.apply::<Put>(["fine", &key]).unwrap_err();
        assert!(matches!(&failure, Failure::Rejected { index: Some(1), .. }), "{failure:?}");
        assert!(
            failure.reason().contains(&format!("a key has {} bytes; a key has 1 to 1024", key.len())),
            "{failure:?}"
        );
    }
    assert_eq!(host.all().len(), 1);
}

#[test]
fn a_value_is_not_used_within_its_own_update() {
    processor!(Nested, |_event| SUMS.update("n", |_| SUMS.get("n").map(drop))?);
    let failure = Host::new().apply::<Nested>(["x"]).unwrap_err();
    assert!(failure.reason().contains("`sum/n` is used within its own update"), "{failure:?}");
}

#[test]
fn what_cannot_be_written_fails_the_call_even_if_a_scan_took_no_notice() {
    processor!(Careless, |event| {
        SUMS.add("ada", 1)?;
        let texts = TEXTS.entries().filter_map(std::result::Result::ok).count();
        COUNTS.put(&1, texts as u64 + event.index() as u64)
    });
    let mut host = Host::new().state("sum/ada", "three");
    let failure = host.apply::<Careless>(["x"]).unwrap_err();
    assert_eq!(failure, Failure::Halted { reason: "the state of `sum/ada` is not a number".into() });
    assert_eq!(host.text("count/1"), None);
}

#[test]
fn a_value_that_an_update_could_not_read_is_still_there() {
    processor!(Forgiving, |event| {
        if ROWS.update("r", |row| row.seen += 1).is_err() {
            ROWS.put("r", Json(Row { seen: 1, last: Some(event.text()?.to_owned()) }))?;
        }
        Ok(())
    });
    let mut host = Host::new().state("row/r", "nonsense");
    host.apply::<Forgiving>(["x", "y"]).unwrap();
    assert_eq!(host.text("row/r"), Some(r#"{"seen":2,"last":"x"}"#));
}
