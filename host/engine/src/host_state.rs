//! The host's side of an instance: what its imports work on.

use std::sync::Arc;

use tidemill_pipeline::{Failure, Overlay};

use crate::{
    limits::Limits,
    log_lines::LogLines,
    room::Room,
    ticker::Ticker,
    wasi::{Seed, World},
};

/// The data of a wasmtime store.
pub(crate) struct HostState {
    pub(crate) room: Room,
    pub(crate) config: Arc<[(String, String)]>,
    pub(crate) log: LogLines,
    pub(crate) world: World,
    pub(crate) host_call_bytes_max: usize,
    overlay: Option<Overlay>,
    ticker: Arc<Ticker>,
    deadline: u64,
}

/// Why a host call ended the call of the component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// A limit that the component can keep to.
    #[error("{0}")]
    Limit(String),
    /// Something that no component may do.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The host could not do its part.
    #[error("{0}")]
    Host(Failure),
}

impl HostState {
    pub(crate) fn new(
        limits: &Limits,
        config: Arc<[(String, String)]>,
        log: LogLines,
        ticker: Arc<Ticker>,
        component: Seed,
    ) -> Self {
        Self {
            room: Room::new(limits),
            config,
            log,
            world: World::new(component),
            host_call_bytes_max: limits.host_call_bytes_max,
            overlay: None,
            ticker,
            deadline: 0,
        }
    }

    /// The tick at which host calls are refused.
    pub(crate) fn set_deadline(&mut self, tick: u64) {
        self.deadline = tick;
    }

    pub(crate) fn is_overtime(&self) -> bool {
        self.ticker.now() >= self.deadline
    }

    /// The state that the call reads and writes.
    pub(crate) fn lend(&mut self, overlay: Overlay) {
        self.overlay = Some(overlay);
    }

    pub(crate) fn take_back(&mut self) -> Option<Overlay> {
        self.overlay.take()
    }

    /// The call is over: lines that were begun are ended.
    pub(crate) fn end_call(&mut self) {
        self.world.finish_lines(&mut self.log);
    }

    /// The state of the call that runs.
    ///
    /// # Errors
    /// While the component is instantiated: what it read then would depend on when that happens.
    pub(crate) fn overlay(&mut self) -> Result<&mut Overlay, Stop> {
        self.overlay.as_mut().ok_or(Stop::Forbidden("the state cannot be used while the component is instantiated"))
    }
}
