//! What is kept is counted, and a quota bounds it.

use tidemill_pipeline::{
    Commit, EventKey, FailureKind, ParkedEvent, Quota, ReadFrom, Settled, Stage, StateGuard, Store, Stored, Value,
};

use super::{Desk, StoreUnderTest, key, parked_event, parked_id, processor, text, totals, writes};

fn rows(rows_max: u64) -> Quota {
    Quota { rows_max: Some(rows_max), bytes_max: None }
}

fn bytes(bytes_max: u64) -> Quota {
    Quota { rows_max: None, bytes_max: Some(bytes_max) }
}

impl<S: StoreUnderTest> Desk<'_, S> {
    /// What the processor keeps.
    async fn stored(&self) -> Stored {
        self.subject.set_quota(&self.claim, Quota::default()).await
    }

    /// Commits, and says what the processor keeps then.
    async fn kept(&self, commit: Commit) -> Stored {
        let usage = self.store().commit(commit).await.unwrap();
        assert_eq!(self.stored().await, usage.after);
        usage.after
    }

    async fn wrote(&self, changes: &[(&str, Option<Value>)]) -> Stored {
        let writes = changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.kept(Commit { writes, ..self.nothing().await }).await
    }
}

/// Of text and of bytes alike, when they are new, changed, and gone.
pub async fn what_is_kept_is_counted_in_bytes_of_keys_and_values<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let blob = |length| Some(Value::Bytes(vec![0; length]));
    assert_eq!(desk.wrote(&[("a", Some(text("1234"))), ("é", Some(text("ø")))]).await, Stored { rows: 2, bytes: 9 });
    assert_eq!(desk.wrote(&[("a", blob(2)), ("b", blob(0))]).await, Stored { rows: 3, bytes: 8 });
    assert_eq!(desk.wrote(&[("a", Some(text("øøø"))), ("b", Some(text("")))]).await, Stored { rows: 3, bytes: 12 });
    assert_eq!(desk.wrote(&[("é", None), ("nowhere", None)]).await, Stored { rows: 2, bytes: 8 });
    assert_eq!(desk.wrote(&[("a", None), ("b", None)]).await, Stored::default());
    // What a commit that is fenced off would have written is not counted.
    let late = Commit { writes: writes([("a", "1")]), ..desk.guarded(StateGuard::Shared { generation: 0 }) };
    desk.refused(late, FailureKind::Fenced).await;
    assert_eq!(desk.stored().await, Stored::default());
}

/// Its copies take nothing; what is said about it anew replaces what was said.
pub async fn a_parked_event_is_a_row_of_what_it_takes<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let event = ParkedEvent {
        payload: Value::Bytes(vec![0xff; 10]),
        reason: "é".into(),
        backtrace: Some("12345".into()),
        ..parked_event(parked_id("0", ReadFrom::First), 3)
    };
    let park = |event: &ParkedEvent| vec![event.clone()];
    let parked = park(&event);
    assert_eq!(desk.kept(Commit { parked, ..desk.nothing().await }).await, Stored { rows: 1, bytes: 17 });
    let parked = park(&ParkedEvent { reason: "why".into(), backtrace: None, ..event.clone() });
    assert_eq!(desk.kept(Commit { parked, ..desk.nothing().await }).await, Stored { rows: 1, bytes: 13 });
    let parked = park(&ParkedEvent { key: EventKey::new("k"), ..event.clone() });
    assert_eq!(desk.kept(Commit { parked, ..desk.nothing().await }).await, Stored { rows: 2, bytes: 30 });
    let settled = vec![Settled::from(&event)];
    assert_eq!(desk.kept(Commit { settled, ..desk.nothing().await }).await, Stored { rows: 1, bytes: 17 });
}

/// State, cursor and parked events stay what they were.
pub async fn a_commit_that_grows_past_the_quota_is_refused_whole<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    desk.wrote(&[("a", Some(text("1")))]).await;
    subject.set_quota(&desk.claim, rows(2)).await;
    let parked = vec![parked_event(parked_id("0", ReadFrom::First), 1)];
    let (before, step) = (desk.checkpoint("0").await, desk.step("0", "x", 2).await);
    let commit = Commit { step: Some(step), writes: writes([("b", "2")]), parked, ..desk.nothing().await };
    let failure = desk.store().commit(commit.clone()).await.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Full, Stage::Commit));
    let said = "the processor may keep 2 rows (quotas.stored-rows): it keeps 1, and this adds 2";
    assert_eq!(failure.cause, said);
    assert!(failure.hint.unwrap().contains("raise quotas.stored-rows"));
    assert_eq!((desk.checkpoint("0").await, desk.get("b")), (before, None));
    assert_eq!(subject.parked(&totals()).await, []);
    // What fits is made, to the last row; the generation that the refused one began with still counts.
    desk.commit(Commit { parked: Vec::new(), ..commit }).await;
    assert_eq!(desk.get("b"), Some(text("2")));
    desk.refused(Commit { writes: writes([("c", "")]), ..desk.nothing().await }, FailureKind::Full).await;

    subject.set_quota(&desk.claim, bytes(6)).await;
    desk.refused(Commit { writes: writes([("a", "1234")]), ..desk.nothing().await }, FailureKind::Full).await;
    desk.commit(Commit { writes: writes([("a", "123")]), ..desk.nothing().await }).await;
}

