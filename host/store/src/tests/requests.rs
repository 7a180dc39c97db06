//! What operators ask for happens once, whole, and to the right partition.

use std::slice;

use super::*;
use crate::{Outcome, Reader, RequestId, RequestKind, Requests, entries};

async fn ask(fixture: &Fixture, kind: RequestKind) -> Outcome {
    let mut requests = Requests::open(fixture.path()).unwrap();
    let id = requests.submit(&processor(), &kind).unwrap();
    assert_eq!(requests.outcome(id).unwrap(), None);
    let pending = fixture.store.pending().await.unwrap();
    let [request] = &pending[..] else { panic!("one request: {pending:?}") };
    assert_eq!((request.id, &request.processor, &request.kind), (id, &processor(), &kind));
    let outcome = fixture.store.execute(&fixture.claim, id).await.unwrap();
    assert_eq!(requests.outcome(id).unwrap().as_ref(), Some(&outcome));
    assert!(fixture.store.pending().await.unwrap().is_empty());
    outcome
}

async fn done(fixture: &Fixture, kind: RequestKind) -> String {
    match ask(fixture, kind).await {
        Outcome::Done(sentence) => sentence,
        refused @ Outcome::Refused { .. } => panic!("{refused:?}"),
    }
}

async fn refused(fixture: &Fixture, kind: RequestKind) -> String {
    match ask(fixture, kind).await {
        Outcome::Refused { cause, .. } => cause,
        done @ Outcome::Done(_) => panic!("{done:?}"),
    }
}

async fn halt(fixture: &Fixture, partition: &str) -> ParkedId {
    let event = parked(partition).id;
    let failure = Failure::new(FailureKind::Rejected, Stage::Process, "rejected");
    let error = LastError { event: Some(event.clone()), ..LastError::of(&failure) };
    let step = Step { to: None, status: Status::Halted, error: Some(error), ..fixture.step(partition, "x").await };
    fixture.commit(Commit { step: Some(step), ..fixture.nothing().await }).await;
    event
}

#[tokio::test]
async fn what_is_paused_stays_so_until_it_is_resumed() {
    let fixture = Fixture::new().await;
    fixture.open_partition("1", ReadFrom::Last).await;
    halt(&fixture, "0").await;
    let under_way = fixture.own("1", "a", write("k", "1")).await;
    done(&fixture, RequestKind::Pause { partition: None }).await;
    assert_eq!(fixture.checkpoint("1").await.status, Status::Paused);
    assert_eq!(fixture.checkpoint("0").await.status, Status::Paused);
    assert_eq!(fixture.store.commit(under_way).await.unwrap_err().kind, FailureKind::Fenced);
    done(&fixture, RequestKind::Resume { partition: Some(key("1")), resolution: None }).await;
    assert_eq!(fixture.checkpoint("1").await.status, Status::Starting, "nothing is promised yet");
    assert_eq!(fixture.checkpoint("0").await.status, Status::Paused);
    done(&fixture, RequestKind::Resume { partition: None, resolution: None }).await;
    assert_eq!(fixture.checkpoint("0").await.status, Status::Running);
    let cause = refused(&fixture, RequestKind::Pause { partition: Some(key("9")) }).await;
    assert!(cause.contains("has no"), "{cause}");
}

#[tokio::test]
async fn a_partition_that_halted_is_paused_with_its_error_in_sight_and_no_other_component_resumes_it() {
    let fixture = Fixture::new().await;
    let event = halt(&fixture, "0").await;
    let pause = RequestKind::Pause { partition: None };
    assert_eq!(
        done(&fixture, pause.clone()).await,
        "1 partition of processor `totals` paused; feed `orders`, partition 0 was halted, its error stays in sight, and only \
         `tidemill resume` lets it try again"
    );
    let stands = fixture.checkpoint("0").await;
    assert_eq!((stands.status, stands.error.unwrap().event), (Status::Paused, Some(event.clone())));
    assert_eq!(fixture.store.accept_component(&fixture.claim, Digest::of(b"another")).await.unwrap(), 0);
    assert_eq!(
        done(&fixture, pause).await,
        "0 partitions of processor `totals` paused: 1 is paused",
        "whoever asks twice is told why nothing changes"
    );
    let skip = Resolution { event, policy: RejectPolicy::Skip };
    done(&fixture, RequestKind::Resume { partition: Some(key("0")), resolution: Some(skip) }).await;
    let resume = RequestKind::Resume { partition: None, resolution: None };
    assert_eq!(done(&fixture, resume).await, "0 partitions of processor `totals` resumed: 1 is running");
}

