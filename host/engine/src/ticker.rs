//! The ticker: the clock that calls are measured by. It stands still while no call runs.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A count of ticks that host calls read, kept in step with wasmtime's epoch, which the components' own code reads.
pub(crate) struct Ticker {
    tick: Duration,
    ticks: AtomicU64,
    running: Mutex<Running>,
    changed: Condvar,
}

#[derive(Default)]
struct Running {
    calls: usize,
    closed: bool,
}

/// Keeps the ticker going while a call runs.
pub(crate) struct Ticking<'a>(&'a Ticker);

impl Ticker {
    /// Starts the thread. It ends after [`close`](Self::close).
    pub(crate) fn start(engine: wasmtime::Engine, tick: Duration) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let ticker =
            Arc::new(Self { tick, ticks: AtomicU64::new(0), running: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&ticker);
        let thread = std::thread::Builder::new().name("engine-ticker".into()).spawn(move || shared.run(&engine))?;
        Ok((ticker, thread))
    }

    fn run(&self, engine: &wasmtime::Engine) {
        let mut running = self.lock();
        while !running.closed {
            running = if running.calls == 0 {
                self.changed.wait(running).unwrap_or_else(PoisonError::into_inner)
            } else {
                drop(running);
                std::thread::sleep(self.tick);
                engine.increment_epoch();
                self.ticks.fetch_add(1, Ordering::Relaxed);
                self.lock()
            };
        }
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Ticks from now on until the guard is dropped.
    pub(crate) fn ticking(&self) -> Ticking<'_> {
        let mut running = self.lock();
        running.calls += 1;
        if running.calls == 1 {
            self.changed.notify_all();
        }
        Ticking(self)
    }

    /// The count now.
    pub(crate) fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// How many ticks a time has, at least 1, and one more because the current tick has begun.
    pub(crate) fn ticks_in(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(self.tick.as_nanos().max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).min(u64::MAX / 2) + 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.lock().calls -= 1;
    }
}
