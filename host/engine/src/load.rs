//! Loading: from the bytes of a file to a component that can be called, or to all the reasons why not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use serde::{Deserialize, Serialize};
use tidemill_pipeline::{Digest, ProcessorName, Refusal, failpoint};

use crate::{
    call,
    check::{self, Misfit},
    component::{Component, WeakComponent},
    describe::Description,
    doubt::Doubt,
    engine::Engine,
    limits::Limits,
    log_lines::{Ear, LogLevel},
    processor::Shared,
};

/// Why a component was not loaded. The sentences do not name the file: whoever gave it knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadError {
    /// The file is larger than [`Limits::component_bytes_max`].
    #[error("it has {bytes} bytes, and at most {max} are loaded (limits.component-size)")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is not WebAssembly, is malformed, or passes a bound of the compiler.
    #[error("{0}")]
    Invalid(String),
    /// It does not fit the contract: everything that is missing or not granted.
    #[error("it does not fit the contract:{}", list(.0))]
    Unfit(Vec<Misfit>),
    /// It could not be compiled within the limits.
    #[error("{0}")]
    Compile(String),
    /// It compiles, but no instance of it comes up.
    #[error("{0}")]
    Start(String),
    /// The code cache cannot be used.
    #[error("the cache of compiled code cannot be used: {0}")]
    Cache(String),
}

fn list(misfits: &[Misfit]) -> String {
    misfits.iter().flat_map(|misfit| ["\n  ", &misfit.name, ": ", &misfit.problem]).collect()
}

/// The components that are loaded, so that the same file is compiled and mapped once.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<HashMap<Digest, Arc<Mutex<WeakComponent>>>>);

impl Loaded {
    /// The place of a component. Whoever holds its lock loads it.
    fn slot(&self, digest: Digest) -> Arc<Mutex<WeakComponent>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|slot| slot.get().is_some()));
        Arc::clone(slots.entry(digest).or_default())
    }
}

pub(crate) fn load(engine: &Engine, file: &[u8], limits: &Limits) -> Result<Component, LoadError> {
    let max = limits.component_bytes_max;
    if file.len() > max && !failpoint::breaks("component-size") {
        return Err(LoadError::TooLarge { bytes: file.len(), max });
    }
    let digest = Digest::of(file);
    let slot = engine.0.loaded.slot(digest);
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let component = match slot.get() {
        Some(component) => component,
        None => new(engine, digest, file)?,
    };
    start(&component, limits)?;
    *slot = component.downgrade();
    Ok(component)
}

fn new(engine: &Engine, digest: Digest, file: &[u8]) -> Result<Component, LoadError> {
    let sections = check::sections(file)?;
    let misfits = check::misfits(&sections);
    if !misfits.is_empty() {
        return Err(LoadError::Unfit(misfits));
    }
    let code = engine.0.cache.code(digest, file, &engine.0.settings.compiler)?;
    let handler = code.get_export_index(None, "tidemill:processor/handler@0.1.0");
    let process = handler.and_then(|handler| code.get_export_index(Some(&handler), "process"));
    let bulk = code.get_export_index(None, "tidemill:processor/bulk-handler@0.1.0");
    let process_bulk = bulk.and_then(|bulk| code.get_export_index(Some(&bulk), "process"));
    let unfit = |name: &str, problem: String| LoadError::Unfit(vec![Misfit { name: name.to_owned(), problem }]);
    let Some(process) = process else {
        return Err(unfit("tidemill:processor/handler@0.1.0", "it must export `process`, and does not".into()));
    };
    if bulk.is_some() && process_bulk.is_none() {
        return Err(unfit("tidemill:processor/bulk-handler@0.1.0", "it must export `process`, and does not".into()));
    }
    let pre = engine.0.linker.instantiate_pre(&code);
    let pre = pre.map_err(|error| unfit("imports", format!("they do not have the contract's types: {error:#}")))?;
    Ok(Component::new(
        engine.clone(),
        digest,
        pre,
        (process, process_bulk),
        Description::of(digest, file.len(), &sections),
    ))
}

/// Tries whether an instance comes up and its `process` has the contract's type, on a thread that is made for it.
fn start(component: &Component, limits: &Limits) -> Result<(), LoadError> {
    let shared = Shared {
        name: ProcessorName::new("(load)"),
        config: Arc::new([]),
        limits: limits.clone(),
        log_level: LogLevel::Off,
        ear: Ear::default(),
        log_quota: None,
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    let tried = component.clone();
    component.engine().pool.run(Doubt::untried(), move || {
        let ticking = tried.engine().ticker.ticking();
        let instance = call::instantiate(&tried, &shared, shared.limits.fuel_base);
        drop(ticking);
        drop(sender.send(instance.map(drop)));
    });
    let lost = || LoadError::Start("the host panicked while the component was instantiated".into());
    receiver.recv().map_err(|_| lost())?.map_err(|refusal| {
        LoadError::Start(match refusal {
            Refusal::Host(failure) => failure.cause,
            Refusal::Overtime { limit } => format!("it could not be instantiated within {} s", limit.as_secs_f64()),
            other @ (Refusal::Retry { .. } | Refusal::Rejected(_) | Refusal::Halt { .. }) => format!("{other:?}"),
        })
    })
}
