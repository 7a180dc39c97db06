//! The worker in thousands of random worlds.

use std::sync::atomic::{AtomicU64, Ordering};

use e2e::simulation::{Backend, Memory, Mutant, OnDisk, Outcome, run};

/// Worlds that run on real SQLite at the same time: they mostly wait for the disk.
const AT_ONCE: usize = 4;

/// Runs the world of a seed in paused time.
fn world(seed: u64, store: impl Backend) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed, store))
}

#[test]
fn in_every_random_world_the_state_is_the_fold_of_the_events() {
    let worlds: u64 = std::env::var("TIDEMILL_WORLDS").map_or(3_000, |worlds| worlds.parse().unwrap());
    let mut all = Outcome::default();
    for seed in 0..worlds {
        let outcome = world(seed, Memory::new()).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        all.events += outcome.events;
        all.dropped += outcome.dropped;
        all.hosts += outcome.hosts;
        all.retried += outcome.retried;
    }
    // The worlds are worth something only if they are full of trouble.
    assert!(
        all.dropped as u64 > 5 * worlds
            && all.hosts as u64 > 3 * worlds
            && all.events as u64 > 20 * worlds
            && all.retried as u64 > worlds / 20,
        "{all:?}"
    );
}

#[test]
fn in_random_worlds_on_real_sqlite_the_state_is_the_fold_of_the_events() {
    let worlds: u64 = std::env::var("TIDEMILL_SQLITE_WORLDS").map_or(200, |worlds| worlds.parse().unwrap());
    let next = AtomicU64::new(0);
    let run = || {
        let mut all = Outcome::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= worlds {
                return all;
            }
            let outcome = world(seed, OnDisk::new()).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
            all.events += outcome.events;
            all.dropped += outcome.dropped;
            all.hosts += outcome.hosts;
            all.reopened += outcome.reopened;
        }
    };
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>() as u64;
    assert!(
        sum(|seen| seen.dropped) > 5 * worlds
            && sum(|seen| seen.hosts) > 3 * worlds
            && sum(|seen| seen.events) > 20 * worlds
            && sum(|seen| seen.reopened) > worlds / 2,
        "{outcomes:?}"
    );
}

#[test]
fn a_world_is_the_same_for_the_same_seed() {
    for seed in 0..100 {
        assert_eq!(world(seed, Memory::new()), world(seed, Memory::new()));
    }
}

#[test]
fn the_simulation_finds_a_store_that_leaves_a_check_out() {
    for mutant in [Mutant::NoProcessor, Mutant::NoCheckpoint] {
        let caught = (0..1_000).find(|seed| world(*seed, Memory::mutant(mutant)).is_err());
        assert!(caught.is_some(), "{mutant:?} passes in 1,000 worlds");
    }
}
