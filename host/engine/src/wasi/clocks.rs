//! `wasi:clocks`: a monotonic clock that moves when it is read or waited for, and a wall clock that the events set.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, Lower, Resource},
};

use super::{interface, io::Pollable};
use crate::{
    fuel::{self, CALL},
    host_state::HostState,
};

/// `wall-clock.datetime`.
#[derive(ComponentType, Lower, Clone, Copy, Debug)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Calling<'a> = StoreContextMut<'a, HostState>;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut monotonic = interface(linker, "clocks/monotonic-clock")?;
    monotonic.func_wrap("now", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((store.data_mut().world.monotonic_ns(),))
    })?;
    monotonic.func_wrap("resolution", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((1_u64,))
    })?;
    monotonic.func_wrap("subscribe-instant", |mut store: Calling<'_>, (at,): (u64,)| {
        fuel::charge(&mut store, CALL)?;
        Ok((Resource::<Pollable>::new_own(store.data_mut().world.timer_at(at)?),))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut store: Calling<'_>, (wait,): (u64,)| {
        fuel::charge(&mut store, CALL)?;
        Ok((Resource::<Pollable>::new_own(store.data_mut().world.timer_in(wait)?),))
    })?;
    let mut wall = interface(linker, "clocks/wall-clock")?;
    wall.func_wrap("now", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        let now = store.data().world.wall_us();
        let micros = u32::try_from(now % 1_000_000).unwrap_or(0);
        Ok((Datetime { seconds: now / 1_000_000, nanoseconds: micros * 1_000 },))
    })?;
    wall.func_wrap("resolution", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((Datetime { seconds: 0, nanoseconds: 1_000 },))
    })
}
