//! Partitions begin and end, some have state of their own, and events of them are put aside.

use tidemill_pipeline::{
    Commit, Digest, EventKey, FailureKind, Held, Metadata, ParkedEvent, ReadFrom, Settled, StateGuard, StateSpace,
    Status, Step, Store, Value,
};

use super::{Desk, StoreUnderTest, cursor, key, opening, parked_event, parked_id, text, totals, writes};

/// Nothing is known of what was never opened.
pub async fn a_partition_that_was_never_opened_has_no_checkpoint<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    assert_eq!(subject.store().load(&desk.claim, &key("9")).await.unwrap(), None);
}

/// A partition is opened once: a restart opens it again in vain.
pub async fn opening_again_changes_nothing<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let step = Some(desk.step("0", "5", 5).await);
    desk.commit(Commit { step, ..desk.nothing().await }).await;
    let before = desk.checkpoint("0").await;
    let opened = vec![opening(key("0"), ReadFrom::Last)];
    desk.commit(Commit { opened, ..desk.nothing().await }).await;
    assert_eq!(desk.checkpoint("0").await, before);
}

/// Each way to start is kept, and only a start at the end promises nothing yet.
pub async fn a_partition_starts_where_it_was_opened<S: StoreUnderTest>(mut subject: S) {
    let starts = [ReadFrom::First, ReadFrom::Last, ReadFrom::After(cursor("_first_"))];
    let desk = Desk::new(&subject, totals()).await;
    let opened = starts.iter().enumerate().map(|(at, start)| opening(key(&at.to_string()), start.clone()));
    desk.commit(Commit { opened: opened.collect(), ..desk.nothing().await }).await;
    subject.reopen().await;
    let desk = Desk::new(&subject, totals()).await;
    for (at, start) in starts.into_iter().enumerate() {
        let checkpoint = desk.checkpoint(&at.to_string()).await;
        let status = if start == ReadFrom::Last { Status::Starting } else { Status::Running };
        assert_eq!((checkpoint.read_from, checkpoint.status), (start, status));
        assert_eq!((checkpoint.position, checkpoint.error, checkpoint.resolutions), (0, None, vec![]));
        assert_eq!(checkpoint.feed_identity, "http://feed.example/orders");
    }
}

/// No moment shows a finished parent without its children.
pub async fn finishing_a_parent_and_opening_its_children_is_one_commit<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let step = Step { to: None, status: Status::Finished, ..desk.step("0", "x", 0).await };
    let opened = vec![opening(key("0a"), ReadFrom::First), opening(key("0b"), ReadFrom::After(cursor("9")))];
    desk.commit(Commit { step: Some(step), opened, ..desk.nothing().await }).await;
    assert_eq!(desk.checkpoint("0").await.status, Status::Finished);
    assert_eq!(desk.checkpoint("0a").await.read_from, ReadFrom::First);
    assert_eq!(desk.checkpoint("0b").await.read_from, ReadFrom::After(cursor("9")));
}

/// Nothing moves that has no checkpoint.
pub async fn a_step_of_a_partition_that_is_not_open_is_fenced<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for from_generation in [0, 1] {
        let step = Step { key: key("9"), from_generation, ..desk.step("0", "x", 1).await };
        desk.refused(Commit { step: Some(step), ..desk.nothing().await }, FailureKind::Fenced).await;
    }
}

/// With state of its own a partition is in nobody's way: the shared state's generation is neither compared nor needed.
pub async fn partitions_with_state_of_their_own_are_independent<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let steps = [desk.step("0", "a", 1).await, desk.step("1", "b", 1).await];
    for (step, value) in steps.into_iter().zip(["zero", "one"]) {
        let guard = StateGuard::Partition(step.key.clone());
        desk.commit(Commit { step: Some(step), writes: writes([("k", value)]), ..desk.guarded(guard) }).await;
    }
    assert_eq!(desk.get("k"), None);
    assert_eq!(desk.get_in(&StateSpace::Partition(key("0")), "k"), Some(text("zero")));
    assert_eq!(desk.get_in(&StateSpace::Partition(key("1")), "k"), Some(text("one")));
    let step = Step { from_generation: 77, ..desk.step("0", "x", 1).await };
    let commit = desk.guarded(StateGuard::Partition(key("0")));
    desk.refused(Commit { step: Some(step), writes: writes([("k", "x")]), ..commit }, FailureKind::Fenced).await;
    assert_eq!(desk.get_in(&StateSpace::Partition(key("0")), "k"), Some(text("zero")));
}

