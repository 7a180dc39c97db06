//! The search for the failing event: whatever is poison, exactly that is set aside, and the rest is applied once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    clippy::similar_names,
    clippy::single_match_else,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod component;
mod feed;
mod shelf;
mod watching;
mod world;

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use tidemill_pipeline::{
    BEHIND, BatchBounds, Checkpoint, Exit, KeyOrder, ParkedEvent, Parking, Quota, ReadFrom, RejectPolicy, Status, Value,
};

use crate::{
    component::{LOG, Naming, letter},
    feed::{Given, Kind},
    world::World,
};

fn event(poison: u32) -> impl Strategy<Value = Given> {
    let kind = prop_oneof![
        12 => Just(Kind::Fine),
        poison => Just(Kind::Poison),
        poison => Just(Kind::Undeliverable),
    ];
    // Few letters, so that one span has the same event more than once.
    (kind, 0..3_usize).prop_map(|(kind, letter)| Given { kind, letter })
}

fn worlds(poison: u32, policies: &'static [RejectPolicy]) -> impl Strategy<Value = World> {
    let naming = prop_oneof![Just(Naming::Right), Just(Naming::None), (0..40_usize).prop_map(Naming::Wrong)];
    // Now and then most events are bad, so that any subset of a span may be.
    let spans =
        prop_oneof![Just(poison), Just(poison * 20)].prop_flat_map(|poison| vec(vec(event(poison), 0..9), 1..9));
    (
        spans,
        (1..8_usize, 1..80_usize).prop_map(|(events_max, bytes_max)| BatchBounds { events_max, bytes_max }),
        proptest::sample::select(policies),
        naming,
        prop_oneof![Just(usize::MAX), 1..6_usize],
        any::<bool>(),
    )
        .prop_map(|(spans, bounds, on_reject, naming, cost_max, stale)| World {
            spans,
            bounds,
            on_reject,
            parking: Parking::Event,
            naming,
            cost_max,
            stale,
            repaired: false,
        })
}

/// Five events of which these are poison, cut into spans at these places.
fn five(poison: u8, cuts: u8) -> Vec<Vec<Given>> {
    let mut spans = vec![Vec::new()];
    for place in 0..5_u8 {
        if place > 0 && cuts & 1 << (place - 1) != 0 {
            spans.push(Vec::new());
        }
        let kind = if poison & 1 << place != 0 { Kind::Poison } else { Kind::Fine };
        spans.last_mut().unwrap().push(Given { kind, letter: usize::from(place) });
    }
    spans
}

#[test]
fn of_five_events_every_subset_is_found_in_every_cut_in_every_batch_and_with_every_policy() {
    let policies = [RejectPolicy::Park, RejectPolicy::Skip, RejectPolicy::Halt];
    let mut worlds = 0;
    for (poison, cuts) in (0..32).flat_map(|poison| (0..16).map(move |cuts| (poison, cuts))) {
        for (on_reject, naming, events_max) in policies
            .into_iter()
            .flat_map(|policy| [Naming::Right, Naming::None].map(|naming| (policy, naming)))
            .flat_map(|(policy, naming)| [1, 2, 5].map(|events_max| (policy, naming, events_max)))
        {
            let bounds = BatchBounds { events_max, bytes_max: 1_000 };
            let (spans, cost_max) = (five(poison, cuts), usize::MAX);
            let parking = Parking::Event;
            let world = World { spans, bounds, on_reject, parking, naming, cost_max, stale: false, repaired: false };
            let seen = world.run();
            let stop = world.first_bad().filter(|_| on_reject == RejectPolicy::Halt);
            let spans = stop.map_or(world.spans.len(), |(span, _)| span);
            assert_eq!(seen.checkpoint.read_from, world.place(spans), "{world:?}");
            assert_eq!(seen.state, world.applied_before(spans), "{world:?}");
            assert_eq!(
                seen.checkpoint.error.and_then(|error| error.event),
                stop.map(|(span, event)| world.id(span, event))
            );
            let parked = if on_reject == RejectPolicy::Park { world.parked() } else { Vec::new() };
            assert_eq!(seen.parked, parked, "{world:?}");
            worlds += 1;
        }
    }
    assert_eq!(worlds, 32 * 16 * 3 * 2 * 3);
}

