//! Commands that only read: beside a host, without one, and never in its way.

use std::str::FromStr;

use super::*;
use crate::{Reader, Requests, connection::database_path};

/// A database as schema 1 wrote it, with something in every table.
pub(super) const FIXTURE_1: &str = include_str!("../../fixtures/schema_1.sql");

fn code(component: &[u8]) -> Code {
    Code { component: Digest::of(component), config: Digest::of(b"config"), instances: Instances::Fresh }
}

#[tokio::test]
async fn a_reader_shows_what_a_running_host_has_committed() {
    let fixture = Fixture::new().await;
    for (to, component) in [("1", b"one"), ("2", b"one"), ("3", b"two")] {
        let commit = fixture.own("0", to, write("k", to)).await;
        fixture.commit(Commit { code: Some(code(component)), ..commit }).await;
    }
    fixture.commit(Commit { parked: vec![parked("0")], ..fixture.nothing().await }).await;
    fixture.store.accept_component(&fixture.claim, Digest::of(b"two")).await.unwrap();

    let reader = Reader::open(fixture.path()).unwrap();
    let [status] = &reader.status().unwrap()[..] else { panic!("one processor") };
    assert_eq!((&status.id, status.epoch, status.owner.as_str()), (&processor(), 1, "the first host"));
    assert_eq!((status.parked, status.component), (1, Some(Digest::of(b"two"))));
    assert_eq!(status.state, Stored { rows: 1, bytes: 2 });
    assert_eq!(status.stored, Stored { rows: 2, bytes: 2 + 14 }, "`event`, and that it has no amount");
    let [partition] = &status.partitions[..] else { panic!("one partition") };
    assert_eq!(partition.checkpoint, fixture.checkpoint("0").await);
    let lineage: Vec<_> =
        partition.lineage.iter().map(|line| (line.from_generation, line.from_position, line.code.component)).collect();
    assert_eq!(lineage, [(1, 0, Digest::of(b"one")), (3, 2, Digest::of(b"two"))]);

    let space = StateSpace::Partition(key("0"));
    assert_eq!(reader.spaces(&processor()).unwrap(), std::slice::from_ref(&space));
    assert_eq!(reader.get(&processor(), &space, "k").unwrap(), Some("3".into()));
    assert_eq!(reader.scan(&processor(), &space, "", None, 10).unwrap().len(), 1);
    let listed = reader.parked_list(None, 0, 10).unwrap();
    assert_eq!(listed[0].event, parked("0"));
    assert_eq!(reader.parked(listed[0].number).unwrap().as_ref(), Some(&listed[0]));
    assert_eq!(fixture.store.parked(listed[0].number).await.unwrap().as_ref(), Some(&listed[0]));
}

#[tokio::test]
async fn a_reader_needs_no_host_and_leaves_no_trace() {
    let fixture = Fixture::new().await;
    fixture.store.close().unwrap();
    let before = std::fs::read(database_path(fixture.path())).unwrap();
    assert_eq!(Reader::open(fixture.path()).unwrap().status().unwrap().len(), 1);
    assert_eq!(std::fs::read(database_path(fixture.path())).unwrap(), before);
}

#[tokio::test]
async fn readers_say_which_of_the_two_is_newer() {
    let fixture = Fixture::new().await;
    fixture.store.close().unwrap();
    for (version, hint) in [(1, "brings it up to date"), (99, "newer Tidemill")] {
        let connection = rusqlite::Connection::open(database_path(fixture.path())).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        for failure in [Reader::open(fixture.path()).err(), Requests::open(fixture.path()).err()] {
            assert!(failure.unwrap().hint.unwrap().contains(hint));
        }
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(Reader::open(empty.path()).unwrap_err().cause.contains("no database"));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_database_of_schema_1_is_brought_up_to_date_with_all_that_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(database_path(directory.path())).unwrap().execute_batch(FIXTURE_1).unwrap();
    let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    assert_eq!(claim.epoch, 8);
    assert_eq!(store.state_generation(&claim).await.unwrap(), 42);
    let checkpoint = store.load(&claim, &key("0")).await.unwrap().unwrap();
    assert_eq!((checkpoint.read_from, checkpoint.generation, checkpoint.position), (cursor("1002"), 17, 900));
    assert_eq!(checkpoint.status, Status::Halted);
    assert_eq!(checkpoint.error.unwrap().event.unwrap().span_from, cursor("1002"));
    assert_eq!(checkpoint.resolutions[0].policy, RejectPolicy::Park);
    let mut snapshot = store.snapshot(&claim, &StateSpace::Shared);
    assert_eq!(snapshot.get("total/ada").unwrap(), Some("12".into()));
    assert_eq!(snapshot.get("raw").unwrap(), Some(Value::Bytes(vec![0, 255])));
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.parked(1).unwrap().unwrap().event.metadata.unwrap().id.as_deref(), Some("e1"));
    assert_eq!(reader.status().unwrap()[0].partitions[0].lineage.len(), 1);
    let digest = Digest::from_str(&"ab".repeat(32)).unwrap();
    assert_eq!(store.accepted_component(&processor()).await.unwrap(), Some(digest));
    assert_eq!(store.code_hash("totals").await.unwrap(), Some(digest));
    assert_eq!(store.pending().await.unwrap().len(), 1);
}
