//! The import `log`: lines for the operator.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    contract::Level,
    fuel::{self, CALL, LINE},
    host_state::HostState,
};

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut log = linker.instance("tidemill:processor/log@0.1.0")?;
    log.func_wrap("enabled", |mut store: StoreContextMut<'_, HostState>, (level,): (Level,)| {
        fuel::charge(&mut store, CALL)?;
        Ok((store.data().log.enabled(level),))
    })?;
    log.func_wrap("write", |mut store: StoreContextMut<'_, HostState>, (level, line): (Level, WasmStr)| {
        let line = line.to_str(&store)?.into_owned();
        fuel::charge(&mut store, CALL + LINE + fuel::bytes(line.len()))?;
        store.data_mut().log.write(level, &line);
        Ok(())
    })
}
