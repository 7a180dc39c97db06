//! The runner: one task a processor. It loads the component, starts the followers, and changes the processor
//! between two batches: reloads, and the requests of operators.

use std::{path::PathBuf, sync::Arc};

use tidemill_pipeline::{Failure, FailureKind, Order, ProcessorId};
use tidemill_store::Request;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    components::{Components, Loaded},
    follower::Follower,
    listing::FeedListing,
    requests,
    running::Running,
    wiring::Wiring,
};
use crate::config::{FeedConfig, ProcessorConfig};

/// What a runner is given.
pub(crate) struct Runner {
    pub(crate) id: ProcessorId,
    pub(crate) config: ProcessorConfig,
    pub(crate) feeds: Vec<(Arc<FeedListing>, FeedConfig)>,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) components: Arc<Components>,
    pub(crate) files: broadcast::Receiver<Arc<[PathBuf]>>,
    pub(crate) requests: mpsc::Receiver<(Request, oneshot::Sender<()>)>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) state: watch::Sender<RunnerState>,
}

/// How far a runner is.
#[derive(Clone, Debug, Default)]
pub(crate) enum RunnerState {
    /// The component is being loaded.
    #[default]
    Loading,
    /// The component could not be loaded; the runner waits for another file.
    Unloadable,
    /// It runs.
    Running(Arc<Running>),
    /// Another host has the processor, or the runner was stopped.
    Ended,
}

impl Runner {
    /// Runs until told to stop, or until another host takes the processor.
    pub(crate) async fn run(mut self) {
        let end = match self.begin().await {
            Ok(Some(running)) => self.follow(Arc::new(running)).await,
            Ok(None) => None,
            Err(failure) => {
                tracing::error!(processor = %self.id.name, cause = %failure.cause, hint = failure.hint.as_deref(), "the processor cannot be claimed");
                Some(failure)
            }
        };
        if let Some(failure) = &end {
            tracing::error!(processor = %self.id.name, cause = %failure.cause, hint = failure.hint.as_deref(), "the processor stopped");
        }
        self.state.send_replace(RunnerState::Ended);
    }

    /// Claims the processor and loads its component; waits for another file if it does not load.
    async fn begin(&mut self) -> Result<Option<Running>, Failure> {
        let claim = self.wiring.claim(&self.id).await?;
        for (feed, _) in &self.feeds {
            self.wiring.accept_feed_change(&claim, &feed.name, &feed.feed).await?;
        }
        loop {
            match self.components.at_start(&claim, &self.config).await {
                Ok(Loaded { component, new, instead }) => {
                    if let Some(error) = instead {
                        tracing::error!(
                            processor = %self.id.name, cause = format!("{error:#}"), running = component.digest().short(),
                            "the component's file does not load; the last accepted one runs in its place"
                        );
                    }
                    tracing::info!(processor = %self.id.name, component = component.digest().short(), "the processor starts");
                    let running = Running::new(claim, self.config.clone(), Arc::clone(&self.wiring), component);
                    if new {
                        running.resume_stopped().await?;
                    }
                    return Ok(Some(running));
                }
                Err(error) => {
                    tracing::error!(processor = %self.id.name, cause = format!("{error:#}"), "the component does not load; waiting for another file");
                    self.state.send_replace(RunnerState::Unloadable);
                }
            }
            tokio::select! {
                biased;
                () = told(&mut self.stop) => return Ok(None),
                () = file_changed(&mut self.files, &self.config) => {}
                Some((request, done)) = self.requests.recv() => {
                    // Nothing runs, so there is no lane to enter. What needs the component is refused by the store.
                    match self.wiring.store.execute(&claim, request.id).await {
                        Ok(outcome) => tracing::info!(processor = %self.id.name, ?outcome, "a request was executed"),
                        Err(failure) if failure.kind == FailureKind::Superseded => return Err(failure),
                        Err(failure) => tracing::warn!(processor = %self.id.name, cause = %failure.cause, "a request could not be executed"),
                    }
                    if done.send(()).is_err() {
                        tracing::debug!("the desk is gone: the host is about to end");
                    }
                }
            }
        }
    }

    /// Follows the feeds. Everything that changes the processor from outside comes through here, one at a time.
    async fn follow(&mut self, running: Arc<Running>) -> Option<Failure> {
        self.state.send_replace(RunnerState::Running(Arc::clone(&running)));
        let mut followers = JoinSet::new();
        for (feed, config) in &self.feeds {
            let follower = Follower { running: Arc::clone(&running), feed: Arc::clone(feed), config: config.clone() };
            followers.spawn(follower.run(self.stop.clone()));
        }
        // The file may have changed between its loading and the first look at the watcher.
        self.reload(&running).await;
        let mut superseded = None;
        loop {
            tokio::select! {
                biased;
                ended = followers.join_next() => match ended {
                    None => return superseded,
                    Some(Ok(None)) => {}
                    Some(Ok(Some(failure))) => {
                        // The other followers find out at their next commit; what they compute until then is fenced off.
                        running.tell(|order| order.stop = true);
                        followers.abort_all();
                        superseded = Some(failure);
                    }
                    Some(Err(error)) if error.is_cancelled() => {}
                    Some(Err(error)) => tracing::error!(processor = %self.id.name, %error, "a follower ended as it never should: this is a bug of Tidemill"),
                },
                () = file_changed(&mut self.files, &self.config) => self.reload(&running).await,
                Some((request, done)) = self.requests.recv() => {
                    requests::execute(&running, request).await;
                    running.tell(|order: &mut Order| order.revision += 1);
                    if done.send(()).is_err() {
                        tracing::debug!("the desk is gone: the host is about to end");
                    }
                }
            }
        }
    }

    /// Compiles the file beside the running component and swaps them between two batches, if it is another one.
    async fn reload(&self, running: &Running) {
        let was = running.component().digest();
        match self.components.if_changed(&running.claim, &self.config, was).await {
            Ok(None) => {}
            Ok(Some(component)) => {
                let is = component.digest();
                running.swap(component).await;
                tracing::info!(processor = %self.id.name, was = was.short(), is = is.short(), "the component was reloaded");
                if let Err(failure) = running.resume_stopped().await {
                    tracing::warn!(processor = %self.id.name, cause = %failure.cause, "stopped partitions could not be resumed");
                }
                running.tell(|order: &mut Order| order.revision += 1);
            }
            Err(error) => tracing::error!(
                processor = %self.id.name, cause = format!("{error:#}"), running = was.short(),
                "the changed component does not load; the old one goes on"
            ),
        }
    }
}

/// Waits until the host is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender goes only with the host itself.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Waits until the watcher sees something happen to the processor's file.
async fn file_changed(files: &mut broadcast::Receiver<Arc<[PathBuf]>>, config: &ProcessorConfig) {
    loop {
        match files.recv().await {
            Ok(paths) if !paths.iter().any(|path| path.file_name() == config.component.file_name()) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
