//! What a restore leaves as it was, what it repairs, and what it says.

use std::{fs, path::PathBuf};

use super::{
    stored::{COUNTED, KEPT, counts},
    *,
};
use crate::{RequestKind, Requests, Restored, backup, connection::database_path, restore};

/// What a data directory keeps under `k`.
async fn kept_in(directory: &Path) -> Option<Value> {
    let store = Sqlite::open(directory, &Options::default()).unwrap();
    let claim = store.claim(&processor(), "who looks").await.unwrap();
    let value = store.snapshot(&claim, &StateSpace::Partition(key("0"))).get("k").unwrap();
    store.close().unwrap();
    value
}

/// A data directory as it is after its host was killed: the last commits are in the log only. And a backup from before them.
async fn killed() -> (TempDir, PathBuf) {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", write("k", "in the backup")).await).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup.db");
    backup(fixture.path(), &file).unwrap();
    fixture.commit(fixture.own("0", "b", write("k", "in the log")).await).await;
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in ["tidemill.db", "tidemill.db-wal"] {
        fs::copy(fixture.path().join(name), data.join(name)).unwrap();
    }
    (directory, file)
}

#[tokio::test]
async fn every_database_that_a_restore_replaced_is_kept() {
    let (directory, file) = killed().await;
    let data = directory.path().join("data");
    let mut kept = Vec::new();
    for name in ["tidemill.db.replaced", "tidemill.db.replaced-2", "tidemill.db.replaced-3"] {
        let restored = restore(&file, &data, true).unwrap();
        assert_eq!(restored, Restored { kept: Some(data.join(name)), recounted: Vec::new() });
        kept.push((data.join(name), fs::read(data.join(name)).unwrap()));
        for (path, content) in &kept {
            assert!(fs::read(path).unwrap() == *content, "{} was changed", path.display());
        }
        assert_eq!(kept_in(&data).await, Some("in the backup".into()));
    }
    // A name whose log alone is left is not free either: the log would be taken for that of another database.
    fs::remove_file(data.join("tidemill.db.replaced")).unwrap();
    let restored = restore(&file, &data, true).unwrap();
    assert_eq!(restored.kept, Some(data.join("tidemill.db.replaced-4")));
    assert!(data.join("tidemill.db.replaced-wal").exists());
}

#[tokio::test]
async fn a_restore_is_undone_by_restoring_what_it_replaced_with_the_commits_that_were_in_its_log() {
    let (directory, file) = killed().await;
    let data = directory.path().join("data");
    let kept = restore(&file, &data, true).unwrap().kept.unwrap();
    assert_eq!(kept_in(&data).await, Some("in the backup".into()));
    let undone = restore(&kept, &data, true).unwrap();
    assert_eq!(kept_in(&data).await, Some("in the log".into()));
    restore(&undone.kept.unwrap(), &data, true).unwrap();
    assert_eq!(kept_in(&data).await, Some("in the backup".into()));
}