#[tokio::test]
async fn what_was_decided_about_an_event_outlasts_a_pause_before_it_came_to_be_applied() {
    let fixture = Fixture::new().await;
    let skip = Resolution { event: halt(&fixture, "0").await, policy: RejectPolicy::Skip };
    done(&fixture, RequestKind::Resume { partition: Some(key("0")), resolution: Some(skip.clone()) }).await;
    for kind in
        [RequestKind::Pause { partition: None }, RequestKind::Resume { partition: Some(key("0")), resolution: None }]
    {
        let said = done(&fixture, kind).await;
        assert!(said.ends_with("; what was decided about 1 event still counts"), "{said}");
        assert_eq!(fixture.checkpoint("0").await.resolutions, slice::from_ref(&skip));
    }
}

#[tokio::test]
async fn after_a_reset_to_the_first_event_the_lineage_is_that_of_the_events_from_there_on() {
    let fixture = Fixture::new().await;
    let code = |component: &[u8]| Code {
        component: Digest::of(component),
        config: Digest::of(b""),
        instances: Instances::Fresh,
    };
    let commit = async |to: &str, component: &[u8]| {
        let step = Some(fixture.step("0", to).await);
        fixture.commit(Commit { step, code: Some(code(component)), ..fixture.nothing().await }).await;
    };
    let lineage = || {
        let partition = Reader::open(fixture.path()).unwrap().status().unwrap().remove(0).partitions.remove(0);
        partition.lineage.into_iter().map(|stretch| (stretch.code, stretch.from_position)).collect::<Vec<_>>()
    };
    let resets = [
        RequestKind::ResetPartition { key: key("0"), to: ReadFrom::First, identity: None },
        RequestKind::Reset { identities: Vec::new() },
    ];
    for reset in resets {
        commit("a", b"old").await;
        commit("b", b"new").await;
        assert!(lineage().len() > 1);
        done(&fixture, reset).await;
        assert_eq!(lineage(), []);
        commit("a", b"new").await;
        assert_eq!(lineage(), [(code(b"new"), 0)], "the old one computed none of them");
    }
    // A move to another place counts on: what was before it was computed as it was.
    commit("b", b"old").await;
    let back = RequestKind::ResetPartition { key: key("0"), to: cursor("a"), identity: None };
    done(&fixture, back).await;
    assert_eq!(lineage(), [(code(b"new"), 0), (code(b"old"), 1)]);
}

#[tokio::test]
async fn a_resolution_is_for_the_event_that_was_shown_and_for_one_step() {
    let fixture = Fixture::new().await;
    let event = halt(&fixture, "0").await;
    let other = ParkedId { payload: Digest::of(b"another"), ..event.clone() };
    let resolve = |event| RequestKind::Resume {
        partition: Some(key("0")),
        resolution: Some(Resolution { event, policy: RejectPolicy::Skip }),
    };
    let before = (fixture.checkpoint("0").await, fixture.nothing().await.guard);
    refused(&fixture, resolve(other)).await;
    assert_eq!((fixture.checkpoint("0").await, fixture.nothing().await.guard), before);
    done(&fixture, resolve(event.clone())).await;
    let checkpoint = fixture.checkpoint("0").await;
    assert_eq!(checkpoint.resolutions, [Resolution { event, policy: RejectPolicy::Skip }]);
    assert_eq!((checkpoint.status, checkpoint.error), (Status::Running, None));
    fixture.commit(fixture.own("0", "a", WriteSet::default()).await).await;
    assert_eq!(fixture.checkpoint("0").await.resolutions, []);
}

#[tokio::test]
async fn a_reset_forgets_everything_but_the_generations() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", bulk(3_000, 0)).await).await;
    let event = parked("0");
    fixture.commit(Commit { parked: vec![event], writes: write("k", "1"), ..fixture.nothing().await }).await;
    let (before, guard) = (fixture.checkpoint("0").await, fixture.nothing().await.guard);
    let identities = vec![(FeedName::new("orders"), "http://two.example".to_owned())];
    done(&fixture, RequestKind::Reset { identities }).await;
    let after = fixture.checkpoint("0").await;
    assert_eq!((after.read_from, after.position), (ReadFrom::First, 0));
    assert_eq!(after.feed_identity, "http://two.example");
    assert!(after.generation > before.generation);
    let (StateGuard::Shared { generation: old }, StateGuard::Shared { generation: new }) =
        (guard, fixture.nothing().await.guard)
    else {
        panic!("the state is shared")
    };
    assert!(new > old);
    assert_eq!(fixture.get(&StateSpace::Shared, "k"), None);
    assert_eq!(fixture.own_state("0", "0/1"), None);
    assert!(fixture.store.parked(1).await.unwrap().is_none());
    // The entries go bit by bit while the writer has nothing else to do.
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let left = fixture.store.read(|connection| {
            let dropped: u32 = connection.query_row("SELECT count(*) FROM dropped_space", [], |row| row.get(0))?;
            let left: u32 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
            Ok((dropped, left))
        });
        if left.await.unwrap() == (0, 0) {
            break;
        }
        assert!(std::time::Instant::now() < until);
        tokio::task::yield_now().await;
    }
    fixture.commit(Commit { writes: write("k", "2"), ..fixture.nothing().await }).await;
    assert_eq!(fixture.get(&StateSpace::Shared, "k"), Some("2".into()));
}

