//! The desk: looks into the database for requests of operators, and hands each to its processor's runner.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tidemill_pipeline::{Failure, FailureKind, ProcessorName};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use tidemill_store::{Outcome, Request, RequestId, RequestKind};

use super::{requests, wiring::Wiring};

/// How often the desk looks. An operator's command waits at least that long.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Hands out requests.
pub(super) struct Desk {
    wiring: Arc<Wiring>,
    runners: BTreeMap<ProcessorName, mpsc::Sender<(Request, oneshot::Sender<()>)>>,
}

impl Desk {
    pub(super) fn new(wiring: Arc<Wiring>) -> Self {
        Self { wiring, runners: BTreeMap::new() }
    }

    /// Hands a processor's requests to its runner from now on.
    pub(super) fn serve(&mut self, processor: ProcessorName, runner: mpsc::Sender<(Request, oneshot::Sender<()>)>) {
        self.runners.insert(processor, runner);
    }

    /// Looks and hands out, one request of a processor at a time, for as long as it is polled.
    pub(super) async fn run(self) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut busy: BTreeMap<ProcessorName, oneshot::Receiver<()>> = BTreeMap::new();
        loop {
            looks.tick().await;
            busy.retain(|_, done| matches!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
            let pending = match self.wiring.store.pending().await {
                Ok(pending) => pending,
                Err(failure) => {
                    tracing::warn!(cause = %failure.cause, "the requests cannot be read");
                    continue;
                }
            };
            for request in pending {
                let processor = request.processor.name.clone();
                let id = request.id;
                if busy.contains_key(&processor) {
                    continue;
                }
                let (done, wait) = oneshot::channel();
                let removes = request.kind == RequestKind::Remove;
                let Some(runner) = self.runners.get(&processor).filter(|_| !removes) else {
                    self.without_runner(&request).await;
                    continue;
                };
                match runner.try_send((request, done)) {
                    Ok(()) => {
                        busy.insert(processor, wait);
                    }
                    // The runner is still loading, or busy: next time.
                    Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => {
                        self.refuse(id, format!("processor `{processor}` has ended; see the host's log"), None).await;
                    }
                }
            }
        }
    }

    /// Removes a processor that does not run; refuses what only one that runs can do, and to remove one that does.
    async fn without_runner(&self, request: &Request) {
        let processor = &request.processor.name;
        if self.runners.contains_key(processor) {
            let reason = format!("the running host's configuration has processor `{processor}`");
            let hint = format!("start the host again without it, then `tidemill reset {processor}`");
            return self.refuse(request.id, reason, Some(hint)).await;
        }
        if request.kind != RequestKind::Remove {
            let reason = format!("the running host's configuration has no processor `{processor}`");
            return self.refuse(request.id, reason, None).await;
        }
        match self.remove(request).await {
            Ok(outcome) => requests::say(processor, request.kind.as_str(), &outcome),
            // It was answered or taken back in between, or is tried again at the next look.
            Err(failure) if matches!(failure.kind, FailureKind::Unavailable | FailureKind::Fenced) => {
                tracing::debug!(%processor, cause = %failure.cause, "a processor could not be removed");
            }
            Err(failure) => self.refuse(request.id, failure.cause, failure.hint).await,
        }
    }

    async fn remove(&self, request: &Request) -> Result<Outcome, Failure> {
        let claim = self.wiring.claim(&request.processor).await?;
        self.wiring.store.execute(&claim, request.id).await
    }

    async fn refuse(&self, request: RequestId, reason: String, hint: Option<String>) {
        let outcome = Outcome::Refused { cause: reason, hint };
        if let Err(failure) = self.wiring.store.answer(request, outcome).await {
            tracing::warn!(cause = %failure.cause, "a request could not be answered");
        }
    }
}
