//! The virtual WASI 0.2: what toolchains import whether a program uses it or not, without the world behind it.
//!
//! Nothing here waits, opens or asks the operating system. What a component sees is a function of its own digest and
//! of the call. Functions on things that cannot exist here (a file, a socket) are linked and end the call.

mod cli;
mod clocks;
mod filesystem;
mod io;
mod random;
mod sockets;
mod world;

use wasmtime::component::{Linker, LinkerInstance, ResourceType};

use crate::host_state::{HostState, Stop};

pub(crate) use random::Seed;
pub(crate) use world::World;

/// A wasmtime linker takes any 0.2 for any other, so one version serves all.
const VERSION: &str = "0.2.12";

/// Links the world `wasi:cli/imports`.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    io::link(linker)?;
    clocks::link(linker)?;
    random::link(linker)?;
    cli::link(linker)?;
    filesystem::link(linker)?;
    sockets::link(linker)
}

fn interface<'a>(linker: &'a mut Linker<HostState>, name: &str) -> wasmtime::Result<LinkerInstance<'a, HostState>> {
    linker.instance(&format!("wasi:{name}@{VERSION}"))
}

/// A kind of thing that no component ever gets one of.
fn absent<T: 'static>(interface: &mut LinkerInstance<'_, HostState>, name: &str) -> wasmtime::Result<()> {
    interface.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

/// Functions that cannot be called, because what they work on does not exist.
fn unreachable(interface: &mut LinkerInstance<'_, HostState>, names: &[&str]) -> wasmtime::Result<()> {
    names.iter().try_for_each(|name| {
        interface.func_new(name, |_, _, _, _| Err(Stop::Forbidden("it used a thing that does not exist").into()))
    })
}