#[tokio::test]
async fn one_partition_goes_on_from_another_place() {
    let fixture = Fixture::new().await;
    fixture.open_partition("1", ReadFrom::First).await;
    for partition in ["0", "1"] {
        let commit = fixture.own(partition, "5", write("k", partition)).await;
        fixture.commit(Commit { parked: vec![parked(partition)], ..commit }).await;
    }
    let under_way = fixture.own("0", "6", write("k", "late")).await;
    let to = |to| RequestKind::ResetPartition { key: key("0"), to, identity: None };
    done(&fixture, to(cursor("9"))).await;
    assert_eq!(fixture.store.commit(under_way).await.unwrap_err().kind, FailureKind::Fenced);
    assert_eq!(fixture.checkpoint("0").await.read_from, cursor("9"));
    assert_eq!(fixture.own_state("0", "k"), Some("0".into()));
    done(&fixture, to(ReadFrom::First)).await;
    let checkpoint = fixture.checkpoint("0").await;
    assert_eq!((checkpoint.read_from, checkpoint.position, checkpoint.generation), (ReadFrom::First, 0, 3));
    assert_eq!(fixture.own_state("0", "k"), None);
    assert_eq!(fixture.own_state("1", "k"), Some("1".into()));
    assert!(fixture.store.parked(1).await.unwrap().is_none());
    assert!(fixture.store.parked(2).await.unwrap().is_some());
    refused(&fixture, to(ReadFrom::Last)).await;
}

#[tokio::test]
async fn a_partition_that_is_moved_says_what_becomes_of_the_state() {
    let to = |to| RequestKind::ResetPartition { key: key("0"), to, identity: None };
    let again = "state stays as it is, and events that come again are applied to it again";
    let fixture = Fixture::new().await;
    let moved = done(&fixture, to(ReadFrom::First)).await;
    assert!(moved.ends_with("goes on from the beginning"), "nothing was written yet: {moved}");

    fixture.commit(Commit { parked: vec![parked("0")], writes: write("k", "1"), ..fixture.nothing().await }).await;
    let moved = done(&fixture, to(cursor("9"))).await;
    assert!(moved.ends_with(&format!("goes on from cursor `9`; the shared {again}")), "{moved}");
    let moved = done(&fixture, to(ReadFrom::First)).await;
    let said = format!("goes on from the beginning; the shared {again}; 1 parked event of it dropped");
    assert!(moved.ends_with(&said), "{moved}");
    assert_eq!(fixture.get(&StateSpace::Shared, "k"), Some("1".into()));

    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", write("k", "1")).await).await;
    let moved = done(&fixture, to(cursor("9"))).await;
    assert!(moved.ends_with(&format!("goes on from cursor `9`; its own {again}")), "{moved}");
    let moved = done(&fixture, to(ReadFrom::First)).await;
    assert!(moved.ends_with("goes on from the beginning; its own state is deleted"), "{moved}");
}

#[tokio::test]
async fn a_feed_may_move_if_somebody_says_so() {
    let fixture = Fixture::new().await;
    let to = |feed| RequestKind::AcceptFeedChange { feed: FeedName::new(feed), identity: "http://two.example".into() };
    done(&fixture, to("orders")).await;
    assert_eq!(fixture.checkpoint("0").await.feed_identity, "http://two.example");
    refused(&fixture, to("invoices")).await;
}

#[tokio::test]
async fn parked_events_are_dropped_all_or_none() {
    let fixture = Fixture::new().await;
    fixture.commit(Commit { parked: vec![parked("0"), parked("1")], ..fixture.nothing().await }).await;
    refused(&fixture, RequestKind::DropParked { parked: vec![1, 77] }).await;
    assert!(fixture.store.parked(1).await.unwrap().is_some());
    done(&fixture, RequestKind::DropParked { parked: vec![1, 2] }).await;
    assert!(fixture.store.parked(1).await.unwrap().is_none());
}