#[tokio::test]
async fn a_strangers_log_beside_a_backup_is_no_part_of_it() {
    let (directory, file) = killed().await;
    fs::copy(directory.path().join("data/tidemill.db-wal"), directory.path().join("backup.db-wal")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    restore(&file, elsewhere.path(), false).unwrap();
    assert_eq!(kept_in(elsewhere.path()).await, Some("in the backup".into()));
}

#[tokio::test]
async fn a_damaged_backup_is_named_and_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", bulk(400, 0)).await).await;
    let file = fixture.path().join("cut.db");
    backup(fixture.path(), &file).unwrap();
    fixture.commit(fixture.own("0", "b", write("k", "kept")).await).await;
    fixture.store.close().unwrap();
    let (whole, before) = (fs::read(&file).unwrap(), fs::read(database_path(fixture.path())).unwrap());

    let mut broken = Vec::new();
    for tenth in 0..10 {
        broken.push(whole[..whole.len() * tenth / 10].to_vec());
    }
    // Behind the header each page holds rows: what they say of their own length makes no sense any more.
    for page in [1, whole.len() / 4096 / 2, whole.len() / 4096 - 1] {
        let mut flipped = whole.clone();
        flipped[page * 4096..page * 4096 + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
        broken.push(flipped);
    }
    for content in broken {
        fs::write(&file, &content).unwrap();
        let failure = restore(&file, fixture.path(), true).unwrap_err();
        let said = format!("{failure} / {}", failure.hint.as_deref().unwrap_or("no hint"));
        if content.is_empty() {
            assert!(said.contains("cut.db` is no backup of Tidemill / "), "{said}");
        } else {
            assert!(said.contains("cut.db` is damaged, and nothing was changed: "), "{said}");
            assert!(said.ends_with(" / put another backup back"), "{said}");
        }
        assert!(!said.contains("***") && !said.contains('\n'), "one sentence: {said}");
        assert!(fs::read(database_path(fixture.path())).unwrap() == before, "the database was changed");
        assert!(!fixture.path().join("tidemill.db.replaced").exists());
        assert!(!fixture.path().join("tidemill.db.restoring").exists());
    }
    assert_eq!(kept_in(fixture.path()).await, Some("kept".into()));
}

#[tokio::test]
async fn a_backup_with_json_that_nobody_can_read_is_refused() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", write("k", "kept")).await).await;
    let parked = Commit { parked: vec![parked("0")], ..fixture.nothing().await };
    fixture.commit(parked).await;
    let mut requests = Requests::open(fixture.path()).unwrap();
    let request = requests.submit(&processor(), &RequestKind::Pause { partition: None }).unwrap();
    fixture.store.execute(&fixture.claim, request).await.unwrap();
    for (number, (change, what)) in [
        ("UPDATE checkpoint SET last_error = '{}'", "for processor `totals`, feed `orders`, partition 0, an error"),
        ("UPDATE checkpoint SET resolution = '{}'", "for processor `totals`, feed `orders`, partition 0, a resolution"),
        ("UPDATE parked_event SET metadata = '{}'", "metadata"),
        ("UPDATE request SET asked = '{}'", "the request 1"),
        ("UPDATE request SET asked = '7'", "a request that is not as expected"),
        ("UPDATE request SET outcome = '{}'", "an outcome"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = fixture.path().join(format!("{number}.db"));
        backup(fixture.path(), &file).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        restore(&file, elsewhere.path(), false).unwrap();
        rusqlite::Connection::open(&file).unwrap().execute(change, []).unwrap();
        let failure = restore(&file, elsewhere.path(), true).unwrap_err();
        assert!(failure.cause.contains("holds what Tidemill does not write, and nothing was changed"), "{failure}");
        assert!(failure.cause.contains(what), "{change}: {failure}");
        assert_eq!(failure.hint.as_deref(), Some("put another backup back"));
    }
}

#[tokio::test]
async fn a_backup_that_is_not_there_is_said_to_be_and_makes_no_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for name in ["nope.db", "."] {
        let failure = restore(&directory.path().join(name), &data, true).unwrap_err();
        assert!(failure.cause.contains(&format!("{name}` cannot be read: ")), "{failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains("`tidemill backup` wrote"), "{failure:?}");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn a_backup_that_is_not_ours_is_refused_under_its_own_name() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", bulk(3, 0)).await).await;
    fixture.store.close().unwrap();
    let before = fs::read(database_path(fixture.path())).unwrap();
    for (change, said) in [
        ("PRAGMA user_version = 99", "other.db` has schema 99, and this program knows only up to "),
        ("PRAGMA application_id = 7", "other.db` is no backup of Tidemill"),
        ("DROP TABLE checkpoint", "and nothing was changed: the table `checkpoint` is missing"),
        (
            "DROP TRIGGER space_gone",
            "other.db` is not as schema 3 makes it, and nothing was changed: the trigger `space_gone` is missing",
        ),
        (
            "DROP INDEX parked_once; CREATE INDEX parked_once ON parked_event (processor)",
            "and nothing was changed: the index `parked_once` differs",
        ),
        (
            "CREATE TRIGGER mine AFTER INSERT ON entry BEGIN DELETE FROM checkpoint; END",
            "and nothing was changed: the trigger `mine` does not belong there",
        ),
        (
            "UPDATE processor SET epoch = 9223372036854775807",
            "other.db` holds what Tidemill does not write, and nothing",
        ),
        ("UPDATE entry SET space = 99", "a row of the table `entry` that belongs to nobody"),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM processor; DELETE FROM space",
            "other.db` holds what Tidemill does not write, and nothing",
        ),
    ] {
        let file = fixture.path().join("other.db");
        backup(fixture.path(), &file).unwrap();
        rusqlite::Connection::open(&file).unwrap().execute_batch(change).unwrap();
        let failure = restore(&file, fixture.path(), true).unwrap_err();
        assert!(failure.cause.contains(said) && failure.hint.is_some(), "{change}: {failure:?}");
        assert!(fs::read(database_path(fixture.path())).unwrap() == before, "{change}: the database was changed");
        fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn what_a_backup_says_that_is_kept_is_counted_anew() {
    let fixture = Fixture::new().await;
    fixture.open_partition("1", ReadFrom::First).await;
    fixture.commit(fixture.own("0", "a", bulk(3, 0)).await).await;
    fixture.commit(fixture.own("1", "a", bulk(5, 1)).await).await;
    fixture.commit(Commit { parked: vec![parked("0")], writes: write("k", "1"), ..fixture.nothing().await }).await;
    fixture.store.close().unwrap();
    let honest = counts(fixture.path(), KEPT);
    for falsified in [
        "UPDATE processor SET stored_rows = 0",
        "UPDATE processor SET stored_bytes = 9223372036854775807",
        "UPDATE space SET stored_rows = 1000, stored_bytes = 0 WHERE id = 1",
        "UPDATE space SET stored_rows = 7; UPDATE processor SET stored_rows = 9223372036854775807",
    ] {
        let file = fixture.path().join("falsified.db");
        backup(fixture.path(), &file).unwrap();
        rusqlite::Connection::open(&file).unwrap().execute_batch(falsified).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let restored = restore(&file, elsewhere.path(), false).unwrap();
        assert_eq!(restored, Restored { kept: None, recounted: vec![processor()] }, "{falsified}");
        assert_eq!(counts(elsewhere.path(), KEPT), honest, "{falsified}");
        assert_eq!(counts(elsewhere.path(), COUNTED), honest, "{falsified}");
        fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn a_counter_that_goes_below_nothing_is_said_with_the_way_out() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", bulk(3, 0)).await).await;
    fixture.store.close().unwrap();
    let path = database_path(fixture.path());
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE processor SET stored_rows = 0", []).unwrap();
    let store = Sqlite::open(fixture.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    let gone = || (0..3).map(|row| (format!("0/{row}"), None)).collect::<WriteSet>();
    let writes = |claim| Commit { writes: gone(), ..Commit::nothing(claim, StateGuard::Partition(key("0"))) };
    let failure = store.commit(writes(claim)).await.unwrap_err();
    assert!(failure.hint.as_ref().unwrap().contains("`tidemill restore FILE --force`"), "{failure:?}");
    store.close().unwrap();

    // And that is one.
    let file = fixture.path().join("copy.db");
    backup(fixture.path(), &file).unwrap();
    restore(&file, fixture.path(), true).unwrap();
    let store = Sqlite::open(fixture.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    assert_eq!(store.commit(writes(claim)).await.unwrap().after.rows, 0);
}
