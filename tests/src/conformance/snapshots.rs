//! Snapshots: what a component reads.

use tidemill_pipeline::{Commit, StateSpace, Store, Value, WriteSet};

use super::{Desk, StoreUnderTest, processor, text, totals, writes};

/// Commits beside it do not change what it shows.
pub async fn a_snapshot_does_not_move<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    desk.commit(Commit { writes: writes([("a", "1"), ("b", "1")]), ..desk.nothing().await }).await;
    let mut snapshot = subject.store().snapshot(&desk.claim, &StateSpace::Shared);
    assert_eq!(snapshot.get("a").unwrap(), Some(text("1")));
    let changes = [("a".to_owned(), None), ("b".to_owned(), Some(text("2"))), ("c".to_owned(), Some(text("2")))];
    desk.commit(Commit { writes: changes.into_iter().collect(), ..desk.nothing().await }).await;
    assert_eq!(snapshot.get("a").unwrap(), Some(text("1")));
    let both = [("a".to_owned(), text("1")), ("b".to_owned(), text("1"))];
    assert_eq!(snapshot.scan("", None, 10).unwrap(), both);
    assert_eq!(desk.scan("", None, 10), ["b", "c"]);
}

/// Taking it costs nothing and fixes nothing; the first read does.
pub async fn a_snapshot_is_of_its_first_read<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let mut snapshot = subject.store().snapshot(&desk.claim, &StateSpace::Shared);
    desk.commit(Commit { writes: writes([("a", "1")]), ..desk.nothing().await }).await;
    assert_eq!(snapshot.get("a").unwrap(), Some(text("1")));
}

/// What is put as text is read as text.
pub async fn text_and_bytes_are_different_values<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let (as_text, as_bytes) = (Value::Text("1".into()), Value::Bytes(b"1".to_vec()));
    let both: WriteSet =
        [("text".into(), Some(as_text.clone())), ("bytes".into(), Some(as_bytes.clone()))].into_iter().collect();
    desk.commit(Commit { writes: both, ..desk.nothing().await }).await;
    assert_eq!((desk.get("text"), desk.get("bytes")), (Some(as_text), Some(as_bytes)));
}

/// Nothing is trimmed, converted or ended at a zero.
pub async fn values_come_back_byte_for_byte<S: StoreUnderTest>(mut subject: S) {
    let values: Vec<Value> = vec![
        text(""),
        Value::Bytes(Vec::new()),
        text("a\0b"),
        text("007"),
        text("1e3"),
        text("\u{FEFF}\u{10FFFF}é e\u{301}"),
        Value::Bytes((0..=255).collect()),
        Value::Bytes(vec![7; 1024 * 1024]),
        text(&"x".repeat(1024 * 1024)),
    ];
    {
        let desk = Desk::open(&subject).await;
        let put = values.iter().enumerate().map(|(at, value)| (at.to_string(), Some(value.clone())));
        desk.commit(Commit { writes: put.collect(), ..desk.nothing().await }).await;
    }
    subject.reopen().await;
    let desk = Desk::new(&subject, totals()).await;
    for (at, value) in values.into_iter().enumerate() {
        assert!(desk.get(&at.to_string()) == Some(value), "value {at}");
    }
}

const KEYS: [&str; 16] = [
    "\0",
    "%",
    "A",
    "_",
    "a",
    "a\0",
    "a%b",
    "a/1",
    "a/10",
    "a/2",
    "a_b",
    "ab",
    "é",
    "\u{FFFD}",
    "\u{10FFFF}",
    "\u{10FFFF}\u{10FFFF}",
];

async fn with_keys<S: StoreUnderTest>(subject: &S) -> Desk<'_, S> {
    let desk = Desk::open(subject).await;
    let shuffled = KEYS.iter().rev().map(|key| (*key, *key));
    desk.commit(Commit { writes: writes(shuffled), ..desk.nothing().await }).await;
    desk
}

/// The order is that of the keys' bytes in UTF-8, whatever language they are in.
pub async fn a_scan_is_in_the_order_of_bytes<S: StoreUnderTest>(subject: S) {
    let desk = with_keys(&subject).await;
    let mut sorted = KEYS;
    sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(desk.scan("", None, 100), sorted);
}