/// A quota may be lowered beneath what is there.
pub async fn a_commit_that_does_not_grow_is_made_above_the_quota<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    desk.wrote(&[("a", Some(text("1"))), ("b", Some(text("2"))), ("c", Some(text("3")))]).await;
    assert_eq!(subject.set_quota(&desk.claim, rows(1)).await, Stored { rows: 3, bytes: 6 });
    desk.refused(Commit { writes: writes([("d", "4")]), ..desk.nothing().await }, FailureKind::Full).await;
    // The rows are as many: that it takes more bytes has no bound.
    desk.commit(Commit { writes: writes([("a", "11")]), ..desk.nothing().await }).await;
    let one_for_another = [("d".to_owned(), Some(text("4"))), ("a".to_owned(), None)].into_iter().collect();
    desk.commit(Commit { writes: one_for_another, ..desk.nothing().await }).await;
    let fewer = [("b".to_owned(), None)].into_iter().collect();
    desk.commit(Commit { writes: fewer, step: Some(desk.step("0", "x", 1).await), ..desk.nothing().await }).await;
    desk.refused(Commit { writes: writes([("e", "5")]), ..desk.nothing().await }, FailureKind::Full).await;
    assert_eq!(desk.stored().await.rows, 2);
}

/// What counts is the sum.
pub async fn the_partitions_of_a_processor_share_its_quota<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    subject.set_quota(&desk.claim, rows(3)).await;
    let own = async |partition: &str, to: &str, key_: &str| {
        let step = Some(desk.step(partition, to, 1).await);
        Commit { step, writes: writes([(key_, "1")]), ..desk.guarded(StateGuard::Partition(key(partition))) }
    };
    desk.commit(own("0", "a", "k").await).await;
    desk.commit(own("1", "a", "k").await).await;
    desk.commit(own("0", "b", "l").await).await;
    desk.refused(own("1", "b", "l").await, FailureKind::Full).await;
    desk.commit(own("1", "b", "k").await).await;
}

/// The neighbour goes on.
pub async fn a_quota_is_of_one_processor<S: StoreUnderTest>(subject: S) {
    let (full, neighbour) = (Desk::new(&subject, totals()).await, Desk::new(&subject, processor("totals", 2)).await);
    subject.set_quota(&full.claim, rows(1)).await;
    full.commit(Commit { writes: writes([("a", "1")]), ..full.nothing().await }).await;
    full.refused(Commit { writes: writes([("b", "1")]), ..full.nothing().await }, FailureKind::Full).await;
    neighbour.commit(Commit { writes: writes([("a", "1"), ("b", "1")]), ..neighbour.nothing().await }).await;
    assert_eq!((full.stored().await.rows, neighbour.stored().await.rows), (1, 2));
}

/// Both are in the database.
pub async fn what_is_kept_and_the_quota_survive_a_restart<S: StoreUnderTest>(mut subject: S) {
    let claim = {
        let desk = Desk::open(&subject).await;
        desk.wrote(&[("a", Some(text("1")))]).await;
        subject.set_quota(&desk.claim, rows(1)).await;
        desk.claim.clone()
    };
    subject.reopen().await;
    let desk = Desk { subject: &subject, claim };
    desk.refused(Commit { writes: writes([("b", "1")]), ..desk.nothing().await }, FailureKind::Full).await;
    assert_eq!(desk.stored().await, Stored { rows: 1, bytes: 2 });
}

/// What it settles goes and what it writes comes, and only the sum counts.
pub async fn a_retry_makes_room_by_what_it_settles<S: StoreUnderTest>(subject: S) {
    let desk = Desk::open(&subject).await;
    let event = parked_event(parked_id("0", ReadFrom::First), 1);
    let settled = vec![Settled::from(&event)];
    desk.commit(Commit { parked: vec![event], ..desk.nothing().await }).await;
    subject.set_quota(&desk.claim, rows(1)).await;
    let retry = Commit { settled, writes: writes([("a", "1"), ("b", "2")]), ..desk.nothing().await };
    desk.refused(retry.clone(), FailureKind::Full).await;
    assert_eq!(subject.parked(&totals()).await.len(), 1);
    desk.commit(Commit { writes: writes([("a", "1")]), ..retry }).await;
    assert_eq!(subject.parked(&totals()).await.len(), 0);
}
