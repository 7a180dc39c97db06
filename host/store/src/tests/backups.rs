//! A backup is one moment of the database, and what is restored goes on from there.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{readers::FIXTURE_1, stored::FIXTURE_2, *};
use crate::{
    DataLock, Outcome, RESTORE_GAP, Reader, RequestKind, Requests, Restored, backup, connection::database_path, restore,
};

/// A number that a statement finds in a database file.
fn number(file: &std::path::Path, text: &str) -> i64 {
    rusqlite::Connection::open(file).unwrap().query_row(text, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_writing_is_restored_and_continued() {
    let fixture = Fixture::new().await;
    let file = fixture.path().join("backup.db");
    let making = {
        let (directory, file) = (fixture.path().to_owned(), file.clone());
        std::thread::spawn(move || backup(&directory, &file))
    };
    for number in 1_u32.. {
        let value = number.to_string();
        fixture.commit(fixture.own("0", &value, write("k", &value)).await).await;
        if making.is_finished() && number > 20 {
            break;
        }
    }
    making.join().unwrap().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let elsewhere = tempfile::tempdir().unwrap();
    restore(&file, elsewhere.path(), false).unwrap();
    let store = Sqlite::open(elsewhere.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    let checkpoint = store.load(&claim, &key("0")).await.unwrap().unwrap();
    let state = store.snapshot(&claim, &StateSpace::Partition(key("0"))).get("k").unwrap();
    match &checkpoint.read_from {
        ReadFrom::After(cursor) => assert_eq!(state, Some(cursor.as_str().into())),
        ReadFrom::First | ReadFrom::Last => assert_eq!(state, None),
    }
    assert_eq!(checkpoint.generation, checkpoint.position + RESTORE_GAP);
    let step = Step { from_generation: checkpoint.generation, ..fixture.step("0", "on").await };
    let on = Commit { claim, step: Some(step), ..fixture.own("0", "on", write("k", "on")).await };
    store.commit(on).await.unwrap();
}

#[tokio::test]
async fn what_was_claimed_before_a_restore_is_over() {
    let fixture = Fixture::new().await;
    let file = fixture.path().join("backup.db");
    backup(fixture.path(), &file).unwrap();
    let request = Requests::open(fixture.path()).unwrap().submit(&processor(), &RequestKind::Pause { partition: None });
    let late = fixture.path().join("late.db");
    backup(fixture.path(), &late).unwrap();
    // After the backup the processor was claimed again: counting on would give this epoch out a second time.
    let forgotten = fixture.store.claim(&processor(), "forgotten").await.unwrap();
    let commit = Commit { claim: forgotten, ..fixture.own("0", "a", write("k", "old")).await };
    fixture.store.close().unwrap();

    restore(&late, fixture.path(), true).unwrap();
    let outcome = Requests::open(fixture.path()).unwrap().outcome(request.unwrap()).unwrap().unwrap();
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    let store = Sqlite::open(fixture.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    assert_eq!(store.commit(commit).await.unwrap_err().kind, FailureKind::Superseded);
    assert!(store.state_generation(&claim).await.unwrap() > RESTORE_GAP);
    assert!(fixture.path().join("tidemill.db.replaced").exists());
}

#[tokio::test]
async fn a_database_of_an_older_schema_is_copied_as_it_is() {
    for (schema, fixture) in (1_u32..).zip([FIXTURE_1, FIXTURE_2]) {
        let directory = tempfile::tempdir().unwrap();
        rusqlite::Connection::open(database_path(directory.path())).unwrap().execute_batch(fixture).unwrap();
        let before = fs::read(database_path(directory.path())).unwrap();
        let file = directory.path().join("copy.db");
        backup(directory.path(), &file).unwrap();
        assert!(fs::read(database_path(directory.path())).unwrap() == before, "the database was changed");
        assert_eq!(number(&file, "PRAGMA user_version"), i64::from(schema));
        assert_eq!(number(&file, "SELECT count(*) FROM entry WHERE key = 'total/ada' AND value = '12'"), 1);

        let refused = Reader::open(directory.path()).unwrap_err();
        assert!(refused.hint.as_ref().unwrap().contains("first with `tidemill backup FILE`"), "{refused:?}");
        let elsewhere = tempfile::tempdir().unwrap();
        let restored = restore(&file, elsewhere.path(), false).unwrap();
        assert_eq!(restored, Restored { kept: None, recounted: Vec::new() });
        assert_eq!(number(&file, "PRAGMA user_version"), i64::from(schema), "the copy stays as it is");
        assert_eq!(Reader::open(elsewhere.path()).unwrap().status().unwrap().last().unwrap().state.rows, 2);
        // What was brought up to date has the shape of what was made anew.
        backup(elsewhere.path(), &directory.path().join("of the new one.db")).unwrap();
    }
}

#[tokio::test]
async fn a_database_without_what_its_schema_consists_of_is_not_copied() {
    let fixture = Fixture::new().await;
    fixture.store.close().unwrap();
    let file = fixture.path().join("copy.db");
    rusqlite::Connection::open(database_path(fixture.path()))
        .unwrap()
        .execute_batch("DROP TRIGGER parked_gone")
        .unwrap();
    let failure = backup(fixture.path(), &file).unwrap_err();
    let said = "tidemill.db` is not as schema 3 makes it: the trigger `parked_gone` is missing";
    assert!(failure.cause.ends_with(said) && failure.hint.unwrap().starts_with("did another program change it?"));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_database_of_a_newer_schema_or_of_none_is_not_copied() {
    let fixture = Fixture::new().await;
    fixture.store.close().unwrap();
    let file = fixture.path().join("copy.db");
    rusqlite::Connection::open(database_path(fixture.path())).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(backup(fixture.path(), &file).unwrap_err().cause.contains("has schema 99"));
    fs::write(database_path(fixture.path()), "").unwrap();
    assert!(backup(fixture.path(), &file).unwrap_err().cause.contains("there is no database"));
    let nowhere = fixture.path().join("nowhere/copy.db");
    let failure = backup(fixture.path(), &nowhere).unwrap_err();
    assert!(failure.hint.is_some(), "{failure:?}");
    assert!(!file.exists() && !nowhere.exists());
}

#[tokio::test]
async fn a_restore_is_refused_where_it_would_destroy() {
    let fixture = Fixture::new().await;
    let file = fixture.path().join("backup.db");
    backup(fixture.path(), &file).unwrap();
    assert!(backup(fixture.path(), &file).unwrap_err().cause.contains("exists already"));
    assert!(restore(&file, fixture.path(), false).unwrap_err().cause.contains("there is a database"));
    let lock = DataLock::acquire(fixture.path()).unwrap();
    assert!(restore(&file, fixture.path(), true).unwrap_err().cause.contains("in use by process"));
    drop(lock);

    fixture.commit(fixture.own("0", "a", write("k", "kept")).await).await;
    fixture.store.close().unwrap();
    for content in [&b""[..], b"not a database, and long enough to be looked at by somebody who believes it"] {
        fs::write(&file, content).unwrap();
        restore(&file, fixture.path(), true).unwrap_err();
    }
    let store = Sqlite::open(fixture.path(), &Options::default()).unwrap();
    let state = store.snapshot(&fixture.claim, &StateSpace::Partition(key("0"))).get("k").unwrap();
    assert_eq!(state, Some("kept".into()));
}
