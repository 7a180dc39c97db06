//! When a database is checked, and what comes of it.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt, PermissionsExt},
    time::{Duration, Instant},
};

use super::*;
use crate::{connection::database_path, error::StoreError, integrity};

/// A closed database of some size with a page that makes no sense.
async fn damaged(closed_well: bool) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", bulk(400, 0)).await).await;
    fixture.store.close().unwrap();
    if !closed_well {
        let connection = crate::connection::open_writer(&database_path(fixture.path())).unwrap();
        connection.execute("UPDATE host SET closed = 0", []).unwrap();
    }
    let path = database_path(fixture.path());
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for page in pages / 2..pages / 2 + 5 {
        file.write_all_at(&[0xA5; 4096], page * 4096).unwrap();
    }
    fixture
}

fn open(fixture: &Fixture, boot: &str, check_time: Duration) -> Result<Sqlite, StoreError> {
    Sqlite::open_at(fixture.path(), &Options { check_time, ..Options::default() }, boot)
}

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn after_a_power_cut_damage_is_found_at_the_start() {
    let fixture = damaged(false).await;
    let error = open(&fixture, "another boot", LONG).err().unwrap();
    assert_eq!(error.classify(Stage::Load).kind, FailureKind::Broken);
}

#[tokio::test]
async fn after_a_mere_kill_nothing_is_checked() {
    let fixture = damaged(false).await;
    open(&fixture, &integrity::boot_id(), LONG).unwrap();
}

#[tokio::test]
async fn after_a_good_end_nothing_is_checked() {
    let fixture = damaged(true).await;
    open(&fixture, "another boot", LONG).unwrap();
}

#[tokio::test]
async fn after_a_failed_disk_the_next_start_checks() {
    let fixture = damaged(true).await;
    integrity::mark_suspect(&database_path(fixture.path()));
    open(&fixture, &integrity::boot_id(), LONG).err().unwrap();
}

#[tokio::test]
async fn a_check_that_takes_long_goes_on_in_the_background_and_stops_the_store() {
    let fixture = damaged(false).await;
    let store = open(&fixture, "another boot", Duration::ZERO).unwrap();
    let until = Instant::now() + LONG;
    while store.inner.stopped.check().is_ok() {
        assert!(Instant::now() < until, "the damage was not found");
        tokio::task::yield_now().await;
    }
    assert_eq!(store.claim(&processor(), "me").await.unwrap_err().kind, FailureKind::Broken);
}

#[tokio::test]
async fn a_check_that_finds_nothing_is_forgotten() {
    let fixture = Fixture::new().await;
    fixture.store.close().unwrap();
    let path = database_path(fixture.path());
    integrity::mark_suspect(&path);
    open(&fixture, "another boot", LONG).unwrap().close().unwrap();
    assert!(!path.with_extension("db-suspect").exists());
}

#[tokio::test]
async fn the_database_is_its_owners_alone() {
    let fixture = Fixture::new().await;
    for name in ["tidemill.db", "tidemill.db-wal", "tidemill.db-shm"] {
        let mode = fs::metadata(fixture.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_host_whose_files_were_taken_away_stops_and_says_which() {
    for name in ["tidemill.db", "tidemill.db-wal", "tidemill.db-shm"] {
        let fixture = Fixture::new().await;
        let commit = fixture.own("0", "a", write("k", "0")).await;
        let path = fixture.path().join(name);
        fs::rename(&path, fixture.path().join("elsewhere")).unwrap();
        fs::write(&path, "of another").unwrap();
        let failure = fixture.store.commit(commit).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Broken, "{failure}");
        assert!(failure.cause.contains(&path.display().to_string()) && failure.hint.is_some(), "{failure}");
        assert!(fixture.store.has_stopped().is_some());
    }
}

#[tokio::test]
async fn a_host_with_nothing_to_commit_notices_a_removed_database_too() {
    let fixture = Fixture::new().await;
    fs::remove_file(database_path(fixture.path())).unwrap();
    assert_eq!(fixture.store.pending().await.unwrap_err().kind, FailureKind::Broken);
    assert!(fixture.store.has_stopped().is_some());
}

#[tokio::test]
async fn a_log_whose_database_is_gone_is_refused_and_not_thrown_away() {
    let fixture = Fixture::new().await;
    let alone = tempfile::tempdir().unwrap();
    let log = alone.path().join("tidemill.db-wal");
    fs::copy(fixture.path().join("tidemill.db-wal"), &log).unwrap();
    let length = fs::metadata(&log).unwrap().len();
    let failure = Sqlite::open(alone.path(), &Options::default()).err().unwrap();
    assert!(failure.cause.contains("is gone or empty") && failure.hint.is_some(), "{failure}");
    assert_eq!(fs::metadata(&log).unwrap().len(), length);
    fs::remove_file(log).unwrap();
    Sqlite::open(alone.path(), &Options::default()).unwrap();
}

#[tokio::test]
async fn a_store_that_stopped_leaves_its_log_and_the_next_start_begins_another() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", write("k", "0")).await).await;
    let log = fixture.path().join("tidemill.db-wal");
    let before = fs::read(&log).unwrap();
    integrity::mark_suspect(&database_path(fixture.path()));
    fixture.store.inner.stopped.stop(Failure::broken(Stage::Commit, "the disk failed"));
    fixture.store.close().unwrap_err();
    assert!(fs::read(&log).unwrap() == before, "the log was touched after the disk had failed");
    let store = open(&fixture, &integrity::boot_id(), LONG).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    let salts = |log: &[u8]| log[16..24].to_vec();
    assert_ne!(salts(&fs::read(&log).unwrap()), salts(&before), "the log that the disk may not have goes on");
    assert_eq!(store.load(&claim, &key("0")).await.unwrap().unwrap().read_from, cursor("a"));
}
