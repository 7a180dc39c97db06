//! The pool: the threads that calls run on, never the async runtime's.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tidemill_pipeline::failpoint;

use crate::doubt::Doubt;

/// Stack of a call thread: a component's stack ([`WASM_STACK_BYTES`](crate::engine::WASM_STACK_BYTES)) and the host's own.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How much less urgent doubtful calls are than the host and everybody else. A busy machine gives them about a third of what others get:
/// their calls still end within their time.
#[cfg(target_os = "linux")]
const DOUBTFUL_NICE: i32 = 5;

/// The least time that a doubtful call leaves to the others: about what its commit and its lines in the log take.
const GIVE_WAY_LEAST: Duration = Duration::from_millis(5);

struct Job {
    /// Whether it is doubted is asked when a thread is free, not before: much may have come to light while it waited.
    doubt: Arc<Doubt>,
    work: Box<dyn FnOnce() + Send>,
}

impl Job {
    fn kind(&self) -> Kind {
        if self.doubt.is_raised() && !failpoint::breaks("doubtful-share") { Kind::Doubtful } else { Kind::Ordinary }
    }
}

/// Which calls a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Those of processors that nothing is held against.
    Ordinary,
    /// The others.
    Doubtful,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// How many ordinary calls have begun, and how many of them run.
    begun: u64,
    running: usize,
    closed: bool,
}

/// The queue is as long as there are lanes at most: a lane has one call at a time.
#[derive(Default)]
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    ordinary: Condvar,
    doubtful: Condvar,
    closing: Condvar,
}

/// How many threads doubtful calls have, beside the ordinary ones: one core is always left.
pub(crate) fn doubtful_threads(threads: usize) -> usize {
    threads.saturating_sub(1).max(1)
}

