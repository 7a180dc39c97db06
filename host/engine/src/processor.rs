//! The processor: a component with a name and a configuration, as the worker calls it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tidemill_pipeline::{Call, Code, Digest, Failure, Instances, Processed, Processor, ProcessorName, Refusal, Stage};
use tokio::sync::oneshot;

use crate::{
    call::{self, Live},
    component::Component,
    doubt::Doubt,
    limits::Limits,
    log_lines::{Ear, Listener, LogLevel},
    log_quota::LogQuota,
    spares::Spares,
};

/// What a processor is, beside its component.
#[derive(Clone, Debug)]
pub struct ProcessorSettings {
    /// Its name in the configuration.
    pub name: ProcessorName,
    /// What the component may read, ordered by name.
    pub config: Vec<(String, String)>,
    /// The digest of that, for the lineage.
    pub config_digest: Digest,
    /// What a call may use.
    pub limits: Limits,
    /// How long an instance lives.
    pub instances: Instances,
    /// The least level of the component's log lines that are kept.
    pub log_level: LogLevel,
}

/// What all calls of a processor share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) name: ProcessorName,
    pub(crate) config: Arc<[(String, String)]>,
    pub(crate) limits: Limits,
    pub(crate) log_level: LogLevel,
    pub(crate) ear: Ear,
    pub(crate) log_quota: Option<Arc<LogQuota>>,
}

/// A component, ready to be called. Without a call it holds no thread, and no instance unless instances are reused.
pub struct ComponentProcessor {
    component: Component,
    shared: Arc<Shared>,
    doubt: Arc<Doubt>,
    code: Code,
    /// The instance of the last call, until that is committed.
    kept: Option<Live>,
    spares: Arc<Spares>,
    /// The call that runs, or whose future was dropped.
    running: Option<oneshot::Receiver<Done>>,
}

type Done = (Processed, Option<Live>);

impl ComponentProcessor {
    pub(crate) fn new(component: Component, settings: ProcessorSettings) -> Self {
        let ProcessorSettings { name, mut config, config_digest, limits, instances, log_level } = settings;
        config.sort();
        let code = Code { component: component.digest(), config: config_digest, instances };
        let (config, ear, log_quota) = (config.into(), Ear::default(), None);
        let shared = Arc::new(Shared { name, config, limits, log_level, ear, log_quota });
        let doubt = component.engine().doubts.of(&shared.name);
        let spares = component.engine().spares.of(&shared, &code);
        Self { component, shared, doubt, code, kept: None, spares, running: None }
    }

    /// Lets somebody hear what the component says, instead of the host's log. An instance says everything to whom it was made
    /// for, so none is shared with other processors.
    #[must_use]
    pub fn heard_by(self, listener: Arc<dyn Listener>) -> Self {
        let shared = Shared { ear: Ear(Some(listener)), ..Shared::clone(&self.shared) };
        let spares = self.component.engine().spares.alone();
        Self { shared: Arc::new(shared), spares, ..self }
    }

    /// Counts what the component says towards a quota, and leaves out what passes it. All processors that share instances are
    /// given the same one.
    #[must_use]
    pub fn within(self, quota: Arc<LogQuota>) -> Self {
        let shared = Shared { log_quota: Some(quota), ..Shared::clone(&self.shared) };
        Self { shared: Arc::new(shared), ..self }
    }
}

impl Processor for ComponentProcessor {
    async fn process(&mut self, call: Call) -> Processed {
        if let Some(dropped) = self.running.take() {
            // Its instance and its writes are nobody's; only the thread that it holds matters.
            drop(dropped.await);
        }
        // What a call before this one did is not committed, so this one may not build on it.
        let fresh = call.fresh || self.kept.take().is_some();
        let spares = (self.code.instances == Instances::Reuse).then(|| Arc::clone(&self.spares));
        let (component, shared) = (self.component.clone(), Arc::clone(&self.shared));
        let (sender, receiver) = oneshot::channel();
        let (keeping, doubt) = (self.component.engine().keeping.clone(), Arc::clone(&self.doubt));
        self.component.engine().pool.run(Arc::clone(&self.doubt), move || {
            // Taken here and not before: lanes that wait for this thread need none.
            let spare = spares.as_ref().filter(|_| !fresh).and_then(|spares| spares.take());
            let done = catch_unwind(AssertUnwindSafe(|| call::run(&component, &shared, spare, call)));
            let (processed, live) = done.unwrap_or_else(|_| (lost(), None));
            if matches!(processed.result, Err(Refusal::Rejected(_) | Refusal::Overtime { .. })) {
                doubt.raise();
            }
            // Nobody may listen any more: then the call was for nothing, as the port says.
            let (live, over) = if spares.is_some() { (live, None) } else { (None, live) };
            let live = live.and_then(|live| live.keep(&keeping));
            drop(sender.send((processed, live)));
            // Its memory is reset now, while the batch is committed.
            drop(over);
        });
        let running = self.running.insert(receiver);
        let Ok((processed, live)) = running.await else {
            self.running = None;
            return lost();
        };
        self.running = None;
        self.kept = live;
        if let Err(refusal) = &processed.result {
            let why = match refusal {
                Refusal::Rejected(rejection) => rejection.cause.as_str(),
                Refusal::Overtime { .. } => "overtime",
                Refusal::Retry { .. } => "retry",
                Refusal::Halt { .. } => "halt",
                Refusal::Host(_) => "host",
            };
            let took_us = u64::try_from(processed.took.as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(took_us, why, "a call was refused");
        }
        processed
    }

    fn committed(&mut self) {
        if let Some(live) = self.kept.take() {
            self.spares.give(live);
        }
    }

    fn code(&self) -> Code {
        self.code.clone()
    }
}

impl std::fmt::Debug for ComponentProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComponentProcessor").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The host panicked. The overlay went with the call.
fn lost() -> Processed {
    let failure = Failure::broken(Stage::Process, "the host panicked while the component ran")
        .hint("this is a bug of Tidemill: please report it with the log");
    Processed { overlay: None, result: Err(Refusal::Host(failure)), took: Duration::ZERO }
}
