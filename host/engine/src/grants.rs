//! Grants: the contract's imports, as a component calls them.

mod config;
mod log;
mod state;

use wasmtime::component::Linker;

use crate::host_state::HostState;

/// Links what every processor may import.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    state::link(linker)?;
    config::link(linker)?;
    log::link(linker)
}
