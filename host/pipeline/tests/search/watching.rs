//! An observer that keeps what it is told.

use std::sync::Mutex;

use tidemill_pipeline::{Change, Committed, Cursor, Failed, Observer, ParkedId};

/// What an observer was told.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Where each batch ended, how many events it had, how many were put aside or left out, and what it changed.
    pub(crate) committed: Vec<(Cursor, u64, u64, Vec<Change>)>,
    /// The events that were to blame.
    pub(crate) blamed: Vec<ParkedId>,
}

/// Keeps it.
#[derive(Debug, Default)]
pub(crate) struct Watching(pub(crate) Mutex<Watched>);

impl Observer for Watching {
    fn committed(&self, committed: Committed) {
        let Committed { batch, changes, parked, skipped, .. } = committed;
        let aside = skipped + parked.iter().map(|parked| u64::from(parked.copies)).sum::<u64>();
        self.0.lock().unwrap().committed.push((batch.to().clone(), batch.len() as u64, aside, changes));
    }

    fn failed(&self, failed: Failed) {
        let culprit = failed.culprit.map(|rejected| rejected.event.id);
        self.0.lock().unwrap().blamed.extend(culprit);
    }
}
