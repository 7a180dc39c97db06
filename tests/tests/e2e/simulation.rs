//! The worker in thousands of random worlds.

use e2e::simulation::{Memory, Mutant, Outcome, run};

/// Runs the world of a seed in paused time.
fn world(seed: u64, store: Memory) -> Result<Outcome, String> {
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
    }
    // The worlds are worth something only if they are full of trouble.
    assert!(
        all.dropped as u64 > 5 * worlds && all.hosts as u64 > 3 * worlds && all.events as u64 > 20 * worlds,
        "{all:?}"
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
