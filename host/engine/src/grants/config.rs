//! The import `config`: the processor's settings.

use wasmtime::{StoreContextMut, component::Linker};

use crate::{
    fuel::{self, CALL},
    host_state::HostState,
};

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut config = linker.instance("tidemill:processor/config@0.1.0")?;
    config.func_wrap("get", |mut store: StoreContextMut<'_, HostState>, (name,): (String,)| {
        let config = &store.data().config;
        let place = config.binary_search_by(|(known, _)| known.as_str().cmp(&name)).ok();
        let value = place.and_then(|place| config.get(place)).map(|(_, value)| value.clone());
        fuel::charge(&mut store, CALL + fuel::bytes(name.len() + value.as_ref().map_or(0, String::len)))?;
        Ok((value,))
    })?;
    config.func_wrap("get-all", |mut store: StoreContextMut<'_, HostState>, (): ()| {
        let config = store.data().config.clone();
        let size = config.iter().map(|(name, value)| name.len() + value.len()).sum();
        fuel::charge(&mut store, CALL + fuel::bytes(size))?;
        Ok((config,))
    })
}
