//! A job: something to do within a transaction of the writer, and who waits for it.

use rusqlite::Connection;
use tidemill_pipeline::{Durability, Failure, Stage};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::Result;

/// What waits for the writer.
pub(crate) struct Job {
    pub(crate) durability: Durability,
    pub(crate) stage: Stage,
    /// Bytes that it writes, so that a group has a bound.
    pub(crate) bytes: usize,
    pub(crate) work: Box<dyn Work>,
    /// Its place in the queue.
    pub(crate) place: OwnedSemaphorePermit,
}

/// What a job does. `apply` is called at most once, within a savepoint; `answer` once, after COMMIT or instead of it.
pub(crate) trait Work: Send {
    fn apply(&mut self, connection: &Connection) -> Result<()>;
    fn answer(self: Box<Self>, outcome: std::result::Result<(), Failure>);
}

/// A function as work, and the sender of its result.
pub(crate) struct Task<F, T> {
    function: Option<F>,
    result: Option<T>,
    waiting: oneshot::Sender<std::result::Result<T, Failure>>,
}

impl<F, T> Task<F, T> {
    pub(crate) fn new(function: F) -> (Self, oneshot::Receiver<std::result::Result<T, Failure>>) {
        let (waiting, answer) = oneshot::channel();
        (Self { function: Some(function), result: None, waiting }, answer)
    }
}

impl<F, T> Work for Task<F, T>
where
    F: FnOnce(&Connection) -> Result<T> + Send,
    T: Send,
{
    fn apply(&mut self, connection: &Connection) -> Result<()> {
        let function = self.function.take().expect("a job is applied at most once");
        self.result = Some(function(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: std::result::Result<(), Failure>) {
        let Self { result, waiting, .. } = *self;
        let answer = outcome.map(|()| result.expect("a job that succeeded was applied"));
        // Nobody may wait any more; the job was done all the same.
        drop(waiting.send(answer));
    }
}
