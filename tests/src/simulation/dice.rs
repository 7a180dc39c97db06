//! Dice: the one source of chance of a world, and how much trouble there is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A seeded source of chance that everything in a world shares.
#[derive(Clone, Debug)]
pub struct Dice(Arc<Mutex<fastrand::Rng>>);

impl Dice {
    /// Dice that fall the same way for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number below `bound`.
    #[must_use]
    pub fn below(&self, bound: usize) -> usize {
        self.0.lock().expect("no holder panics").usize(..bound)
    }

    /// True in so many of 100 cases.
    #[must_use]
    pub fn percent(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Waits a random while of virtual time: often not at all.
    pub async fn pause(&self, milliseconds_max: usize) {
        match self.below(3) {
            0 => {}
            1 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(self.below(milliseconds_max.max(1)) as u64)).await,
        }
    }
}

/// Whether things go wrong. A world ends with the trouble over.
#[derive(Clone, Debug)]
pub struct Trouble {
    dice: Dice,
    on: Arc<AtomicBool>,
}

impl Trouble {
    /// Trouble by these dice.
    #[must_use]
    pub fn new(dice: Dice) -> Self {
        Self { dice, on: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether something goes wrong here, in so many of 100 cases.
    #[must_use]
    pub fn strikes(&self, percent: usize) -> bool {
        self.on.load(Ordering::Relaxed) && self.dice.percent(percent)
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.on.store(false, Ordering::Relaxed);
    }
}
