//! The pool: the threads that calls run on, never the async runtime's.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

use tidemill_pipeline::failpoint;

use crate::doubt::Doubt;

/// Stack of a call thread: a component's stack ([`WASM_STACK_BYTES`](crate::engine::WASM_STACK_BYTES)) and the host's own.
const STACK_BYTES: usize = 8 * 1024 * 1024;

struct Job {
    /// Whether it is doubted is asked when a thread is free, not before: much may have come to light while it waited.
    doubt: Arc<Doubt>,
    work: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// How many jobs of doubtful processors run.
    doubtful: usize,
    closed: bool,
}

impl Queue {
    /// The first job that may run now, and whether it is doubtful.
    fn next(&mut self, doubtful_max: usize) -> Option<(Job, bool)> {
        let full = self.doubtful >= doubtful_max && !failpoint::breaks("doubtful-share");
        let (place, doubtful) = (self.jobs.iter().map(|job| job.doubt.is_raised()).enumerate())
            .find(|(_, doubtful)| !(*doubtful && full))?;
        self.doubtful += usize::from(doubtful);
        self.jobs.remove(place).map(|job| (job, doubtful))
    }
}

/// The queue is as long as there are lanes at most: a lane has one call at a time.
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// How many threads may run doubtful processors at once: all but one, so that the others never wait for them.
    doubtful_max: usize,
}

impl Pool {
    /// Starts the threads. They end after [`close`](Self::close).
    pub(crate) fn start(threads: usize) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let threads = threads.max(1);
        // On a machine with one core there is no second thread to keep.
        let doubtful_max = threads.saturating_sub(1).max(1);
        let pool = Arc::new(Self { queue: Mutex::default(), changed: Condvar::new(), doubtful_max });
        let threads = (0..threads)
            .map(|number| {
                let pool = Arc::clone(&pool);
                let builder = std::thread::Builder::new().name(format!("engine-call-{number}"));
                builder.stack_size(STACK_BYTES).spawn(move || pool.work())
            })
            .collect::<Result<_, _>>()?;
        Ok((pool, threads))
    }

    /// Has a job done by one of the threads. A job that panics ends nothing but itself.
    pub(crate) fn run(&self, doubt: Arc<Doubt>, work: impl FnOnce() + Send + 'static) {
        self.lock().jobs.push_back(Job { doubt, work: Box::new(work) });
        self.changed.notify_one();
    }

    /// Lets the threads end when the jobs that wait are done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn work(&self) {
        loop {
            let mut queue = self.lock();
            let (job, doubtful) = loop {
                match queue.next(self.doubtful_max) {
                    Some(next) => break next,
                    // Doubtful jobs that wait are done by whoever runs one now.
                    None if queue.closed => return,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            if catch_unwind(AssertUnwindSafe(job.work)).is_err() {
                tracing::error!("a call of a component panicked in the host; the call is lost");
            }
            if doubtful {
                self.lock().doubtful -= 1;
                // Another thread may have passed over a job that may run now.
                self.changed.notify_one();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    fn doubted() -> Arc<Doubt> {
        let doubt = Arc::new(Doubt::default());
        doubt.raise();
        doubt
    }

    #[test]
    fn doubtful_processors_never_have_all_threads_and_the_others_do_not_wait_for_them() {
        let (pool, threads) = Pool::start(3).unwrap();
        let (doubt, good) = (doubted(), Arc::new(Doubt::default()));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (ended, ends) = mpsc::channel();
        for _ in 0..20 {
            let (running, most, gate, ended) =
                (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate), ended.clone());
            pool.run(Arc::clone(&doubt), move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.lock().unwrap().recv().unwrap();
                running.fetch_sub(1, Ordering::SeqCst);
                ended.send(()).unwrap();
            });
        }
        // None of the doubtful ends before all the good ones have.
        let (done, dones) = mpsc::channel();
        for _ in 0..20 {
            let done = done.clone();
            pool.run(Arc::clone(&good), move || done.send(()).unwrap());
        }
        assert_eq!(dones.iter().take(20).count(), 20);
        (0..20).for_each(|_| release.send(()).unwrap());
        assert_eq!(ends.iter().take(20).count(), 20);
        assert_eq!(most.load(Ordering::SeqCst), 2, "all but one");
        pool.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn a_single_thread_runs_doubtful_processors_too() {
        let (pool, threads) = Pool::start(1).unwrap();
        let (done, dones) = mpsc::channel();
        for _ in 0..3 {
            let done = done.clone();
            pool.run(doubted(), move || done.send(()).unwrap());
        }
        assert_eq!(dones.iter().take(3).count(), 3);
        pool.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn jobs_that_wait_are_done_before_the_pool_ends() {
        let (pool, threads) = Pool::start(2).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let done = Arc::clone(&done);
            pool.run(doubted(), move || _ = done.fetch_add(1, Ordering::SeqCst));
        }
        pool.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(done.load(Ordering::SeqCst), 50);
    }
}