/// So many batches of one event each.
fn one_by_one(batches: usize, stale: bool) -> World {
    World {
        spans: vec![vec![Given { kind: Kind::Fine, letter: 0 }]; batches],
        bounds: BatchBounds { events_max: 1, bytes_max: 1_000 },
        on_reject: RejectPolicy::Halt,
        parking: Parking::Event,
        naming: Naming::Right,
        cost_max: usize::MAX,
        stale,
        repaired: false,
    }
}

#[test]
fn the_next_batch_is_applied_while_the_store_works_on_the_commit_before_it() {
    let batches = 10;
    let world = one_by_one(batches, false);
    let seen = world.run();
    assert_eq!((seen.state, seen.commits.len()), (world.applied_before(batches), batches));
    assert_eq!(seen.beside, batches - 1, "all but the first");
}

#[test]
fn an_order_that_comes_while_a_commit_fails_is_followed() {
    let world = one_by_one(1, false);
    for rows_max in [None, Some(0)] {
        let quota = Quota { rows_max, bytes_max: None };
        assert_eq!(world.stop_beside_the_first_commit(quota), Exit::Stopped);
    }
}

#[test]
fn an_instance_that_lives_on_waits_until_its_writes_are_committed() {
    let world = one_by_one(10, true);
    let seen = world.run();
    assert_eq!((seen.state, seen.beside), (world.applied_before(10), 0));
}