/// A retry of a parked event moves no cursor, but whoever read the partition's state before it starts over.
pub async fn writing_a_partitions_own_state_without_a_step_fences_who_is_at_work_on_it<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let (own, at_work) = (StateGuard::Partition(key("0")), desk.step("0", "a", 1).await);
    let other = desk.checkpoint("1").await;
    desk.commit(Commit { writes: writes([("k", "retried")]), ..desk.guarded(own.clone()) }).await;
    let late = Commit { step: Some(at_work.clone()), writes: writes([("k", "late")]), ..desk.guarded(own.clone()) };
    desk.refused(late, FailureKind::Fenced).await;
    let checkpoint = desk.checkpoint("0").await;
    assert_eq!((checkpoint.generation, checkpoint.position), (at_work.from_generation + 1, 0));
    assert_eq!(checkpoint.read_from, ReadFrom::First);
    assert_eq!(desk.get_in(&StateSpace::Partition(key("0")), "k"), Some(text("retried")));
    assert_eq!(desk.checkpoint("1").await, other);
    // Without a write there is nothing to find out; and a partition that was never opened has no state.
    desk.commit(desk.guarded(own)).await;
    assert_eq!(desk.checkpoint("0").await, checkpoint);
    let nowhere = Commit { writes: writes([("k", "x")]), ..desk.guarded(StateGuard::Partition(key("9"))) };
    desk.refused(nowhere, FailureKind::Fenced).await;
}

/// An event that is put aside again is the same event, more often.
pub async fn parking_adds_copies<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let id = parked_id("0", ReadFrom::First);
    for copies in [1, 2] {
        let parked = vec![parked_event(id.clone(), copies)];
        desk.commit(Commit { parked, ..desk.nothing().await }).await;
    }
    let others = [
        parked_id("1", ReadFrom::First),
        parked_id("0", ReadFrom::Last),
        parked_id("0", ReadFrom::After(cursor("first"))),
        super::ParkedId { payload: Digest::of(b"another"), ..id.clone() },
    ];
    let parked = others.into_iter().map(|id| parked_event(id, 1)).collect();
    desk.commit(Commit { parked, ..desk.nothing().await }).await;
    let parked = subject.parked(&totals()).await;
    assert_eq!(parked.len(), 5, "{parked:?}");
    assert_eq!(parked.iter().find(|event| event.id == id).unwrap().copies, 3);
}

/// A retry that somebody else has done is fenced.
pub async fn settling_removes_and_needs_what_it_removes<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let id = parked_id("0", ReadFrom::First);
    let parked = vec![parked_event(id.clone(), 2)];
    desk.commit(Commit { parked, ..desk.nothing().await }).await;
    let settled = vec![Settled { id, key: None }];
    let retry = Commit { settled: settled.clone(), writes: writes([("a", "1")]), ..desk.nothing().await };
    desk.commit(retry).await;
    assert!(subject.parked(&totals()).await.is_empty());
    let again = Commit { settled, writes: writes([("a", "2")]), ..desk.nothing().await };
    desk.refused(again, FailureKind::Fenced).await;
    assert_eq!(desk.get("a"), Some(text("1")));
}

/// Order by key: the queue of a key is in the order in which its events were put aside, the same payload again included,
/// and only its first can be settled.
pub async fn a_queue_is_settled_from_its_first<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let other = super::ParkedId { payload: Digest::of(b"other"), ..parked_id("1", ReadFrom::First) };
    let queue = [parked_id("0", ReadFrom::First), other, parked_id("0", ReadFrom::First)];
    let key = EventKey::new("ada");
    for id in &queue {
        let parked = vec![ParkedEvent { key: key.clone(), ..parked_event(id.clone(), 1) }];
        desk.commit(Commit { parked, ..desk.nothing().await }).await;
    }
    let found: Vec<_> = subject.parked(&totals()).await.into_iter().map(|event| (event.id, event.copies)).collect();
    assert_eq!(found, queue.clone().map(|id| (id, 1)));
    let settled = |places: &[usize]| -> Vec<Settled> {
        places.iter().map(|place| Settled { id: queue[*place].clone(), key: key.clone() }).collect()
    };
    for wrong in [vec![1], vec![0, 2], vec![0, 1, 1]] {
        let settled = settled(&wrong);
        desk.refused(Commit { settled, writes: writes([("a", "1")]), ..desk.nothing().await }, FailureKind::Fenced)
            .await;
    }
    let alone = vec![Settled { id: queue[0].clone(), key: None }];
    desk.refused(Commit { settled: alone, ..desk.nothing().await }, FailureKind::Fenced).await;
    desk.commit(Commit { settled: settled(&[0, 1]), ..desk.nothing().await }).await;
    assert_eq!(subject.parked(&totals()).await.len(), 1);
    desk.commit(Commit { settled: settled(&[2]), ..desk.nothing().await }).await;
    assert!(subject.parked(&totals()).await.is_empty());
    assert_eq!(desk.get("a"), None);
}

