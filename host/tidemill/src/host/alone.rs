//! Requests, executed by a command itself because no host runs.

use std::sync::Arc;

use tidemill_pipeline::{Claim, ProcessorId};
use tidemill_store::{Outcome, Request, RequestKind, Requests};
use tokio::task::spawn_blocking;

use super::{HostOptions, Reload, components::Components, layout, requests, running::Running, wiring::Wiring};
use crate::{config::Config, exit::hint};

/// Takes the data directory, executes the requests in their order, and gives it back. The outcomes stand in the
/// requests' order. Parked events are retried with the component of the configuration.
///
/// # Errors
/// When the data directory is held by another process ([`tidemill_store::Held`]), the database cannot be used, or
/// a retry needs a component that does not load.
pub(crate) async fn execute(
    config: &Config,
    processor: &ProcessorId,
    kinds: Vec<RequestKind>,
) -> anyhow::Result<Vec<Outcome>> {
    let data = config.data.clone();
    let wiring = Arc::new(spawn_blocking(move || Wiring::open(&data, HostOptions::default())).await??);
    let outcomes = in_turn(config, &wiring, processor, kinds).await;
    spawn_blocking(move || wiring.store.close()).await??;
    outcomes
}

async fn in_turn(
    config: &Config,
    wiring: &Arc<Wiring>,
    processor: &ProcessorId,
    kinds: Vec<RequestKind>,
) -> anyhow::Result<Vec<Outcome>> {
    let claim = wiring.claim(processor).await?;
    let retries = kinds.iter().any(|kind| matches!(kind, RequestKind::RetryParked { .. }));
    let running = if retries { Some(load(config, wiring, &claim).await?) } else { None };
    let mut outcomes = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let (data, id, asked) = (config.data.clone(), processor.clone(), kind.clone());
        let submit = move || Requests::open(&data)?.submit(&id, &asked);
        let request = Request { id: spawn_blocking(submit).await??, processor: processor.clone(), kind };
        outcomes.push(match &running {
            Some(running) => requests::outcome(running, &request).await?,
            None => wiring.store.execute(&claim, request.id).await?,
        });
    }
    Ok(outcomes)
}

/// The processor as a host that starts would have it.
async fn load(config: &Config, wiring: &Arc<Wiring>, claim: &Claim) -> anyhow::Result<Running> {
    let name = &claim.processor.name;
    let processor = config.processors.get(name).ok_or_else(|| {
        anyhow::anyhow!("the configuration has no processor `{name}`, so there is no component that its parked events could be given to\n  hint: add it to the configuration, or give the events up with `tidemill parked drop`")
    })?;
    let (data, layouts) = (config.data.clone(), layout::layouts(config).into_iter().filter(|(other, _)| other == name));
    let layouts = layouts.collect();
    spawn_blocking(move || layout::require(&data, &layouts, Reload::Watched)).await??;
    let components = Components::new(&config.data, Arc::clone(wiring))?;
    let loaded = components.at_start(claim, processor).await?;
    if let Some(error) = loaded.instead {
        tracing::warn!(processor = %name, cause = format!("{error:#}"), hint = hint(&error), "the component's file does not load; the last accepted one is asked in its place");
    }
    Ok(Running::new(claim.clone(), processor.clone(), Arc::clone(wiring), loaded.component))
}
