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
