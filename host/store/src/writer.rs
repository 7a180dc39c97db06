//! The writer: one thread that puts the jobs that wait into one transaction, a savepoint each, so that they share an fsync.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tidemill_pipeline::{Durability, Failure, Stage, failpoint};
use tokio::sync::{Semaphore, oneshot};

use crate::{
    connection, entries,
    error::{Result, StoreError},
    identity::Identity,
    integrity,
    job::{Job, Task},
    wal::Wal,
};

/// Jobs that wait or run. Each worker has one at a time; where there are more workers than this, they wait for a place.
const QUEUE_MAX: usize = 1024;

/// Jobs in one transaction.
const GROUP_JOBS_MAX: usize = 64;

/// Bytes after which a transaction takes no further job.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often the writer looks whether readers have left the log, while snapshots wait for that.
const GATE_POLL: Duration = Duration::from_millis(2);

enum Message {
    Job(Job),
    Close(mpsc::SyncSender<Result<()>>),
}

/// The way to the writer thread. The thread ends when this is closed or dropped, after the jobs that wait.
pub(crate) struct Writer {
    messages: Mutex<Option<mpsc::Sender<Message>>>,
    queue: Arc<Semaphore>,
    stopped: Arc<Stopped>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why the store stopped for good, if it did.
#[derive(Debug, Default)]
pub(crate) struct Stopped(OnceLock<Failure>);

impl Stopped {
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.get() {
            Some(failure) => Err(StoreError::Known(failure.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.0.get().cloned()
    }

    /// Stops if this is an error over which the store stops: what cannot be read must not be written on.
    pub(crate) fn stop_over(&self, error: &StoreError) {
        if let Some(failure) = error.stopping(Stage::Load) {
            self.stop(failure);
        }
    }

    pub(crate) fn stop(&self, failure: Failure) {
        // The first reason is the one that counts.
        let first = self.0.get_or_init(|| failure);
        tracing::error!(cause = %first.cause, "the store has stopped");
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(connection: Connection, wal: Wal, identity: Identity, stopped: Arc<Stopped>) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let mut thread = WriterThread {
            connection,
            wal,
            identity,
            stopped: Arc::clone(&stopped),
            receiver,
            held: None,
            synchronous: None,
            purging: true,
        };
        let handle = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run())
            .map_err(StoreError::file("store-writer"))?;
        Ok(Self {
            messages: Mutex::new(Some(sender)),
            queue: Arc::new(Semaphore::new(QUEUE_MAX)),
            stopped,
            thread: Mutex::new(Some(handle)),
        })
    }

    /// Does something in a transaction. Once it is in the queue it runs to its end, whether or not anyone waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        durability: Durability,
        stage: Stage,
        bytes: usize,
        function: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Failure> {
        let place = Arc::clone(&self.queue).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Closed.classify(stage))?;
        let (task, answer) = Task::new(function);
        self.send(Job { durability, stage, bytes, work: Box::new(task), place })
            .map_err(|error| error.classify(stage))?;
        self.answer(answer.await, stage)
    }

    fn send(&self, job: Job) -> Result<()> {
        self.stopped.check()?;
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = messages.as_ref().is_some_and(|messages| messages.send(Message::Job(job)).is_ok());
        if sent { Ok(()) } else { Err(StoreError::Closed) }
    }

    fn answer<T>(
        &self,
        answer: std::result::Result<std::result::Result<T, Failure>, oneshot::error::RecvError>,
        stage: Stage,
    ) -> std::result::Result<T, Failure> {
        answer.unwrap_or_else(|_| {
            self.stopped.check().map_err(|error| error.classify(stage))?;
            Err(StoreError::Closed.classify(stage))
        })
    }

    /// Ends the thread after the jobs that wait, notes that it ended well, and closes the connection.
    pub(crate) fn close(&self) -> Result<()> {
        let Some(messages) = self.messages.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let (sender, closed) = mpsc::sync_channel(1);
        let answer = match messages.send(Message::Close(sender)) {
            Ok(()) => closed.recv().unwrap_or(Err(StoreError::Closed)),
            Err(_) => Err(StoreError::Closed),
        };
        self.queue.close();
        self.join();
        answer
    }

    fn join(&self) {
        let handle = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if handle.is_some_and(|handle| handle.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        *self.messages.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.join();
    }
}

struct WriterThread {
    connection: Connection,
    wal: Wal,
    identity: Identity,
    stopped: Arc<Stopped>,
    receiver: mpsc::Receiver<Message>,
    /// A message that came with the last group and did not belong into it.
    held: Option<Message>,
    /// What `PRAGMA synchronous` is set to.
    synchronous: Option<Durability>,
    /// Whether entries may be left that a reset took away.
    purging: bool,
}

impl WriterThread {
    fn run(&mut self) {
        let guard = EndGuard { stopped: Arc::clone(&self.stopped) };
        loop {
            match self.next() {
                Next::Job(job) => {
                    let group = self.gather(job);
                    self.run_group(group);
                }
                Next::Nothing => self.purge(),
                Next::Close(closed) => {
                    let noted = self.stopped.check().and_then(|()| {
                        self.set_synchronous(Durability::Full)?;
                        integrity::note_closed(&self.connection)
                    });
                    drop(closed.send(noted));
                    break;
                }
                Next::Disconnected => break,
            }
            // After a failed sync a checkpoint would sync again, and a second one may lie.
            if self.stopped.failure().is_none() {
                self.wal.tend(&self.connection).unwrap_or_else(|error| self.stop(error));
            }
        }
        self.wal.end();
        if self.stopped.failure().is_none()
            && let Err(error) = connection::tidy_up_at_the_end(&self.connection, true)
        {
            tracing::warn!(cause = %error, "the log is left for the next start");
        }
        std::mem::forget(guard);
    }

