//! What is kept is counted as it is, whatever changes it.

use proptest::prelude::*;

use super::*;
use crate::{Reader, RequestKind, Requests, connection::database_path};

/// A database as schema 2 wrote it, with several spaces, one that a reset took away, and queues.
pub(super) const FIXTURE_2: &str = include_str!("../../fixtures/schema_2.sql");

/// What a processor keeps, and what its spaces keep, counted anew.
pub(super) const COUNTED: &str = "
    SELECT p.processor, (SELECT count(*) FROM parked_event AS e WHERE (e.processor, e.version) = (p.processor, p.version))
            + count(k.key),
        (SELECT coalesce(sum(octet_length(payload) + coalesce(octet_length(metadata), 0) + octet_length(reason)
            + coalesce(octet_length(backtrace), 0)), 0)
            FROM parked_event AS e WHERE (e.processor, e.version) = (p.processor, p.version))
            + coalesce(sum(octet_length(k.key) + octet_length(k.value)), 0),
        count(k.key), coalesce(sum(octet_length(k.key) + octet_length(k.value)), 0)
    FROM processor AS p LEFT JOIN space AS s ON (s.processor, s.version) = (p.processor, p.version)
        LEFT JOIN entry AS k ON k.space = s.id
    GROUP BY p.processor, p.version ORDER BY p.processor, p.version";

pub(super) const KEPT: &str = "
    SELECT processor, stored_rows, stored_bytes,
        (SELECT coalesce(sum(stored_rows), 0) FROM space AS s WHERE (s.processor, s.version) = (p.processor, p.version)),
        (SELECT coalesce(sum(stored_bytes), 0) FROM space AS s WHERE (s.processor, s.version) = (p.processor, p.version))
    FROM processor AS p ORDER BY processor, version";

pub(super) type Counts = Vec<(String, i64, i64, i64, i64)>;

