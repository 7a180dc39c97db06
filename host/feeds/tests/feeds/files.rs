//! NDJSON files as feeds.

use std::path::Path;

use tidemill_feeds::{Address, Feed, FeedSettings};
use tidemill_pipeline::{FailureKind, FeedName, Listed, PageEnd, PartitionId, ReadFrom};

use crate::reading::{after, read, read_partition, spans};

fn open(path: &Path) -> Feed {
    Feed::open(FeedSettings::new(FeedName::new("orders"), Address::File(path.to_owned()))).unwrap()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn complete_lines_are_events_and_cursors_are_byte_offsets() {
    let file = file("{\"a\":1}\r\n\n[2]\n{\"not\":\"yet\"");
    let feed = open(file.path());
    assert_eq!(feed.discover().await.unwrap().partitions, [Listed::open(PartitionId::new("0"))]);
    assert_eq!(feed.identity(), format!("file:{}", file.path().canonicalize().unwrap().display()));
    let page = read(&feed, ReadFrom::First).await;
    assert_eq!((page.spans, page.end), (spans(&[("14", &["{\"a\":1}", "[2]"])]), Ok(PageEnd::default())));
    assert_eq!(read(&feed, after("14")).await.spans, []);
    std::fs::write(&file, "{\"a\":1}\r\n\n[2]\n{\"not\":\"yet\"}\n").unwrap();
    assert_eq!(read(&feed, after("14")).await.spans, spans(&[("28", &["{\"not\":\"yet\"}"])]));
    assert_eq!(read(&feed, ReadFrom::Last).await.spans, spans(&[("28", &[])]));
}

#[tokio::test]
async fn reading_from_the_end_pins_the_place_and_goes_on_with_what_is_appended() {
    for (before, place) in [("", "0"), ("1\n", "2"), ("1\n2", "2")] {
        let file = file(before);
        let feed = open(file.path());
        let page = read(&feed, ReadFrom::Last).await;
        assert_eq!((page.spans, page.end), (spans(&[(place, &[])]), Ok(PageEnd::default())), "{before:?}");
        assert_eq!(read(&feed, after(place)).await.spans, [], "{before:?}");
        std::fs::write(&file, format!("{before}2\n")).unwrap();
        let appended = read(&feed, after(place)).await.spans;
        assert_eq!(appended.iter().map(|(_, events)| events.len()).sum::<usize>(), 1, "{before:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_stops_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let file = file("1\n");
    let below = file.path().join("events.ndjson");
    let long = directory.path().join("x".repeat(1000));
    for path in [directory.path(), Path::new("/dev/null"), &below, &long] {
        for from in [ReadFrom::First, ReadFrom::Last, after("1")] {
            let failure = read(&open(path), from).await.failure();
            assert_eq!(failure.kind, FailureKind::Broken, "{}", failure.cause);
            assert!(failure.hint.unwrap().contains("`url`"), "{}", failure.cause);
        }
    }
}

#[tokio::test]
async fn spans_end_at_the_same_places_wherever_reading_begins() {
    let line = format!("\"{}\"\n", "x".repeat(997));
    let file = file(&line.repeat(1000));
    let feed = open(file.path());
    let whole = read_partition(&feed, "0", ReadFrom::First, 100_000).await.spans;
    assert!(whole.len() > 10);
    assert_eq!(whole.iter().map(|(_, events)| events.len()).sum::<usize>(), 1000);
    assert_eq!(whole.last().unwrap().0, "1000000");
    for (place, (cursor, _)) in whole.iter().enumerate() {
        let rest = read_partition(&feed, "0", after(cursor), 100_000).await.spans;
        assert_eq!(rest, whole[place + 1..]);
    }
    let small = read_partition(&feed, "0", ReadFrom::First, 3).await.spans;
    assert!(small.iter().all(|(_, events)| events.len() <= 3));
}

#[tokio::test]
async fn a_file_that_is_not_what_it_was_stops_with_a_way_out() {
    let file = file("1\n22\n");
    for cursor in ["6", "3", "x"] {
        let failure = read(&open(file.path()), after(cursor)).await.failure();
        assert_eq!(failure.kind, FailureKind::Broken, "{cursor}");
        assert_eq!(failure.hint.unwrap(), "if the file was replaced, read it anew: say `--from first`");
    }
    let failure = read(&open(Path::new("/nowhere/events.ndjson")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    let failure = read_partition(&open(file.path()), "1", ReadFrom::First, 1).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
}

#[tokio::test]
async fn a_line_over_the_limit_stops_behind_the_lines_before_it() {
    let file = file(&format!("1\n\"{}\"\n2\n", "x".repeat(2000)));
    let mut settings = FeedSettings::new(FeedName::new("orders"), Address::File(file.path().to_owned()));
    settings.bounds.line_bytes_max = 1000;
    let page = read(&Feed::open(settings).unwrap(), ReadFrom::First).await;
    assert_eq!(page.spans, spans(&[("2", &["1"])]));
    let failure = page.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.hint.unwrap().contains("`line-bytes-max`"));
}
