//! The runner: one task a processor. It loads the component, starts the followers, and changes the processor
//! between two batches: reloads, and the requests of operators.

use std::{sync::Arc, time::Duration};

use tidemill_pipeline::{Backoff, Claim, Failure, FailureKind, Order, ProcessorId, failpoint};
use tidemill_store::Request;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    backlog::Backlog,
    components::{self, Changed, Components, Loaded},
    follower::Follower,
    listing::FeedListing,
    reloader::{Answer, Reloaded},
    requests,
    running::Running,
    watcher::FileChanges,
    wiring::{self, Wiring},
};
use crate::{
    config::{FeedConfig, ProcessorConfig},
    exit::hint,
};

/// What a runner is given.
pub(crate) struct Runner {
    pub(crate) id: ProcessorId,
    pub(crate) config: ProcessorConfig,
    pub(crate) feeds: Vec<(Arc<FeedListing>, FeedConfig)>,
    /// What it has parked since before this run.
    pub(crate) backlog: Option<Backlog>,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) components: Arc<Components>,
    /// None if the file is looked at only when somebody asks.
    pub(crate) files: Option<FileChanges>,
    /// Who asks for the file to be looked at, and wants to know what became of it.
    pub(crate) asked: mpsc::Receiver<Answer>,
    pub(crate) requests: mpsc::Receiver<(Request, oneshot::Sender<()>)>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) state: watch::Sender<RunnerState>,
}

/// How far a runner is.
#[derive(Clone, Debug)]
pub(crate) enum RunnerState {
    /// The component is being loaded, or will be tried again after this.
    Loading(Option<Failure>),
    /// The component could not be loaded; the runner waits for another file.
    Unloadable(Failure),
    /// It runs.
    Running(Arc<Running>),
    /// Another host has the processor, as the failure says, or the runner was stopped.
    Ended(Option<Failure>),
}

impl Default for RunnerState {
    fn default() -> Self {
        Self::Loading(None)
    }
}

impl RunnerState {
    /// Why the processor does not run, or runs an older component than its file holds.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        match self {
            Self::Loading(trouble) | Self::Ended(trouble) => trouble.clone(),
            Self::Unloadable(trouble) => Some(trouble.clone()),
            Self::Running(running) => running.file_trouble(),
        }
    }
}

impl Runner {
    /// Runs until told to stop, or until another host takes the processor.
    pub(crate) async fn run(mut self) {
        let end = match self.begin().await {
            Ok(Some(running)) => self.follow(Arc::new(running)).await,
            Ok(None) => None,
            Err(failure) => Some(failure),
        };
        if let Some(failure) = &end {
            tracing::error!(processor = %self.id.name, cause = %failure.cause, hint = failure.hint.as_deref(), "the processor stopped");
        }
        self.state.send_replace(RunnerState::Ended(end));
    }

    /// Claims the processor, again and again until it goes well. None when told to stop.
    async fn claim(&mut self) -> Result<Option<Claim>, Failure> {
        let mut backoff = Backoff::new(wiring::retry_policy());
        loop {
            let failure = match self.try_claim().await {
                Ok(claim) => return Ok(Some(claim)),
                Err(failure) if failure.kind == FailureKind::Superseded => return Err(failure),
                Err(failure) => failure,
            };
            let wait = backoff.next(failure.retry_after);
            tracing::warn!(processor = %self.id.name, cause = %failure.cause, hint = failure.hint.as_deref(), ?wait, "the processor cannot be claimed now");
            self.state.send_replace(if failure.kind == FailureKind::Unavailable {
                RunnerState::Loading(Some(failure))
            } else {
                // It is tried again, but nobody should wait for it.
                RunnerState::Unloadable(failure)
            });
            tokio::select! {
                biased;
                () = told(&mut self.stop) => return Ok(None),
                () = sleep(wait) => {}
            }
        }
    }

    async fn try_claim(&self) -> Result<Claim, Failure> {
        let claim = self.wiring.claim(&self.id).await?;
        self.wiring.set_quota(&claim, self.config.quotas.stored).await?;
        for (feed, _) in &self.feeds {
            self.wiring.accept_feed_change(&claim, &feed.name, &feed.feed).await?;
        }
        Ok(claim)
    }