pub(super) fn counts(directory: &Path, text: &str) -> Counts {
    let connection = rusqlite::Connection::open(database_path(directory)).unwrap();
    let mut statement = connection.prepare(text).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// A key, whether it is read before, and what is written to it: text or bytes of some length, or nothing.
type Change = (u8, bool, Option<Result<u8, u8>>);

#[derive(Clone, Debug)]
enum Act {
    Write { own: Option<u8>, writes: Vec<Change>, fenced: bool },
    Park { partition: u8, span: u8, key: Option<u8>, reason: u8, backtrace: Option<u8> },
    Settle(u8),
    Drop(u8),
    Reset,
    ResetPartition(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let value = proptest::option::of(prop_oneof![(0u8..9).prop_map(Ok), (0u8..9).prop_map(Err)]);
    let write = (0u8..6, any::<bool>(), value);
    prop_oneof![
        6 => (proptest::option::of(0u8..2), proptest::collection::vec(write, 0..6), proptest::bool::weighted(0.2))
            .prop_map(|(own, writes, fenced)| Act::Write { own, writes, fenced }),
        4 => (0u8..2, 0u8..2, proptest::option::of(0u8..2), 0u8..5, proptest::option::of(0u8..5))
            .prop_map(|(partition, span, key, reason, backtrace)| Act::Park { partition, span, key, reason, backtrace }),
        2 => any::<u8>().prop_map(Act::Settle),
        1 => any::<u8>().prop_map(Act::Drop),
        1 => Just(Act::Reset),
        1 => (0u8..2).prop_map(Act::ResetPartition),
    ]
}

const NAMES: [&str; 6] = ["a", "b", "é", "a long one/with a 🦀", "\u{0}", "ab"];

impl Fixture {
    async fn perform(&self, act: Act) {
        let guard = self.nothing().await;
        match act {
            Act::Write { own, writes, fenced } => {
                let space = own.map_or(StateSpace::Shared, |own| StateSpace::Partition(key(&own.to_string())));
                let mut overlay = Overlay::new(self.store.snapshot(&self.claim, &space), WriteBounds::default());
                for (name, read, value) in writes {
                    let value = value.map(|value| match value {
                        Ok(length) => Value::Text("ø".repeat(length.into())),
                        Err(length) => Value::Bytes(vec![0xff; length.into()]),
                    });
                    let name = NAMES[usize::from(name)];
                    if read {
                        overlay.get(name).unwrap();
                    }
                    overlay.write(name.to_owned(), value).unwrap();
                }
                overlay.settle();
                let writes = overlay.into_writes();
                let own = own.map(|partition| partition.to_string());
                let late = Step { from_generation: 1 << 40, ..self.step(own.as_deref().unwrap_or("0"), "x").await };
                let step = fenced.then_some(late);
                let guard = own.map_or(guard.guard, |partition| StateGuard::Partition(key(&partition)));
                let made = self.store.commit(Commit { writes, step, ..self.guarded(guard) }).await;
                assert_eq!(made.is_err(), fenced, "{made:?}");
            }
            Act::Park { partition, span, key, reason, backtrace } => {
                let mut event = parked(&partition.to_string());
                event.id.span_from = cursor(&span.to_string());
                event.reason = "é".repeat(reason.into());
                event.backtrace = backtrace.map(|length| "x".repeat(length.into()));
                event.key = key.and_then(|key| EventKey::new(&key.to_string()));
                event.metadata = key.map(|_| Metadata { id: Some("e".into()), ..Metadata::default() });
                self.commit(Commit { parked: vec![event], ..guard }).await;
            }
            Act::Settle(which) => {
                let waiting = Reader::open(self.path()).unwrap().parked_list(None, 0, 100).unwrap();
                let first: Vec<_> = waiting.iter().filter(|event| event.waits_for.is_none()).collect();
                let Some(one) = first.get(usize::from(which) % first.len().max(1)) else { return };
                let settled = vec![Settled::from(&one.event)];
                self.commit(Commit { settled, writes: write("a", "settled"), ..guard }).await;
            }
            Act::Drop(which) => {
                let waiting = Reader::open(self.path()).unwrap().parked_list(None, 0, 100).unwrap();
                let Some(one) = waiting.get(usize::from(which) % waiting.len().max(1)) else { return };
                self.ask(RequestKind::DropParked { parked: vec![one.number] }).await;
            }
            Act::Reset => self.ask(RequestKind::Reset { identities: Vec::new() }).await,
            Act::ResetPartition(partition) => {
                let (key, to) = (key(&partition.to_string()), ReadFrom::First);
                self.ask(RequestKind::ResetPartition { key, to, identity: None }).await;
            }
        }
    }

    async fn ask(&self, kind: RequestKind) {
        let id = Requests::open(self.path()).unwrap().submit(&processor(), &kind).unwrap();
        self.store.execute(&self.claim, id).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_a_recount_finds_after_anything(acts in proptest::collection::vec(act(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new().await;
            fixture.open_partition("1", ReadFrom::First).await;
            for act in acts {
                fixture.perform(act.clone()).await;
                assert_eq!(counts(fixture.path(), KEPT), counts(fixture.path(), COUNTED), "after {act:?}");
            }
        });
    }
}

#[tokio::test]
async fn a_database_from_before_anything_was_counted_is_counted_by_its_migration() {
    let directory = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(database_path(directory.path())).unwrap().execute_batch(FIXTURE_2).unwrap();
    let store = Sqlite::open(directory.path(), &Options::default()).unwrap();
    let kept = counts(directory.path(), KEPT);
    assert_eq!(kept, counts(directory.path(), COUNTED));
    // By hand, so that both cannot be wrong in the same way: `parts` has entries of 2, 4 and 3 bytes and one event of 7, and
    // what a reset took away is nobody's.
    assert_eq!(kept[0], ("idle".to_owned(), 0, 0, 0, 0));
    assert_eq!(kept[1], ("parts".to_owned(), 4, 16, 3, 9));
    let claim = store.claim(&processor(), "the next host").await.unwrap();
    assert_eq!(store.set_quota(&claim, Quota::default()).await.unwrap().rows, 4);
}

#[tokio::test]
async fn only_who_has_the_claim_sets_a_quota_and_it_holds_for_the_next_host_until_that_sets_its_own() {
    let fixture = Fixture::new().await;
    let quota = Quota { rows_max: Some(1), bytes_max: Some(10) };
    fixture.store.set_quota(&fixture.claim, quota).await.unwrap();
    let next = fixture.store.claim(&processor(), "the next host").await.unwrap();
    let late = fixture.store.set_quota(&fixture.claim, Quota::default()).await;
    assert_eq!(late.unwrap_err().kind, FailureKind::Superseded);
    let quota_of = || Reader::open(fixture.path()).unwrap().status().unwrap()[0].quota;
    assert_eq!(quota_of(), quota);
    fixture.store.set_quota(&next, Quota::default()).await.unwrap();
    assert_eq!(quota_of(), Quota::default());
}

#[tokio::test]
async fn a_commit_over_the_quota_does_not_undo_the_others_of_its_transaction() {
    let fixture = Fixture::new().await;
    fixture.open_partition("1", ReadFrom::First).await;
    fixture.store.set_quota(&fixture.claim, Quota { rows_max: Some(2), bytes_max: None }).await.unwrap();
    let first = fixture.own("0", "a", write("k", "1")).await;
    let second = fixture.own("1", "a", bulk(2, 0)).await;
    let neighbour = ProcessorId { name: ProcessorName::new("neighbour"), version: 1 };
    let claim = fixture.store.claim(&neighbour, "the first host").await.unwrap();
    let third = Commit { writes: bulk(3, 0), ..Commit::nothing(claim, StateGuard::Shared { generation: 0 }) };
    let (first, second, third) =
        tokio::join!(fixture.store.commit(first), fixture.store.commit(second), fixture.store.commit(third));
    assert_eq!(first.unwrap().after.rows, 1);
    assert_eq!(second.unwrap_err().kind, FailureKind::Full);
    assert_eq!(third.unwrap().after.rows, 3);
    assert_eq!(counts(fixture.path(), KEPT), counts(fixture.path(), COUNTED));
}
