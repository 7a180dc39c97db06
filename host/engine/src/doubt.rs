//! Doubt: whether a processor was lately rejected or overtime. Doubtful processors may not take all call threads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tidemill_pipeline::ProcessorName;

/// How long a refused call is held against a processor. Longer than the waits between the attempts of a partition that is about to
/// stall, so that it does not begin each of them with a clean name.
const LATELY: Duration = Duration::from_secs(30);

/// What is held against a processor.
#[derive(Debug, Default)]
pub(crate) struct Doubt(Mutex<Held>);

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Since(Instant),
    Always,
}

impl Doubt {
    /// That of something that has never been tried: no thread is lost to it that others need.
    pub(crate) fn untried() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Held::Always)))
    }

    /// A call was rejected, or took too long.
    pub(crate) fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Held::Since(Instant::now());
    }

    /// Whether it was so lately.
    pub(crate) fn is_raised(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Held::Nothing => false,
            Held::Since(refused) => refused.elapsed() < LATELY,
            Held::Always => true,
        }
    }
}

/// The doubts of all processors that run: one for all partitions of a processor, for they run the same code.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<HashMap<ProcessorName, Weak<Doubt>>>);

impl Doubts {
    /// That of a processor.
    pub(crate) fn of(&self, processor: &ProcessorName) -> Arc<Doubt> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(processor).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, doubt| doubt.strong_count() > 0);
        let new = Arc::default();
        all.insert(processor.clone(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_of_a_processor_share_its_doubt_and_others_do_not() {
        let doubts = Doubts::default();
        let (one, same) = (doubts.of(&ProcessorName::new("a")), doubts.of(&ProcessorName::new("a")));
        let other = doubts.of(&ProcessorName::new("b"));
        one.raise();
        assert!(same.is_raised() && !other.is_raised());
        drop((one, same));
        assert!(!doubts.of(&ProcessorName::new("a")).is_raised(), "nobody is left who could misbehave");
    }
}
