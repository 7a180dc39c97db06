//! Commits that share a transaction share its fate, and nothing else.

use std::sync::mpsc;

use super::*;

/// Holds the writer until the sender is dropped, so that what comes meanwhile is one group.
async fn hold(fixture: &Fixture, durability: Durability) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (started, mut start) = tokio::sync::mpsc::unbounded_channel();
    let store = fixture.store.clone();
    tokio::spawn(async move {
        let wait = move |_: &rusqlite::Connection| {
            started.send(()).unwrap();
            released.recv().unwrap_or(());
            Ok(())
        };
        store.inner.writer.run(durability, Stage::Commit, 0, wait).await.unwrap();
    });
    start.recv().await.unwrap();
    release
}

async fn on_writer<T: Send + 'static>(
    fixture: &Fixture,
    durability: Durability,
    function: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
) -> T {
    fixture.store.inner.writer.run(durability, Stage::Commit, 0, |connection| Ok(function(connection)?)).await.unwrap()
}

/// Sends commits in this order, to one transaction, and gives their answers.
async fn group(fixture: &Fixture, commits: Vec<Commit>) -> Vec<Result<(), Failure>> {
    let held = hold(fixture, Durability::Normal).await;
    let mut waiting: Vec<_> = commits.into_iter().map(|commit| Box::pin(fixture.store.commit(commit))).collect();
    for commit in &mut waiting {
        // One poll puts it into the queue.
        let polled = futures_poll(commit.as_mut());
        assert!(polled.is_pending());
    }
    drop(held);
    let mut answers = Vec::new();
    for commit in waiting {
        answers.push(commit.await.map(drop));
    }
    answers
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_in_the_second_of_three_commits_leaves_no_state_without_its_cursor() {
    let fixture = Fixture::new().await;
    for partition in ["1", "2"] {
        fixture.open_partition(partition, ReadFrom::First).await;
    }
    on_writer(&fixture, Durability::Normal, |connection| {
        let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", pages + 8, |_| Ok(()))
    })
    .await;
    let commits = vec![
        fixture.own("0", "a", write("k", "0")).await,
        fixture.own("1", "b", bulk(200, 0)).await,
        fixture.own("2", "c", write("k", "2")).await,
    ];
    let answers = group(&fixture, commits.clone()).await;
    for answer in answers {
        let failure = answer.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.hint.unwrap().contains("space"));
    }
    for partition in ["0", "1", "2"] {
        assert_eq!(fixture.checkpoint(partition).await.read_from, ReadFrom::First, "partition {partition}");
        assert_eq!(fixture.own_state(partition, "k"), None, "partition {partition}");
    }
    // When there is room again, everything goes on.
    on_writer(&fixture, Durability::Normal, |connection| {
        connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(()))
    })
    .await;
    for commit in commits {
        fixture.commit(commit).await;
    }
    assert_eq!(fixture.own_state("2", "k"), Some("2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_commit_does_not_touch_the_others_of_its_transaction() {
    let fixture = Fixture::new().await;
    fixture.open_partition("1", ReadFrom::First).await;
    let first = fixture.own("0", "a", write("k", "first")).await;
    let stale = Commit { writes: write("k", "stale"), ..first.clone() };
    let other = fixture.own("1", "b", write("k", "other")).await;
    let answers = group(&fixture, vec![first, stale, other]).await;
    let kinds: Vec<_> = answers.into_iter().map(|answer| answer.err().map(|failure| failure.kind)).collect();
    assert_eq!(kinds, [None, Some(FailureKind::Fenced), None]);
    assert_eq!(fixture.own_state("0", "k"), Some("first".into()));
    assert_eq!(fixture.own_state("1", "k"), Some("other".into()));
}

#[tokio::test]
async fn each_transaction_has_the_durability_that_was_asked_for() {
    let fixture = Fixture::new().await;
    for (durability, level) in [(Durability::Normal, 1), (Durability::Full, 2), (Durability::Normal, 1)] {
        let synchronous = |connection: &rusqlite::Connection| {
            connection.pragma_query_value(None, "synchronous", |row| row.get::<_, u32>(0))
        };
        assert_eq!(on_writer(&fixture, durability, synchronous).await, level);
    }
}

#[test]
fn what_is_put_aside_survives_a_power_cut() {
    let claim = Claim { processor: processor(), epoch: 1 };
    let step = Step { key: key("0"), from_generation: 0, to: None, events: 0, status: Status::Running, error: None };
    let plain = Commit::of_step(claim, StateGuard::Shared { generation: 0 }, step);
    assert_eq!(crate::sqlite::check(&plain).0, Durability::Normal);
    let parks = Commit { parked: vec![parked("0")], ..plain.clone() };
    let settles = Commit { settled: vec![Settled::from(&parked("0"))], ..plain };
    assert_eq!(crate::sqlite::check(&parks).0, Durability::Full);
    assert_eq!(crate::sqlite::check(&settles).0, Durability::Full);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_writer_that_died() {
    let fixture = Fixture::new().await;
    let commit = fixture.own("0", "a", write("k", "0")).await;
    let died: Result<(), Failure> = fixture
        .store
        .inner
        .writer
        .run(Durability::Normal, Stage::Commit, 0, |_| panic!("a bug, planted by the test"))
        .await;
    assert_eq!(died.unwrap_err().kind, FailureKind::Broken);
    let failure = fixture.store.commit(commit).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert_eq!(fixture.store.load(&fixture.claim, &key("0")).await.unwrap_err().kind, FailureKind::Broken);
    // A new host finds the state of the last commit.
    let store = Sqlite::open(fixture.path(), &Options::default()).unwrap();
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    assert_eq!(store.load(&claim, &key("0")).await.unwrap().unwrap().read_from, ReadFrom::First);
}

#[tokio::test]
async fn of_two_openers_of_one_file_the_later_claim_wins() {
    let first = Fixture::new().await;
    let commit = first.own("0", "a", write("k", "old")).await;
    let second = Sqlite::open(first.path(), &Options::default()).unwrap();
    let claim = second.claim(&processor(), "the second host").await.unwrap();
    let failure = first.store.commit(commit.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Superseded);
    assert!(failure.cause.contains("the second host"), "{failure}");
    second.commit(Commit { claim, writes: write("k", "new"), ..commit }).await.unwrap();
    assert_eq!(first.own_state("0", "k"), Some("new".into()));
}

#[tokio::test]
async fn writes_without_a_step_are_seen_by_the_partition_that_they_belong_to() {
    let fixture = Fixture::new().await;
    let under_way = fixture.own("0", "a", write("k", "batch")).await;
    let retry = Commit { writes: write("k", "retry"), ..fixture.guarded(StateGuard::Partition(key("0"))) };
    fixture.commit(retry).await;
    assert_eq!(fixture.store.commit(under_way).await.unwrap_err().kind, FailureKind::Fenced);
    assert_eq!(fixture.own_state("0", "k"), Some("retry".into()));
}

#[tokio::test]
async fn after_close_every_clone_refuses() {
    let fixture = Fixture::new().await;
    let commit = fixture.own("0", "a", write("k", "0")).await;
    fixture.store.close().unwrap();
    fixture.store.close().unwrap();
    assert_eq!(fixture.store.clone().commit(commit).await.unwrap_err().kind, FailureKind::Broken);
    assert_eq!(fixture.store.partitions(&processor()).await.unwrap_err().kind, FailureKind::Broken);
}
