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
#[derive(Default)]
pub(crate) struct Spares(Mutex<Vec<Live>>);

impl Spares {
    /// An instance, if one waits.
    pub(crate) fn take(&self) -> Option<Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Lets an instance wait, whose last call was committed.
    pub(crate) fn give(&self, live: Live) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(live);
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
#[derive(Default)]
pub(crate) struct AllSpares(Mutex<HashMap<Key, Weak<Spares>>>);

impl AllSpares {
    /// Those of a processor with this code.
    pub(crate) fn of(&self, shared: &Shared, code: &Code) -> Arc<Spares> {
        let Shared { name, limits, log_level, config: _, ear: _, log_quota: _ } = shared;
        let (component, config) = (code.component, code.config);
        let key = Key { processor: name.clone(), component, config, limits: limits.clone(), log_level: *log_level };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, spares| spares.strong_count() > 0);
        let new = Arc::default();
        all.insert(key, Arc::downgrade(&new));
        new
    }
}
