//! The reloader: asks processors to look at their components' files now, and hears what became of it.

use std::{collections::BTreeMap, time::Duration};

use tidemill_pipeline::{Digest, ProcessorName};
use tokio::sync::{mpsc, oneshot};

/// What became of a component's file that was looked at.
#[derive(Debug)]
pub(crate) enum Reloaded {
    /// It is the component that runs.
    Unchanged,
    /// It runs from now on.
    Swapped {
        /// What ran before, if something did.
        was: Option<Digest>,
        /// What runs now.
        is: Digest,
        /// How long it took to compile it; batches ran meanwhile.
        compiling: Duration,
        /// How long it took until it was in its place, the end of the batches that ran included.
        swapping: Duration,
    },
    /// It does not load. What ran before, if something did, goes on.
    Refused(anyhow::Error),
}

/// Asks processors to look at their files. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloader(BTreeMap<ProcessorName, mpsc::Sender<Answer>>);

/// Where an answer goes.
#[derive(Debug)]
pub(super) struct Answer(oneshot::Sender<Reloaded>);

impl Answer {
    /// Gives it. Whoever asked may have gone: then nobody needs it.
    pub(super) fn give(self, reloaded: Reloaded) {
        drop(self.0.send(reloaded));
    }
}

impl Reloader {
    /// The questions for a processor from now on.
    pub(super) fn serve(&mut self, processor: ProcessorName) -> mpsc::Receiver<Answer> {
        let (questions, asked) = mpsc::channel(1);
        self.0.insert(processor, questions);
        asked
    }

    /// Lets a processor look at its component's file. None if it does not run any more.
    pub(crate) async fn reload(&self, processor: &ProcessorName) -> Option<Reloaded> {
        let (answer, reloaded) = oneshot::channel();
        self.0.get(processor)?.send(Answer(answer)).await.ok()?;
        reloaded.await.ok()
    }
}