    /// Claims the processor and loads its component; waits for another file if it does not load.
    async fn begin(&mut self) -> Result<Option<Running>, Failure> {
        let Some(claim) = self.claim().await? else { return Ok(None) };
        let mut backoff = Backoff::new(wiring::retry_policy());
        let mut answer: Option<Answer> = None;
        loop {
            let (mut again, began) = (None, Instant::now());
            match self.components.at_start(&claim, &self.config).await {
                Ok(Loaded { component, instead }) => {
                    if let Some(answer) = answer {
                        let (is, swapping) = (component.digest(), Duration::ZERO);
                        answer.give(Reloaded::Swapped { was: None, is, compiling: began.elapsed(), swapping });
                    }
                    if let Some(error) = &instead {
                        tracing::error!(
                            processor = %self.id.name, cause = format!("{error:#}"), hint = hint(error), running = component.digest().short(),
                            "the component's file does not load; the last accepted one runs in its place"
                        );
                    }
                    tracing::info!(processor = %self.id.name, component = component.digest().short(), "the processor starts");
                    if let Some(backlog) = self.backlog.take() {
                        backlog.warn(&self.id.name);
                    }
                    let running = Running::new(claim, self.config.clone(), Arc::clone(&self.wiring), component);
                    running.set_file_trouble(instead.map(|error| components::trouble(&error, true)));
                    return Ok(Some(running));
                }
                Err(error) if components::passing(&error).is_some() => {
                    let wait = backoff.next(None);
                    tracing::warn!(processor = %self.id.name, cause = format!("{error:#}"), hint = hint(&error), ?wait, "the component cannot be loaded now; it is tried again");
                    self.state.send_replace(RunnerState::Loading(Some(components::trouble(&error, false))));
                    again = Some(Instant::now() + wait);
                    if let Some(answer) = answer.take() {
                        answer.give(Reloaded::Refused(error));
                    }
                }
                Err(error) => {
                    if let Some(failure) = superseded(&error) {
                        return Err(failure.clone());
                    }
                    self.state.send_replace(RunnerState::Unloadable(components::trouble(&error, false)));
                    match answer.take() {
                        // Whoever asked says it.
                        Some(answer) => answer.give(Reloaded::Refused(error)),
                        None => {
                            tracing::error!(processor = %self.id.name, cause = format!("{error:#}"), hint = hint(&error), "the component does not load; waiting for another file");
                        }
                    }
                }
            }
            tokio::select! {
                biased;
                () = told(&mut self.stop) => return Ok(None),
                () = changed(&mut self.files) => {}
                Some(asked) = self.asked.recv() => answer = Some(asked),
                () = due(again) => {}
                Some((request, done)) = self.requests.recv() => {
                    // Nothing runs, so there is no lane to enter. What needs the component is refused by the store.
                    match self.wiring.store.execute(&claim, request.id).await {
                        Ok(outcome) => requests::say(&self.id.name, request.kind.as_str(), &outcome),
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
        // The file may have changed between its loading and the first look at the watcher. One that was refused just now need
        // not be refused again.
        let mut backoff = Backoff::new(wiring::retry_policy());
        let looks = self.files.is_some() && !running.is_outdated();
        let mut again = if looks { self.reload(&running, &mut backoff).await } else { None };
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
                () = changed(&mut self.files) => again = self.reload(&running, &mut backoff).await,
                Some(answer) = self.asked.recv() => answer.give(self.try_reload(&running).await.unwrap_or_else(Reloaded::Refused)),
                () = due(again) => again = self.reload(&running, &mut backoff).await,
                () = running.tell_lines() => {}
                Some((request, done)) = self.requests.recv() => {
                    requests::execute(&running, request).await;
                    // A person may have repaired the publisher: what it says is asked for again.
                    self.feeds.iter().for_each(|(listing, _)| listing.feed.forget());
                    running.tell(|order: &mut Order| order.revision += 1);
                    if done.send(()).is_err() {
                        tracing::debug!("the desk is gone: the host is about to end");
                    }
                }
            }
        }
    }

    /// Compiles the file beside the running component and swaps them between two batches, if it is another one. Gives
    /// the moment to try again, if it failed for a reason that passes.
    async fn reload(&self, running: &Running, backoff: &mut Backoff) -> Option<Instant> {
        running.set_reloading(true);
        let again = self.reload_unnoted(running, backoff).await;
        running.set_reloading(again.is_some());
        again
    }

    /// The same, without noting it.
    async fn reload_unnoted(&self, running: &Running, backoff: &mut Backoff) -> Option<Instant> {
        let was = running.component().digest();
        match self.try_reload(running).await {
            Ok(_) => backoff.reset(),
            Err(error) if components::passing(&error).is_some() => {
                let wait = backoff.next(None);
                tracing::warn!(
                    processor = %self.id.name, cause = format!("{error:#}"), hint = hint(&error), running = was.short(), ?wait,
                    "the changed component cannot be loaded now; it is tried again"
                );
                return Some(Instant::now() + wait);
            }
            Err(error) => {
                tracing::error!(
                    processor = %self.id.name, cause = format!("{error:#}"), hint = hint(&error), running = was.short(),
                    "the changed component does not load; the old one goes on"
                );
                if failpoint::breaks("old-component-goes-on") {
                    running.tell(|order| order.stop = true);
                }
            }
        }
        None
    }

    /// Looks at the file, and notes whether what runs is what it holds.
    async fn try_reload(&self, running: &Running) -> anyhow::Result<Reloaded> {
        let reloaded = self.swap(running).await;
        running.set_file_trouble(reloaded.as_ref().err().map(|error| components::trouble(error, true)));
        reloaded
    }

    async fn swap(&self, running: &Running) -> anyhow::Result<Reloaded> {
        let was = running.component();
        let changed = self.components.if_changed(&running.claim, &self.config, &was).await?;
        let Some(Changed { component, compiling }) = changed else { return Ok(Reloaded::Unchanged) };
        let (was, is, began) = (was.digest(), component.digest(), Instant::now());
        running.swap(component).await?;
        let swapping = began.elapsed();
        tracing::info!(processor = %self.id.name, was = was.short(), is = is.short(), ?swapping, "the component was reloaded");
        Ok(Reloaded::Swapped { was: Some(was), is, compiling, swapping })
    }
}

/// The failure behind an error, if another host has the processor.
fn superseded(error: &anyhow::Error) -> Option<&Failure> {
    error.downcast_ref::<Failure>().filter(|failure| failure.kind == FailureKind::Superseded)
}

/// Waits until the file changes; for ever if nobody watches it.
async fn changed(files: &mut Option<FileChanges>) {
    match files {
        Some(files) => files.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until a moment; for ever if there is none.
async fn due(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits until the host is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender goes only with the host itself.
    drop(stop.wait_for(|stop| *stop).await);
}