impl Pool {
    /// Starts the threads. They end after [`close`](Self::close).
    pub(crate) fn start(threads: usize) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let threads = threads.max(1);
        let pool = Arc::new(Self::default());
        let ordinary = (0..threads).map(|number| (Kind::Ordinary, format!("engine-call-{number}")));
        let doubtful = (0..doubtful_threads(threads)).map(|number| (Kind::Doubtful, format!("engine-doubt-{number}")));
        let threads = ordinary
            .chain(doubtful)
            .map(|(kind, name)| {
                let pool = Arc::clone(&pool);
                std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || pool.work(kind))
            })
            .collect::<Result<_, _>>()?;
        Ok((pool, threads))
    }

    /// Has a job done by one of the threads. A job that panics ends nothing but itself.
    pub(crate) fn run(&self, doubt: Arc<Doubt>, work: impl FnOnce() + Send + 'static) {
        let job = Job { doubt, work: Box::new(work) };
        let kind = job.kind();
        self.lock().jobs.push_back(job);
        self.changed(kind).notify_one();
    }

    /// Lets the threads end when the jobs that wait are done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ordinary.notify_all();
        self.doubtful.notify_all();
        self.closing.notify_all();
    }

    fn changed(&self, kind: Kind) -> &Condvar {
        match kind {
            Kind::Ordinary => &self.ordinary,
            Kind::Doubtful => &self.doubtful,
        }
    }

    fn work(&self, kind: Kind) {
        #[cfg(target_os = "linux")]
        if kind == Kind::Doubtful
            && let Err(error) = rustix::process::nice(DOUBTFUL_NICE)
        {
            tracing::warn!(%error, "calls of doubtful processors cannot be made less urgent");
        }
        while let Some(job) = self.next(kind) {
            let (began, before) = (Instant::now(), self.begin(kind));
            if catch_unwind(AssertUnwindSafe(job.work)).is_err() {
                tracing::error!("a call of a component panicked in the host; the call is lost");
            }
            match kind {
                Kind::Ordinary => self.lock().running -= 1,
                Kind::Doubtful => self.give_way(before, began.elapsed()),
            }
        }
    }

    /// A call begins. Gives how many ordinary ones have begun that are over.
    fn begin(&self, kind: Kind) -> u64 {
        let mut queue = self.lock();
        if kind == Kind::Ordinary {
            queue.begun += 1;
            queue.running += 1;
        }
        queue.begun - queue.running as u64
    }

    /// After a doubtful call: lets the others have the machine for as long as it took, if there were any meanwhile. Its thread alone
    /// would not do: what a call leaves behind, such as memory to be cleared and a commit, is no less urgent than theirs.
    fn give_way(&self, before: u64, time: Duration) {
        let queue = self.lock();
        if queue.begun > before {
            let time = time.max(GIVE_WAY_LEAST);
            drop(self.closing.wait_timeout_while(queue, time, |queue| !queue.closed));
        }
    }

    /// Waits for the first job of a kind; none when the pool is closed and empty.
    fn next(&self, kind: Kind) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            let mine = |job: &Job| job.kind() == kind;
            // At the end everybody does what is left.
            let place = queue.jobs.iter().position(|job| queue.closed || mine(job));
            // What is passed over is the others'. It may have become so since it was queued, and then nobody told them. Those
            // further back are looked at by who comes next: thousands may wait.
            let other = if kind == Kind::Ordinary { Kind::Doubtful } else { Kind::Ordinary };
            if place.unwrap_or(queue.jobs.len()) > 0 {
                self.changed(other).notify_one();
            }
            let job = place.and_then(|place| queue.jobs.remove(place));
            if job.is_some() || queue.closed {
                return job;
            }
            queue = self.changed(kind).wait(queue).unwrap_or_else(PoisonError::into_inner);
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
    fn doubtful_processors_have_threads_of_their_own_and_the_others_do_not_wait_for_them() {
        let (pool, threads) = Pool::start(3).unwrap();
        let (doubt, good) = (doubted(), Arc::new(Doubt::default()));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let ((begun, begins), (ended, ends)) = (mpsc::channel(), mpsc::channel());
        for _ in 0..20 {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            let (begun, ended) = (begun.clone(), ended.clone());
            pool.run(Arc::clone(&doubt), move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                begun.send(()).unwrap();
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
        assert_eq!(begins.iter().take(2).count(), 2, "two of the doubtful run, and wait");
        (0..20).for_each(|_| release.send(()).unwrap());
        assert_eq!(ends.iter().take(20).count(), 20);
        assert_eq!(most.load(Ordering::SeqCst), 2, "one less than the others have");
        pool.close();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn on_one_core_doubtful_processors_run_too() {
        let (pool, threads) = Pool::start(1).unwrap();
        let (done, dones) = mpsc::channel();
        for _ in 0..3 {
            let done = done.clone();
            pool.run(doubted(), move || done.send(()).unwrap());
        }
        assert_eq!(dones.iter().take(3).count(), 3);
        pool.close();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn what_turns_out_doubtful_while_it_waits_holds_up_nobody() {
        let (pool, threads) = Pool::start(1).unwrap();
        let doubt = Arc::new(Doubt::default());
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (done, dones) = mpsc::channel();
        // All are queued while nothing is held against them; the first finds out.
        for number in 0..5 {
            let (found_out, gate, done) = (Arc::clone(&doubt), Arc::clone(&gate), done.clone());
            pool.run(Arc::clone(&doubt), move || {
                found_out.raise();
                if number > 0 {
                    gate.lock().unwrap().recv().unwrap();
                }
                done.send("doubtful").unwrap();
            });
        }
        assert_eq!(dones.recv().unwrap(), "doubtful");
        let good = done.clone();
        pool.run(Arc::default(), move || good.send("good").unwrap());
        assert_eq!(dones.recv().unwrap(), "good", "the four that wait have a thread of their own");
        (0..4).for_each(|_| release.send(()).unwrap());
        assert_eq!(dones.iter().take(4).count(), 4);
        pool.close();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_doubtful_call_gives_way_for_as_long_as_it_took_if_there_is_anybody() {
        const TIME: Duration = Duration::from_millis(20);
        const FOR_EVER: Duration = Duration::from_hours(1);
        let pool = Pool::default();
        pool.give_way(pool.begin(Kind::Doubtful), FOR_EVER);

        let before = pool.begin(Kind::Doubtful);
        pool.begin(Kind::Ordinary);
        let began = Instant::now();
        pool.give_way(before, TIME);
        assert!(began.elapsed() >= TIME, "one has begun meanwhile");
        let began = Instant::now();
        pool.give_way(pool.begin(Kind::Doubtful), TIME);
        assert!(began.elapsed() >= TIME, "it runs still");
        pool.lock().running -= 1;
        pool.give_way(pool.begin(Kind::Doubtful), FOR_EVER);

        pool.begin(Kind::Ordinary);
        pool.close();
        pool.give_way(before, FOR_EVER);
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
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), 50);
    }
}