    fn next(&mut self) -> Next {
        let message = match self.held.take() {
            Some(message) => Ok(message),
            None if self.purging => self.receiver.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            None if self.wal.holds_snapshots() => self.receiver.recv_timeout(GATE_POLL),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Message::Job(job)) => Next::Job(job),
            Ok(Message::Close(closed)) => Next::Close(closed),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Disconnected,
        }
    }

    /// The jobs that wait behind this one, as far as they may share its transaction.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let (durability, mut bytes) = (first.durability, first.bytes);
        let mut group = vec![first];
        while group.len() < GROUP_JOBS_MAX && bytes < GROUP_BYTES_MAX {
            match self.receiver.try_recv() {
                Ok(Message::Job(job)) if job.durability == durability => {
                    bytes = bytes.saturating_add(job.bytes);
                    group.push(job);
                }
                Ok(other) => {
                    self.held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    fn run_group(&mut self, mut group: Vec<Job>) {
        match self.transact(&mut group) {
            Ok(outcomes) => {
                // Requests, resets among them, are always of this durability.
                self.purging |= self.synchronous == Some(Durability::Full);
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    failpoint::reach("before-reply");
                    let stage = job.stage;
                    answer(job, outcome.map_err(|error| error.classify(stage)));
                }
            }
            // Nothing of the group was written, or nobody knows.
            Err(error) => {
                let stops = error.stops_the_store();
                let failure = error.classify(Stage::Commit);
                if stops {
                    self.stop_with(failure.clone());
                }
                for job in group {
                    let stage = job.stage;
                    answer(job, Err(Failure { stage, ..failure.clone() }));
                }
            }
        }
    }

    /// Runs the jobs in one transaction. `Ok` has the outcome of each; `Err` means that all have failed.
    fn transact(&mut self, group: &mut [Job]) -> Result<Vec<Result<()>>> {
        self.stopped.check()?;
        self.identity.check()?;
        if let Some(job) = group.first() {
            self.set_synchronous(job.durability)?;
        }
        failpoint::reach("before-begin");
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        failpoint::reach("after-begin");
        let outcomes = self.apply(group).and_then(|outcomes| {
            failpoint::reach("before-commit");
            self.connection.execute_batch("COMMIT")?;
            failpoint::reach("after-commit");
            Ok(outcomes)
        });
        if outcomes.is_err() && !self.connection.is_autocommit() {
            // The error is the one to report; without a rollback the next BEGIN fails and says so.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        outcomes
    }

    fn apply(&self, group: &mut [Job]) -> Result<Vec<Result<()>>> {
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            self.connection.execute_batch("SAVEPOINT job")?;
            let outcome = job.work.apply(&self.connection);
            if let Err(error) = outcome {
                // On a full disk or an I/O error SQLite may have rolled back everything, the jobs before included. What
                // is executed after that would stand alone, each statement in a transaction of its own.
                if self.connection.is_autocommit() || error.stops_the_store() {
                    return Err(error);
                }
                self.connection.execute_batch("ROLLBACK TO job")?;
                self.connection.execute_batch("RELEASE job")?;
                outcomes.push(Err(error));
            } else {
                self.connection.execute_batch("RELEASE job")?;
                outcomes.push(Ok(()));
            }
        }
        Ok(outcomes)
    }

    /// Deletes some of what a reset took away, while nobody waits.
    fn purge(&mut self) {
        if !self.purging {
            return;
        }
        let purged = self.stopped.check().and_then(|()| {
            self.set_synchronous(Durability::Normal)?;
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let more = entries::purge(&transaction)?;
            transaction.commit()?;
            Ok(more)
        });
        // What fails is tried again with the next start or reset; nobody reads it.
        self.purging = purged.unwrap_or_else(|error| {
            self.stop(error);
            false
        });
    }

    fn set_synchronous(&mut self, durability: Durability) -> Result<()> {
        if self.synchronous == Some(durability) {
            return Ok(());
        }
        self.synchronous = None;
        let word = match durability {
            _ if failpoint::breaks("full-synchronous") => "OFF",
            Durability::Normal => "NORMAL",
            Durability::Full => "FULL",
        };
        self.connection.pragma_update(None, "synchronous", word)?;
        self.synchronous = Some(durability);
        Ok(())
    }

    fn stop(&self, error: StoreError) {
        if error.stops_the_store() {
            self.stop_with(error.classify(Stage::Commit));
        } else {
            tracing::warn!(cause = %error, "the database could not be tidied up");
        }
    }

    fn stop_with(&self, failure: Failure) {
        if let Some(path) = self.connection.path() {
            integrity::mark_suspect(path.as_ref());
        }
        self.stopped.stop(failure);
    }
}

enum Next {
    Job(Job),
    Nothing,
    Close(mpsc::SyncSender<Result<()>>),
    Disconnected,
}

fn answer(job: Job, outcome: std::result::Result<(), Failure>) {
    let Job { work, place, .. } = job;
    drop(place);
    work.answer(outcome);
}

/// Says that the store has stopped when the thread unwinds, so that nobody waits for it.
struct EndGuard {
    stopped: Arc<Stopped>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let cause = "the store's writer has ended by a bug; nothing more is written";
        self.stopped.stop(Failure::broken(Stage::Commit, cause).hint("start again, and report it with the log"));
    }
}
