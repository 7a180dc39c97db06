//! The engine: one per host. It owns the compiler's settings, the call threads, the ticker and the code cache.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tidemill_pipeline::Digest;
use wasmtime::{Config, WasmBacktraceDetails, component::Linker};

use crate::{
    cache::{Cache, CodeHashes},
    compile::Compiler,
    component::Component,
    doubt::Doubts,
    grants,
    host_state::HostState,
    limits::Limits,
    load::{self, LoadError, Loaded},
    pool::{Pool, doubtful_threads},
    processor::{ComponentProcessor, ProcessorSettings},
    slots::{self, Keeping},
    spares::AllSpares,
    ticker::Ticker,
    wasi,
};

/// Stack that a component's own code may use, in bytes. Interpreters recurse in it for their programs: in 1 MiB `CPython` and
/// `QuickJS` met its end before their own limits, which a program can catch.
pub(crate) const WASM_STACK_BYTES: usize = 4 * 1024 * 1024;

/// How an engine is set up.
#[derive(Clone)]
pub struct EngineSettings {
    /// The directory of compiled code; made if it is not there, for the owner alone.
    pub cache_dir: PathBuf,
    /// How many calls run at once; at least 1. Processors that were lately rejected or overtime have threads of their own, one less.
    pub threads: usize,
    /// What turns component files into compiled code.
    pub compiler: Compiler,
    /// Where the hashes of compiled code are kept.
    pub hashes: Arc<dyn CodeHashes>,
    /// How finely the wall time of calls is measured.
    pub tick: Duration,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A directory or a thread could not be had.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Wasmtime refuses this machine.
    #[error("the WebAssembly engine cannot run on this machine: {0}")]
    Wasmtime(String),
}

/// Compiles, keeps and calls components. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: EngineSettings,
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<HostState>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) doubts: Doubts,
    pub(crate) spares: AllSpares,
    pub(crate) keeping: Keeping,
    pub(crate) cache: Cache,
    pub(crate) loaded: Loaded,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the threads of an engine.
    ///
    /// # Errors
    /// When the cache's directory or a thread cannot be had, or wasmtime refuses the machine.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |source| EngineError::Io { what, source }
        };
        let refused = |error: wasmtime::Error| EngineError::Wasmtime(format!("{error:#}"));
        // Where so many addresses cannot be had (`ulimit -v`), instances are made without slots, a little slower.
        let mut slotted = config();
        slots::reserve(&mut slotted);
        let wasmtime = wasmtime::Engine::new(&slotted)
            .inspect_err(|error| tracing::debug!(error = format!("{error:#}"), "no slots for instances"))
            .or_else(|_| wasmtime::Engine::new(&config()))
            .map_err(refused)?;
        let mut linker = Linker::new(&wasmtime);
        grants::link(&mut linker).map_err(refused)?;
        wasi::link(&mut linker).map_err(refused)?;
        let cache = Cache::open(&settings.cache_dir, &wasmtime, Arc::clone(&settings.hashes))
            .map_err(io("the directory of compiled code could not be made"))?;
        let keeping = Keeping::beside(settings.threads + doubtful_threads(settings.threads));
        let (pool, mut threads) = Pool::start(settings.threads).map_err(io("the call threads could not be started"))?;
        let (ticker, thread) =
            Ticker::start(wasmtime.clone(), settings.tick).map_err(io("the engine's clock could not be started"))?;
        threads.push(thread);
        let (doubts, spares) = (Doubts::default(), AllSpares::new(settings.threads));
        let (loaded, threads) = (Loaded::default(), Mutex::new(threads));
        let inner = Inner { settings, wasmtime, linker, ticker, pool, doubts, spares, keeping, cache, loaded, threads };
        Ok(Self(Arc::new(inner)))
    }

    /// Loads a component from the bytes of its file: checks it, compiles it or finds it in the cache, and tries once
    /// whether it can be instantiated. Blocks, for seconds if it has to be compiled; may be called from several threads.
    ///
    /// # Errors
    /// When the file is no component or one that does not fit: all that is missing or not granted, by name.
    pub fn load(&self, file: &[u8], limits: &Limits) -> Result<Component, LoadError> {
        load::load(self, file, limits)
    }

    /// Whether [`Engine::load`] finds this file's code in the cache, and need not compile it.
    #[must_use]
    pub fn is_compiled(&self, file: &[u8]) -> bool {
        self.0.cache.has(Digest::of(file))
    }

    /// A processor that calls a component. Holds no thread, and no instance before its first call.
    #[must_use]
    pub fn processor(&self, component: &Component, settings: ProcessorSettings) -> ComponentProcessor {
        ComponentProcessor::new(component.clone(), settings)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("threads", &self.0.settings.threads).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.close();
        self.ticker.close();
        let here = std::thread::current().id();
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // The last clone may go down with a job on one of these threads, which then ends by itself.
            if thread.thread().id() != here && thread.join().is_err() {
                tracing::error!("a thread of the engine panicked");
            }
        }
    }
}

/// The settings that compiling and running share; they are part of the compatibility hash.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        // Never used: calls are synchronous. It may not be smaller than the other.
        .async_stack_size(WASM_STACK_BYTES)
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}