#[tokio::test]
async fn a_commit_for_a_request_is_made_once_and_only_while_it_is_wanted() {
    let fixture = Fixture::new().await;
    let event = parked("0");
    fixture.commit(Commit { parked: vec![event.clone()], ..fixture.nothing().await }).await;
    let mut requests = Requests::open(fixture.path()).unwrap();
    let mut submit = || requests.submit(&processor(), &RequestKind::RetryParked { parked: vec![1] }).unwrap();
    let (id, withdrawn) = (submit(), submit());
    assert!(requests.withdraw(withdrawn).unwrap());
    let outcome = Outcome::Done("1 applied".into());
    let commit = |nothing| Commit { settled: vec![Settled::from(&event)], writes: write("k", "1"), ..nothing };
    let late = commit(fixture.nothing().await);
    let failure = fixture.store.commit_for_request(withdrawn, late, outcome.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Fenced);
    assert_eq!(fixture.get(&StateSpace::Shared, "k"), None);
    let good = commit(fixture.nothing().await);
    fixture.store.commit_for_request(id, good, outcome.clone()).await.unwrap();
    assert_eq!(requests.outcome(id).unwrap(), Some(outcome));
    assert_eq!(fixture.get(&StateSpace::Shared, "k"), Some("1".into()));
    assert!(!requests.withdraw(id).unwrap());
}

#[tokio::test]
async fn a_host_that_lost_its_claim_executes_nothing() {
    let fixture = Fixture::new().await;
    let mut requests = Requests::open(fixture.path()).unwrap();
    let id = requests.submit(&processor(), &RequestKind::Pause { partition: None }).unwrap();
    let claim = fixture.store.claim(&processor(), "the second host").await.unwrap();
    let failure = fixture.store.execute(&fixture.claim, id).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Superseded);
    assert_eq!(requests.outcome(id).unwrap(), None);
    assert_eq!(fixture.checkpoint("0").await.status, Status::Running);
    let outcome = fixture.store.execute(&claim, id).await.unwrap();
    let generation = fixture.checkpoint("0").await.generation;
    assert_eq!(fixture.store.execute(&claim, id).await.unwrap(), outcome, "told again, not done again");
    assert_eq!(fixture.checkpoint("0").await.generation, generation);
    assert!(fixture.store.execute(&claim, RequestId(99)).await.is_err());
}

#[test]
fn what_a_newer_program_asks_for_is_no_error() {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    crate::schema::migrate(&mut connection).unwrap();
    let asked = r#"{"kind":"dance","processor":"totals","version":1,"tempo":3}"#;
    connection.execute("INSERT INTO request (asked, asked_at) VALUES (?1, '')", [asked]).unwrap();
    let pending = crate::request::pending(&connection, 10).unwrap();
    assert_eq!(pending[0].kind, RequestKind::Unknown("dance".into()));
    assert!(!entries::purge(&connection).unwrap());
}

#[tokio::test]
async fn of_a_processor_that_is_removed_only_the_numbers_stay_so_that_none_is_used_twice() {
    let fixture = Fixture::new().await;
    fixture.commit(fixture.own("0", "a", write("k", "1")).await).await;
    fixture.commit(Commit { parked: vec![parked("0")], ..fixture.nothing().await }).await;
    let (late, generation) =
        (fixture.own("0", "b", write("k", "2")).await, fixture.store.state_generation(&fixture.claim).await.unwrap());
    let said = done(&fixture, RequestKind::Remove).await;
    assert_eq!(said, "processor `totals` is removed: state, 1 partition and 1 parked event forgotten");
    let reader = || Reader::open(fixture.path()).unwrap();
    assert_eq!((reader().status().unwrap(), reader().kept().unwrap()), (Vec::new(), Vec::new()));
    assert_eq!(reader().parked_list(None, 0, 10).unwrap(), []);

    let again = fixture.store.claim(&processor(), "another host").await.unwrap();
    assert!(again.epoch > fixture.claim.epoch);
    assert!(fixture.store.state_generation(&again).await.unwrap() > generation);
    assert_eq!(fixture.store.load(&again, &key("0")).await.unwrap(), None);
    assert_eq!(fixture.store.commit(late).await.unwrap_err().kind, FailureKind::Superseded);
    assert_eq!(reader().status().unwrap().len(), 1);
}
