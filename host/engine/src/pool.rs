//! The pool: the threads that calls run on, never the async runtime's.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

/// Stack of a call thread: a component's stack ([`WASM_STACK_BYTES`](crate::engine::WASM_STACK_BYTES)) and the host's own.
const STACK_BYTES: usize = 8 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// The queue is as long as there are processors at most: a processor has one call at a time.
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Pool {
    /// Starts the threads. They end after [`close`](Self::close).
    pub(crate) fn start(threads: usize) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let pool = Arc::new(Self { queue: Mutex::default(), changed: Condvar::new() });
        let threads = (0..threads.max(1))
            .map(|number| {
                let pool = Arc::clone(&pool);
                let builder = std::thread::Builder::new().name(format!("engine-call-{number}"));
                builder.stack_size(STACK_BYTES).spawn(move || pool.work())
            })
            .collect::<Result<_, _>>()?;
        Ok((pool, threads))
    }

    /// Has a job done by one of the threads. A job that panics ends nothing but itself.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.lock().jobs.push_back(Box::new(job));
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
            let job = loop {
                match queue.jobs.pop_front() {
                    Some(job) => break job,
                    None if queue.closed => return,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a call of a component panicked in the host; the call is lost");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
