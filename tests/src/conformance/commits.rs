//! A commit is a compare-and-set: all of it happens, or nothing.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use tidemill_pipeline::{Commit, FailureKind, LastError, ReadFrom, Settled, StateGuard, Status, Step, Store, WriteSet};

use super::{Desk, StoreUnderTest, cursor, key, opening, parked_event, parked_id, processor, text, totals, writes};

/// State and cursor change together.
pub async fn a_commit_changes_state_and_cursor_together<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let (before, generation) = (desk.checkpoint("0").await, desk.generation().await);
    let step = desk.step("0", "1002", 2).await;
    let commit = Commit { step: Some(step), writes: writes([("a", "1"), ("b", "2")]), ..desk.nothing().await };
    desk.commit(commit).await;
    let after = desk.checkpoint("0").await;
    assert_eq!(after.read_from, ReadFrom::After(cursor("1002")));
    assert_eq!((after.generation, after.position), (before.generation + 1, before.position + 2));
    assert_eq!(desk.generation().await, generation + 1);
    assert_eq!((desk.get("a"), desk.get("b")), (Some(text("1")), Some(text("2"))));
}

/// What was acknowledged is there after a restart, generations included.
pub async fn a_commit_survives_a_restart<S: StoreUnderTest>(mut subject: S) {
    let (before, generation) = {
        let desk = Desk::open(&subject).await;
        let step = Some(desk.step("0", "7", 3).await);
        desk.commit(Commit { step, writes: writes([("a", "1")]), ..desk.nothing().await }).await;
        (desk.checkpoint("0").await, desk.generation().await)
    };
    subject.reopen().await;
    let desk = Desk::new(&subject, totals()).await;
    assert_eq!(desk.checkpoint("0").await, before);
    assert_eq!(desk.generation().await, generation);
    assert_eq!(desk.get("a"), Some(text("1")));
}

/// Somebody else changed the shared state: nothing is written.
pub async fn a_stale_state_generation_is_fenced_and_writes_nothing<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let generation = desk.generation().await;
    for stale in [generation - 1, generation + 1] {
        let step = Some(desk.step("0", "x", 1).await);
        let guard = StateGuard::Shared { generation: stale };
        desk.refused(Commit { step, writes: writes([("a", "1")]), ..desk.guarded(guard) }, FailureKind::Fenced).await;
    }
    assert_eq!(desk.get("a"), None);
    assert_eq!(desk.checkpoint("0").await.read_from, ReadFrom::First);
    assert_eq!(desk.generation().await, generation);
}

/// Somebody else moved the partition: nothing is written, and the shared state's generation does not rise either.
pub async fn a_stale_checkpoint_generation_is_fenced_and_writes_nothing<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let step = desk.step("0", "1", 1).await;
    desk.commit(Commit { step: Some(step.clone()), ..desk.nothing().await }).await;
    let generation = desk.generation().await;
    for from_generation in [step.from_generation, step.from_generation + 2] {
        let step = Some(Step { from_generation, to: Some(cursor("x")), ..step.clone() });
        let commit = Commit { step, writes: writes([("a", "1")]), ..desk.nothing().await };
        desk.refused(commit, FailureKind::Fenced).await;
    }
    assert_eq!(desk.get("a"), None);
    assert_eq!(desk.checkpoint("0").await.read_from, ReadFrom::After(cursor("1")));
    assert_eq!(desk.generation().await, generation);
}

/// A host that lost its processor can change nothing of it and is told so, whatever it knows of the generations.
pub async fn a_claim_ends_the_claims_before_it<S: StoreUnderTest>(subject: S) {
    let old = Desk::open(&subject).await;
    let (commit, own) = (old.nothing().await, old.guarded(StateGuard::Partition(key("0"))));
    let step = Some(old.step("0", "x", 1).await);
    let new = Desk::new(&subject, totals()).await;
    assert!(new.claim.epoch > old.claim.epoch);
    for commit in [commit, own] {
        let commit = Commit { step: step.clone(), writes: writes([("a", "1")]), ..commit };
        old.refused(commit, FailureKind::Superseded).await;
    }
    let failure = subject.store().state_generation(&old.claim).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Superseded);
    assert_eq!(new.get("a"), None);
    assert_eq!(new.checkpoint("0").await.read_from, ReadFrom::First);
    new.commit(Commit { step, ..new.nothing().await }).await;
}

/// Claiming one processor leaves the others alone.
pub async fn a_claim_is_of_one_processor_and_version<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for other in [processor("others", 1), processor("totals", 2)] {
        Desk::new(&subject, other).await;
    }
    desk.commit(desk.nothing().await).await;
}

