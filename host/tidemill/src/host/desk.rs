//! The desk: looks into the database for requests of operators, and hands each to its processor's runner.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tidemill_pipeline::ProcessorName;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use tidemill_store::{Outcome, Request, RequestId};

use super::wiring::Wiring;

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
                let Some(runner) = self.runners.get(&processor) else {
                    let reason = format!("the running host's configuration has no processor `{processor}`");
                    self.refuse(id, reason).await;
                    continue;
                };
                match runner.try_send((request, done)) {
                    Ok(()) => {
                        busy.insert(processor, wait);
                    }
                    // The runner is still loading, or busy: next time.
                    Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => {
                        self.refuse(id, format!("processor `{processor}` has ended; see the host's log")).await;
                    }
                }
            }
        }
    }

    async fn refuse(&self, request: RequestId, reason: String) {
        let outcome = Outcome::Refused { cause: reason, hint: None };
        if let Err(failure) = self.wiring.store.answer(request, outcome).await {
            tracing::warn!(cause = %failure.cause, "a request could not be answered");
        }
    }
}