/// A prefix is no pattern, and has an end even where no key can follow it.
pub async fn a_scan_takes_prefixes_literally<S: StoreUnderTest>(subject: S) {
    let desk = with_keys(&subject).await;
    for (prefix, expected) in [
        ("%", vec!["%"]),
        ("_", vec!["_"]),
        ("a%", vec!["a%b"]),
        ("a_", vec!["a_b"]),
        ("a\0", vec!["a\0"]),
        ("a/1", vec!["a/1", "a/10"]),
        ("\u{10FFFF}", vec!["\u{10FFFF}", "\u{10FFFF}\u{10FFFF}"]),
        ("\u{10FFFF}\u{10FFFF}\u{10FFFF}", vec![]),
        ("b", vec![]),
    ] {
        assert_eq!(desk.scan(prefix, None, 100), expected, "{prefix:?}");
    }
}

/// The next page begins behind a key, whether or not the key is there.
pub async fn a_scan_goes_on_behind_a_key<S: StoreUnderTest>(subject: S) {
    let desk = with_keys(&subject).await;
    for (prefix, after, expected) in [
        ("a/", "a/1", vec!["a/10", "a/2"]),
        ("a/", "a/11", vec!["a/2"]),
        ("a/", "a/2", vec![]),
        // Before the prefix: from its first key; behind it: nothing.
        ("a/", "a", vec!["a/1", "a/10", "a/2"]),
        ("a/", "", vec!["a/1", "a/10", "a/2"]),
        ("a/", "b", vec![]),
        // The prefix itself may be a key, and is not behind itself.
        ("ab", "ab", vec![]),
        ("\u{10FFFF}", "\u{10FFFF}", vec!["\u{10FFFF}\u{10FFFF}"]),
    ] {
        assert_eq!(desk.scan(prefix, Some(after), 100), expected, "{prefix:?} after {after:?}");
    }
}

/// Pages join without a gap and without a key twice.
pub async fn a_scan_ends_at_its_limit<S: StoreUnderTest>(subject: S) {
    let desk = with_keys(&subject).await;
    assert_eq!(desk.scan("", None, 0), [""; 0]);
    let mut all = Vec::new();
    loop {
        let page = desk.scan("", all.last().map(String::as_str), 3);
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    assert_eq!(all, desk.scan("", None, usize::MAX));
    assert_eq!(all.len(), KEYS.len());
}

/// A processor's state is its own.
pub async fn processors_do_not_see_each_other<S: StoreUnderTest>(subject: S) {
    let (one, other) = (Desk::open(&subject).await, Desk::new(&subject, processor("others", 1)).await);
    one.commit(Commit { writes: writes([("a", "1")]), ..one.nothing().await }).await;
    other.commit(Commit { writes: writes([("b", "2")]), ..other.nothing().await }).await;
    assert_eq!((one.scan("", None, 10), other.scan("", None, 10)), (vec!["a".into()], vec!["b".into()]));
    assert_eq!(other.get("a"), None);
}

/// A rebuild beside the live version has state and checkpoints of its own.
pub async fn versions_do_not_see_each_other<S: StoreUnderTest>(subject: S) {
    let (one, other) = (Desk::open(&subject).await, Desk::new(&subject, processor("totals", 2)).await);
    one.commit(Commit { writes: writes([("a", "1")]), ..one.nothing().await }).await;
    assert_eq!(other.get("a"), None);
    assert_eq!(subject.store().load(&other.claim, &super::key("0")).await.unwrap(), None);
}

/// State is the fold of the writes.
pub async fn the_last_write_to_a_key_wins_and_a_delete_deletes<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for value in ["1", "2"] {
        desk.commit(Commit { writes: writes([("a", value), ("b", value)]), ..desk.nothing().await }).await;
    }
    let delete = [("b".to_owned(), None), ("never".to_owned(), None)].into_iter().collect();
    desk.commit(Commit { writes: delete, ..desk.nothing().await }).await;
    assert_eq!((desk.get("a"), desk.get("b")), (Some(text("2")), None));
    assert_eq!(desk.scan("", None, 10), ["a"]);
}