/// Of commits from the same generations, one is applied.
pub async fn two_commits_from_one_generation_have_one_winner<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let (first, second) = (desk.step("0", "first", 1).await, desk.step("0", "second", 1).await);
    let nothing = desk.nothing().await;
    let first = Commit { step: Some(first), writes: writes([("winner", "first")]), ..nothing.clone() };
    let second = Commit { step: Some(second), writes: writes([("winner", "second")]), ..nothing };
    let (first, second) = tokio::join!(desk.store().commit(first), desk.store().commit(second));
    let winner = match (first, second) {
        (Ok(_), Err(loser)) if loser.kind == FailureKind::Fenced => "first",
        (Err(loser), Ok(_)) if loser.kind == FailureKind::Fenced => "second",
        both => panic!("{both:?}"),
    };
    assert_eq!(desk.get("winner"), Some(text(winner)));
    let checkpoint = desk.checkpoint("0").await;
    assert_eq!((checkpoint.read_from, checkpoint.position), (ReadFrom::After(cursor(winner)), 1));
}

/// Writes, parked events and opened partitions go with the cursor, or not at all.
pub async fn a_refused_commit_leaves_every_part_undone<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let nothing = desk.nothing().await;
    let step = Step { from_generation: 77, ..desk.step("0", "x", 1).await };
    let commit = Commit {
        step: Some(step),
        writes: writes([("a", "1")]),
        parked: vec![parked_event(parked_id("0", ReadFrom::First), 1)],
        opened: vec![opening(key("child"), ReadFrom::First)],
        ..nothing.clone()
    };
    desk.refused(commit.clone(), FailureKind::Fenced).await;
    // The same when it is the last thing that fails: settling an event that is not parked.
    let step = Some(desk.step("0", "x", 1).await);
    let settled = vec![Settled { id: parked_id("1", ReadFrom::First), key: None }];
    desk.refused(Commit { step, settled, ..commit }, FailureKind::Fenced).await;
    assert_eq!(desk.get("a"), None);
    assert_eq!(desk.checkpoint("0").await.read_from, ReadFrom::First);
    assert!(subject.parked(&totals()).await.is_empty());
    assert_eq!(subject.store().load(&desk.claim, &key("child")).await.unwrap(), None);
    desk.commit(nothing).await;
}

/// A step may change the status alone.
pub async fn a_commit_without_a_cursor_leaves_the_cursor<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for expected in [ReadFrom::First, ReadFrom::After(cursor("5"))] {
        let step = Step { to: None, status: Status::Halted, ..desk.step("0", "x", 0).await };
        desk.commit(Commit { step: Some(step), ..desk.nothing().await }).await;
        let checkpoint = desk.checkpoint("0").await;
        assert_eq!((checkpoint.read_from, checkpoint.status), (expected, Status::Halted));
        let step = desk.step("0", "5", 0).await;
        desk.commit(Commit { step: Some(step), ..desk.nothing().await }).await;
    }
}

/// A worker that is dropped while it commits leaves no half of it; the next one finds out by loading.
pub async fn a_commit_whose_waiter_is_gone_is_whole_or_not_at_all<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for number in 0..20 {
        let (value, before) = (number.to_string(), desk.checkpoint("0").await);
        let step = Some(desk.step("0", &value, 1).await);
        let commit = Commit { step, writes: writes([("a", value.as_str())]), ..desk.nothing().await };
        {
            let waiting = pin!(desk.store().commit(commit));
            let poll: Poll<_> = waiting.poll(&mut Context::from_waker(Waker::noop()));
            drop(poll);
        }
        // Commits are made in order, so after this one the one before has been made, if ever.
        let fence = desk.guarded(StateGuard::Shared { generation: u64::MAX >> 1 });
        desk.refused(fence, FailureKind::Fenced).await;
        let after = desk.checkpoint("0").await;
        if after.generation == before.generation {
            assert_ne!(desk.get("a"), Some(text(&value)));
            assert_eq!(after, before);
        } else {
            assert_eq!(desk.get("a"), Some(text(&value)));
            assert_eq!(after.read_from, ReadFrom::After(cursor(&value)));
        }
    }
}

/// Why a partition stopped is shown until it moves.
pub async fn an_error_is_kept_until_the_next_step<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let error = LastError {
        kind: "rejected".into(),
        stage: "process".into(),
        cause: "the component rejected an event".into(),
        hint: Some("look at it".into()),
        event: Some(parked_id("0", ReadFrom::After(cursor("after:_first")))),
        backtrace: Some("frame\nframe".into()),
    };
    let step = Step { to: None, status: Status::Halted, error: Some(error.clone()), ..desk.step("0", "x", 0).await };
    desk.commit(Commit { step: Some(step), ..desk.nothing().await }).await;
    assert_eq!(desk.checkpoint("0").await.error, Some(error));
    let step = Some(desk.step("0", "1", 1).await);
    desk.commit(Commit { step, ..desk.nothing().await }).await;
    let checkpoint = desk.checkpoint("0").await;
    assert_eq!((checkpoint.error, checkpoint.status), (None, Status::Running));
}

/// Size is no reason to split a commit.
pub async fn a_commit_of_many_writes_is_whole<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let many: WriteSet = (0..20_000).map(|number| (format!("{number:05}"), Some(text(&"x".repeat(100))))).collect();
    let step = Some(desk.step("0", "1", 20_000).await);
    desk.commit(Commit { step, writes: many, ..desk.nothing().await }).await;
    assert_eq!(desk.scan("", None, usize::MAX).len(), 20_000);
}