/// How many spans a partition has behind it.
fn watched_spans(world: &World, checkpoint: &Checkpoint) -> usize {
    (0..=world.spans.len()).find(|spans| world.place(*spans) == checkpoint.read_from).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn exactly_the_poison_is_set_aside_and_the_rest_is_applied_once_and_in_order(
        world in worlds(2, &[RejectPolicy::Park, RejectPolicy::Skip]),
    ) {
        let seen = world.run();
        let spans = world.spans.len();
        prop_assert_eq!(seen.checkpoint.status, Status::Running);
        prop_assert_eq!(seen.checkpoint.position, world.events_before(spans));
        prop_assert_eq!(seen.checkpoint.read_from, world.place(spans));
        let parked = if world.on_reject == RejectPolicy::Park { world.bad_before(spans) } else { 0 };
        prop_assert_eq!(seen.parked_events, parked);
        let parked = if world.on_reject == RejectPolicy::Park { world.parked() } else { Vec::new() };
        prop_assert_eq!(seen.parked, parked);
        prop_assert_eq!(&seen.commits.last().unwrap().1, &world.applied_before(spans));
        prop_assert_eq!(world.check_commits(&seen.commits), Ok(()));
    }

    #[test]
    fn with_a_quota_everything_before_the_span_that_does_not_fit_is_committed_whatever_the_batches(
        (world, share, of_rows) in (worlds(2, &[RejectPolicy::Park, RejectPolicy::Skip]), 0..110_u64, any::<bool>()),
    ) {
        // What the store keeps after so many spans: every event adds something.
        let kept = |spans: usize| {
            let world = World { spans: world.spans[..spans].to_vec(), ..world.clone() };
            let stored = world.run().shelf.0.lock().unwrap().stored();
            if of_rows { stored.rows } else { stored.bytes }
        };
        let max = (kept(world.spans.len()) * share / 100).max(1);
        let fits = (0..=world.spans.len()).rev().find(|spans| kept(*spans) <= max).unwrap();
        let quota = if of_rows { Quota { rows_max: Some(max), bytes_max: None } } else { Quota { rows_max: None, bytes_max: Some(max) } };
        let seen = world.run_within(quota);
        prop_assert_eq!(&seen.checkpoint.read_from, &world.place(fits));
        prop_assert_eq!(&seen.state, &world.applied_before(fits));
        prop_assert_eq!(seen.parked_events, if world.on_reject == RejectPolicy::Park { world.bad_before(fits) } else { 0 });
        prop_assert_eq!(world.check_commits(&seen.commits), Ok(()));
        let stopped = fits < world.spans.len();
        prop_assert_eq!(seen.checkpoint.status, if stopped { Status::Stopped } else { Status::Running });
        let error = seen.checkpoint.error;
        prop_assert_eq!(error.map(|error| error.kind), stopped.then(|| "full".to_owned()));
    }

    #[test]
    fn a_rehearsal_comes_to_what_the_worker_commits(
        world in worlds(2, &[RejectPolicy::Park, RejectPolicy::Skip, RejectPolicy::Halt]),
    ) {
        let seen = world.run();
        let (applied, rejected, to_the_end) = world.rehearse();
        prop_assert_eq!(applied, seen.state);
        prop_assert_eq!(to_the_end, seen.checkpoint.status == Status::Running);
        let mut bad = world.bad_places();
        if world.on_reject == RejectPolicy::Halt {
            bad.truncate(1);
        }
        prop_assert_eq!(rejected, bad);
    }

    #[test]
    fn with_halt_everything_before_the_failing_span_is_committed_and_nothing_of_it(
        world in worlds(1, &[RejectPolicy::Halt]),
    ) {
        let seen = world.run();
        let stop = world.first_bad();
        let spans = stop.map_or(world.spans.len(), |(span, _)| span);
        prop_assert_eq!(seen.checkpoint.status, if stop.is_some() { Status::Halted } else { Status::Running });
        prop_assert_eq!(seen.checkpoint.error.and_then(|error| error.event), stop.map(|(span, event)| world.id(span, event)));
        prop_assert_eq!(seen.checkpoint.position, world.events_before(spans));
        prop_assert_eq!(seen.checkpoint.read_from, world.place(spans));
        prop_assert_eq!((seen.parked_events, seen.parked), (0, Vec::new()));
        prop_assert_eq!(seen.state, world.applied_before(spans));
        prop_assert_eq!(world.check_commits(&seen.commits), Ok(()));
    }

    #[test]
    fn who_looks_on_sees_each_commit_once_with_what_was_before_and_the_event_to_blame(
        world in worlds(1, &[RejectPolicy::Halt, RejectPolicy::Park, RejectPolicy::Skip]),
    ) {
        let seen = world.run();
        let watched = &seen.watched;
        let places: Vec<_> = watched.committed.iter().map(|(to, ..)| ReadFrom::After(to.clone())).collect();
        let steps = seen.commits.iter().filter(|(place, _)| *place != ReadFrom::First);
        let mut expected: Vec<_> = steps.map(|(place, _)| place.clone()).collect();
        // That the partition halted is a commit too, and no batch.
        expected.dedup();
        prop_assert_eq!(&places, &expected);
        prop_assert_eq!(watched.committed.iter().map(|(_, events, ..)| events).sum::<u64>(), seen.checkpoint.position);
        let aside = watched.committed.iter().map(|(.., aside, _)| aside).sum::<u64>();
        prop_assert_eq!(aside, world.bad_before(watched_spans(&world, &seen.checkpoint)));
        let mut before = None;
        for change in watched.committed.iter().flat_map(|(.., changes)| changes).filter(|change| change.key == LOG) {
            prop_assert_eq!(&change.before, &before, "what was before is what the last one left");
            before.clone_from(&change.after);
        }
        prop_assert_eq!(before.unwrap_or_else(|| "".into()), Value::from(seen.state.as_str()));
        prop_assert_eq!(&watched.blamed, &seen.checkpoint.error.and_then(|error| error.event).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_cost_that_grows_with_the_batch_sets_nobody_aside(world in worlds(0, &[RejectPolicy::Park]), cost_max in 1..4_usize) {
        let world = World { cost_max, ..world };
        let seen = world.run();
        let well = |well: bool| seen.calls.iter().filter(move |(_, found)| *found == well);
        // A call that cost too much is followed by smaller ones, not by all of them one event each.
        prop_assert!(well(true).all(|(events, _)| *events <= cost_max), "{:?}", seen.calls);
        prop_assert!(well(false).count() <= 3 * well(true).count() + 3 * world.spans.len(), "{:?}", seen.calls);
        prop_assert_eq!((seen.parked_events, seen.parked), (0, Vec::new()));
        prop_assert_eq!(seen.checkpoint.position, world.events_before(world.spans.len()));
        prop_assert_eq!(seen.state, world.applied_before(world.spans.len()));
    }

    #[test]
    fn parked_events_that_are_retried_in_any_order_give_the_state_of_a_clean_run(
        (world, seed) in (worlds(2, &[RejectPolicy::Park]), any::<u64>()),
    ) {
        let seen = world.run();
        let mut parked = seen.shelf.0.lock().unwrap().parked.clone();
        shuffle(&mut parked, seed);
        // The component that rejected the poison rejects it again, and nothing changes. What could not be delivered
        // is given to it for the first time.
        let poison = parked.iter().filter(|event| event.cause != "undeliverable").cloned().collect::<Vec<_>>();
        let enough = World { cost_max: usize::MAX, stale: false, ..world.clone() };
        prop_assert_eq!(enough.retry(&seen.shelf, &poison), poison.len());
        prop_assert_eq!(seen.shelf.0.lock().unwrap().counts(), seen.counts);

        let repaired = World { repaired: true, ..enough };
        prop_assert_eq!(repaired.retry(&seen.shelf, &parked), 0);
        let kept = seen.shelf.0.lock().unwrap();
        prop_assert!(kept.parked.is_empty());
        prop_assert_eq!(kept.counts(), repaired.run().counts);
        prop_assert_eq!(&kept.checkpoint.read_from, &world.place(world.spans.len()));
    }

    #[test]
    fn with_order_by_key_what_follows_a_parked_event_waits_behind_it_and_nothing_else_does(
        world in worlds(2, &[RejectPolicy::Park]),
    ) {
        let world = World { parking: Parking::Key(KeyOrder::default()), ..world };
        let seen = world.run();
        let (applied, parked) = world.by_key();
        prop_assert_eq!(&seen.state, &applied);
        let found: Vec<_> = seen.shelf.0.lock().unwrap().parked.iter().flat_map(each_copy).collect();
        // Those without a key are put together, so only the others have an order.
        let keyed = |all: Vec<(String, bool)>| all.into_iter().filter(|(payload, _)| !letter(payload).is_empty()).collect::<Vec<_>>();
        prop_assert_eq!(found.len(), parked.len());
        prop_assert_eq!(keyed(found), keyed(parked));
        prop_assert_eq!(seen.checkpoint.position, world.events_before(world.spans.len()));
        let (rehearsed, rejected, to_the_end) = world.rehearse();
        prop_assert_eq!((rehearsed, rejected.len() as u64, to_the_end), (applied, seen.parked_events, true));
    }

    #[test]
    fn with_order_by_key_queues_that_are_retried_give_each_key_the_state_of_a_clean_run(
        (world, together) in (worlds(2, &[RejectPolicy::Park]), 1..6_usize),
    ) {
        let world = World { parking: Parking::Key(KeyOrder::default()), ..world };
        let seen = world.run();
        // The component of before gets as far as its first poison, in each queue.
        let enough = World { cost_max: usize::MAX, stale: false, ..world };
        enough.retry_queues(&seen.shelf, together);
        let repaired = World { repaired: true, ..enough };
        repaired.retry_queues(&seen.shelf, together);
        let (kept, clean) = (seen.shelf.0.lock().unwrap(), repaired.run());
        prop_assert!(kept.parked.is_empty());
        prop_assert_eq!(kept.chains(), clean.chains);
        prop_assert_eq!(kept.counts(), clean.counts);
    }

    #[test]
    fn with_order_by_key_a_partition_halts_before_more_is_parked_than_may_be(
        (world, keys_max, events_max) in (worlds(2, &[RejectPolicy::Park]), 0..3_usize, 0..6_u64),
    ) {
        let order = KeyOrder { keys_max, events_max, pointer: None };
        let world = World { parking: Parking::Key(order), ..world };
        let seen = world.run();
        let kept = seen.shelf.0.lock().unwrap();
        let keys: Vec<_> = kept.parked.iter().filter_map(|event| event.key.clone()).collect();
        let (all, _) = world.by_key().1.into_iter().partition::<Vec<_>, _>(|(payload, _)| !letter(payload).is_empty());
        let many = all.iter().map(|(payload, _)| letter(payload)).collect::<BTreeSet<_>>().len();
        prop_assert!(keys.len() as u64 <= events_max && keys.iter().collect::<BTreeSet<_>>().len() <= keys_max);
        let fits = all.len() as u64 <= events_max && many <= keys_max;
        prop_assert_eq!(seen.checkpoint.status, if fits { Status::Running } else { Status::Halted });
    }
}

fn each_copy(event: &ParkedEvent) -> Vec<(String, bool)> {
    let payload = String::from_utf8(event.payload.as_ref().as_bytes().to_vec()).unwrap();
    vec![(payload, event.cause == BEHIND); event.copies as usize]
}

/// Another order, the same for the same seed.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from(seed >> 33).unwrap() % (last + 1));
    }
}
