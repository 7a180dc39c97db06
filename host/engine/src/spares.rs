//! Spares: reused instances between two calls, for whichever lane of their processor calls next.
//!
//! A lane for each partition with an instance of its own would take memory for all partitions, and only as many can
//! be called at once as there are call threads (decision 0028).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tidemill_pipeline::{Code, Digest, ProcessorName};

use crate::{call::Live, limits::Limits, log_lines::LogLevel, processor::Shared};

/// The instances of one processor that wait for a call. The last one that came goes first: its memory is warm.
pub(crate) struct Spares {
    waiting: Mutex<Vec<Live>>,
    most: usize,
}

impl Spares {
    /// None yet, and never more than can be called at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: Mutex::default(), most }
    }

    /// An instance, if one waits.
    pub(crate) fn take(&self) -> Option<Live> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Lets an instance wait, whose last call was committed. It ends if enough wait: where commits are slow, more lanes have
    /// one at a time than calls run.
    pub(crate) fn give(&self, live: Live) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < self.most {
            waiting.push(live);
        }
    }
}

/// What makes the instances of two lanes the same: whose they are, of which component, what they may read, use and say.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    processor: ProcessorName,
    component: Digest,
    config: Digest,
    limits: Limits,
    log_level: LogLevel,
}

/// The spares of all processors that run.
pub(crate) struct AllSpares {
    known: Mutex<HashMap<Key, Weak<Spares>>>,
    /// How many calls of a processor run at once, at most.
    calls: usize,
}

impl AllSpares {
    pub(crate) fn new(calls: usize) -> Self {
        Self { known: Mutex::default(), calls }
    }

    /// Spares that no other lane shares.
    pub(crate) fn alone(&self) -> Arc<Spares> {
        Arc::new(Spares::new(self.calls))
    }

    /// Those of a processor with this code.
    pub(crate) fn of(&self, shared: &Shared, code: &Code) -> Arc<Spares> {
        let Shared { name, limits, log_level, config: _, ear: _, log_quota: _ } = shared;
        let (component, config) = (code.component, code.config);
        let key = Key { processor: name.clone(), component, config, limits: limits.clone(), log_level: *log_level };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, spares| spares.strong_count() > 0);
        let new = self.alone();
        all.insert(key, Arc::downgrade(&new));
        new
    }
}
