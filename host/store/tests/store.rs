//! The store as its users see it, on real files.

use std::path::Path;

use tidemill_pipeline::*;
use tidemill_store::{Options, Sqlite};

fn processor() -> ProcessorId {
    ProcessorId { name: ProcessorName::new("totals"), version: 1 }
}

fn key(partition: &str) -> PartitionKey {
    PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new(partition) }
}

fn open(directory: &Path) -> Sqlite {
    Sqlite::open(directory, &Options::default()).unwrap()
}

fn commit(claim: &Claim, generation: u64) -> Commit {
    Commit {
        claim: claim.clone(),
        guard: StateGuard::Shared { generation },
        step: None,
        writes: WriteSet::default(),
        parked: Vec::new(),
        settled: Vec::new(),
        opened: Vec::new(),
        code: None,
        durability: Durability::Normal,
    }
}

fn opening(claim: &Claim, generation: u64, partition: &str) -> Commit {
    let opened = NewPartition { key: key(partition), start: ReadFrom::First, feed_identity: "http://orders".into() };
    Commit { opened: vec![opened], ..commit(claim, generation) }
}

fn step(from_generation: u64, to: &str) -> Step {
    Step {
        key: key("0"),
        from_generation,
        to: Some(Cursor::new(to).unwrap()),
        events: 2,
        status: Status::Running,
        error: None,
    }
}

#[tokio::test]
async fn state_and_cursor_survive_together() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let claim = store.claim(&processor(), "first").await.unwrap();
    store.commit(opening(&claim, 0, "0")).await.unwrap();
    let writes = [("total/ada".to_owned(), Some(Value::from("3")))].into_iter().collect();
    store.commit(Commit { step: Some(step(1, "1002")), writes, ..commit(&claim, 1) }).await.unwrap();
    store.close().unwrap();

    let store = open(directory.path());
    let claim = store.claim(&processor(), "second").await.unwrap();
    assert_eq!(store.state_generation(&claim).await.unwrap(), 2);
    let checkpoint = store.load(&claim, &key("0")).await.unwrap().unwrap();
    assert_eq!(checkpoint.read_from, ReadFrom::After(Cursor::new("1002").unwrap()));
    assert_eq!((checkpoint.generation, checkpoint.position), (2, 2));
    let mut snapshot = store.snapshot(&claim, &StateSpace::Shared);
    assert_eq!(snapshot.get("total/ada").unwrap(), Some("3".into()));
}

#[tokio::test]
async fn a_commit_from_an_old_generation_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let claim = store.claim(&processor(), "first").await.unwrap();
    store.commit(opening(&claim, 0, "0")).await.unwrap();
    let writes: WriteSet = [("a".to_owned(), Some(Value::from("1")))].into_iter().collect();
    let stale_checkpoint = Commit { step: Some(step(7, "x")), writes: writes.clone(), ..commit(&claim, 1) };
    assert_eq!(store.commit(stale_checkpoint).await.unwrap_err().kind, FailureKind::Fenced);
    let stale_state = Commit { step: Some(step(1, "x")), writes, ..commit(&claim, 0) };
    assert_eq!(store.commit(stale_state).await.unwrap_err().kind, FailureKind::Fenced);
    let newer = store.claim(&processor(), "second").await.unwrap();
    let failure = store.commit(Commit { step: Some(step(1, "x")), ..commit(&claim, 1) }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Superseded);
    assert!(failure.cause.contains("second"), "{failure}");
    assert_eq!(store.state_generation(&newer).await.unwrap(), 1);
    assert_eq!(store.load(&newer, &key("0")).await.unwrap().unwrap().generation, 1);
    assert_eq!(store.snapshot(&newer, &StateSpace::Shared).get("a").unwrap(), None);
}
