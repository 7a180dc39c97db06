//! The call: some events of a batch, an instance, and what comes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidemill_pipeline::{Batch, Call, Cost, Failure, Overlay, Processed, Refusal, Stage, failpoint};
use wasmtime::{Store, component::Func};

use crate::{
    component::Component,
    contract::{self, Answer, Failed},
    delivery::{Delivery, Events},
    engine::Inner,
    host_state::HostState,
    log_lines::LogLines,
    processor::Shared,
    refusal,
    slots::{Keeping, Kept},
    wasi::Seed,
};

/// An instance that can be called.
pub(crate) struct Live {
    store: Store<HostState>,
    process: Func,
    process_bulk: Option<Func>,
    /// The slot, once it is held between calls.
    kept: Option<Kept>,
}

impl Live {
    /// Holds the instance until the next call, if there is room.
    pub(crate) fn keep(mut self, keeping: &Keeping) -> Option<Self> {
        self.kept = self.kept.or_else(|| keeping.one());
        self.kept.is_some().then_some(self)
    }
}

/// Runs a call to its end on this thread. The instance comes back if it may be entered again.
pub(crate) fn run(component: &Component, shared: &Shared, kept: Option<Live>, call: Call) -> (Processed, Option<Live>) {
    let begun = Instant::now();
    let refused = |overlay, refusal| refused(overlay, refusal, begun.elapsed());
    let Call { batch, events: range, overlay, fresh: _ } = call;
    let delivery = match Delivery::new(&batch, &range, component.process_bulk().is_some()) {
        Ok(delivery) => delivery,
        Err(refusal) => return (refused(Some(overlay), refusal), None),
    };
    let engine = component.engine();
    let ticking = engine.ticker.ticking();
    let fuel = shared.limits.fuel(delivery.events.len(), delivery.bytes);

    let live = match kept {
        Some(mut live) => begin(&mut live.store, engine, shared, fuel).map(|()| live).map_err(Refusal::Host),
        None => instantiate(component, shared, fuel),
    };
    let mut live = match live {
        Ok(live) => live,
        Err(refusal) => return (refused(Some(overlay), refusal), None),
    };
    let state = live.store.data_mut();
    let key = batch.key();
    state.log.begin(key.feed.as_str(), key.partition.as_str());
    state.world.begin_call(seed(shared, &batch), delivery.wall_us);
    state.lend(overlay);

    let result = enter(&mut live, &batch, &delivery.events);
    drop(ticking);
    let left = live.store.get_fuel().unwrap_or(0);
    let state = live.store.data_mut();
    state.end_call();
    let overlay = state.take_back();
    match result {
        Ok(Ok(())) => {
            let memory_bytes = state.room.memory_bytes() as u64;
            let overlay = overlay.map(|mut overlay| {
                overlay.settle();
                overlay
            });
            let cost = Cost { fuel: fuel.saturating_sub(left), memory_bytes };
            (Processed { overlay, result: Ok(cost), took: begun.elapsed() }, Some(live))
        }
        Ok(Err(failed)) => (refused(overlay, refusal::returned(failed, delivery.events.len())), None),
        Err(error) => (refused(overlay, refusal::ended(&error, state, shared.limits.call_time_max)), None),
    }
}

/// A new instance, paid for by the call's fuel and time.
pub(crate) fn instantiate(component: &Component, shared: &Shared, fuel: u64) -> Result<Live, Refusal> {
    let engine = component.engine();
    let log = LogLines::new(shared);
    let state = HostState::new(
        &shared.limits,
        Arc::clone(&shared.config),
        log,
        Arc::clone(&engine.ticker),
        Seed::of(&[component.digest().as_bytes()]),
    );
    let mut store = Store::new(&engine.wasmtime, state);
    store.limiter(|state| &mut state.room);
    store.set_hostcall_fuel(shared.limits.host_call_bytes_max);
    begin(&mut store, engine, shared, fuel).map_err(Refusal::Host)?;
    let instance = component.pre().instantiate(&mut store);
    let entries = instance.and_then(|instance| {
        let process = instance
            .get_func(&mut store, component.process())
            .ok_or_else(|| wasmtime::format_err!("it does not export `handler.process`"))?;
        process.typed::<(contract::Batch<'_>,), Answer>(&store)?;
        let process_bulk = component.process_bulk().and_then(|bulk| instance.get_func(&mut store, bulk));
        if let Some(bulk) = &process_bulk {
            bulk.typed::<(contract::BulkBatch<'_>,), Answer>(&store)?;
        }
        Ok((process, process_bulk))
    });
    store.data_mut().end_call();
    match entries {
        Ok((process, process_bulk)) => Ok(Live { store, process, process_bulk, kept: None }),
        Err(error) => Err(refusal::not_instantiated(&error, store.data(), shared.limits.call_time_max)),
    }
}

/// Fuel, and the clock, for what comes now.
fn begin(store: &mut Store<HostState>, engine: &Inner, shared: &Shared, fuel: u64) -> Result<(), Failure> {
    let times = if failpoint::breaks("call-time") { 10 } else { 1 };
    let ticks = engine.ticker.ticks_in(shared.limits.call_time_max * times);
    store.set_epoch_deadline(ticks);
    let deadline = engine.ticker.now().saturating_add(ticks);
    let state = store.data_mut();
    state.set_deadline(deadline);
    state.room.forget_refused();
    store.set_fuel(fuel).map_err(|error| Failure::broken(Stage::Process, format!("fuel could not be set: {error}")))
}

fn enter(live: &mut Live, batch: &Batch, events: &Events<'_>) -> wasmtime::Result<Result<(), Failed>> {
    let key = batch.key();
    let (feed, partition) = (key.feed.as_str(), key.partition.as_str());
    let (result,) = match (events, live.process_bulk) {
        (Events::Records(events), _) => {
            let process = live.process.typed::<(contract::Batch<'_>,), Answer>(&live.store)?;
            process.call(&mut live.store, (contract::Batch { feed, partition, events },))?
        }
        (Events::Columns(columns), Some(process)) => {
            let process = process.typed::<(contract::BulkBatch<'_>,), Answer>(&live.store)?;
            process.call(&mut live.store, (columns.batch(feed, partition),))?
        }
        (Events::Columns(_), None) => wasmtime::bail!("it does not export `bulk-handler.process`"),
    };
    Ok(result)
}

fn refused(overlay: Option<Overlay>, refusal: Refusal, took: Duration) -> Processed {
    let overlay = overlay.map(|mut overlay| {
        overlay.discard();
        overlay
    });
    Processed { overlay, result: Err(refusal), took }
}

/// What a call's randomness comes from: the same call gives the same.
fn seed(shared: &Shared, batch: &Batch) -> Seed {
    let key = batch.key();
    let from = batch.from().to_string();
    Seed::of(&[shared.name.as_str(), key.feed.as_str(), key.partition.as_str(), from.as_str()].map(str::as_bytes))
}