/// Keys are held by feed and by state: by the shared one over all partitions, by a partition's own over that one.
pub async fn keys_are_held_over_one_state<S: StoreUnderTest>(mut subject: S) {
    let (ada, bob) = (EventKey::new("ada").unwrap(), EventKey::new("bob").unwrap());
    {
        let desk = Desk::open(&subject).await;
        let event = |partition: &str, key: &EventKey| ParkedEvent {
            key: Some(key.clone()),
            ..parked_event(parked_id(partition, ReadFrom::First), 1)
        };
        let alone = super::ParkedId { payload: Digest::of(b"alone"), ..parked_id("0", ReadFrom::First) };
        let parked = vec![event("0", &ada), event("1", &ada), parked_event(alone, 1)];
        desk.commit(Commit { parked, ..desk.nothing().await }).await;
        let guard = StateGuard::Partition(key("0"));
        desk.commit(Commit { parked: vec![event("0", &bob)], ..desk.guarded(guard) }).await;
    }
    subject.reopen().await;
    let desk = Desk::new(&subject, totals()).await;
    let other = tidemill_pipeline::FeedName::new("payments");
    let orders = key("0").feed;
    for (space, keys, events) in [
        (StateSpace::Shared, vec![&ada], 2),
        (StateSpace::Partition(key("0")), vec![&bob], 1),
        (StateSpace::Partition(key("1")), Vec::new(), 0),
    ] {
        let held = desk.store().held(&desk.claim, &space).await.unwrap();
        assert_eq!((held.keys(), held.events(), held.has_any(&other)), (keys.len(), events, false), "{space:?}");
        assert!(keys.iter().all(|key| held.has(&orders, key) && !held.has(&other, key)), "{space:?}");
    }
    let stranger = Desk::new(&subject, super::processor("others", 1)).await;
    assert_eq!(desk.store().held(&stranger.claim, &StateSpace::Shared).await.unwrap(), Held::default());
}

/// Who computed a batch from the queues as they were before somebody settled of them starts over, whatever the state is.
pub async fn settling_fences_who_knew_the_queues_before<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    for guard in [StateGuard::Shared { generation: 0 }, StateGuard::Partition(key("0"))] {
        let now = || async {
            match &guard {
                StateGuard::Shared { .. } => desk.nothing().await,
                StateGuard::Partition(_) => desk.guarded(guard.clone()),
            }
        };
        let event = ParkedEvent { key: EventKey::new("ada"), ..parked_event(parked_id("0", ReadFrom::First), 1) };
        let settled = vec![Settled::from(&event)];
        desk.commit(Commit { parked: vec![event], ..now().await }).await;
        let (step, before) = (Some(desk.step("0", "7", 1).await), now().await);
        desk.commit(Commit { settled, ..now().await }).await;
        desk.refused(Commit { step, ..before }, FailureKind::Fenced).await;
    }
}

/// What is put aside can be given to the component again, whatever it holds.
pub async fn a_parked_event_is_as_it_was_put<S: StoreUnderTest>(mut subject: S) {
    let metadata = Metadata {
        headers: vec![("ce_type".into(), "täst \"\u{10FFFF}\"".into())],
        id: Some("1".into()),
        kind: None,
        key: Some("k".into()),
        occurred_at_us: Some(-5),
    };
    let put = ParkedEvent {
        payload: Value::Bytes(vec![0, 255, 128]),
        metadata: Some(metadata),
        backtrace: Some("frames".into()),
        component: Some(Digest::of(b"component")),
        ..parked_event(parked_id("0", ReadFrom::After(cursor("last"))), 1)
    };
    {
        let desk = Desk::open(&subject).await;
        desk.commit(Commit { parked: vec![put.clone()], ..desk.nothing().await }).await;
    }
    subject.reopen().await;
    assert_eq!(subject.parked(&totals()).await, [put]);
}

/// Parked rows belong to the cursor that moved over them.
pub async fn parking_and_settling_are_undone_with_their_commit<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let id = parked_id("0", ReadFrom::First);
    let first = parked_event(id.clone(), 1);
    desk.commit(Commit { parked: vec![first.clone()], ..desk.nothing().await }).await;
    let step = Some(Step { from_generation: 77, ..desk.step("0", "x", 1).await });
    let parked = vec![parked_event(parked_id("1", ReadFrom::First), 1)];
    let commit = Commit { step, parked, settled: vec![Settled { id, key: None }], ..desk.nothing().await };
    desk.refused(commit, FailureKind::Fenced).await;
    assert_eq!(subject.parked(&totals()).await, [first]);
}
