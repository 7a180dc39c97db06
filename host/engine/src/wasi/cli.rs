//! `wasi:cli`: no environment, no arguments, no terminal; an exit ends the call.

use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};

use super::{
    absent, interface,
    io::{InputStream, OutputStream, STDERR, STDOUT},
};
use crate::{
    fuel::{self, CALL},
    host_state::{HostState, Stop},
};

struct TerminalInput;
struct TerminalOutput;

type Calling<'a> = StoreContextMut<'a, HostState>;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut environment = interface(linker, "cli/environment")?;
    environment.func_wrap("get-environment", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((None::<String>,))
    })?;

    let mut exit = interface(linker, "cli/exit")?;
    let exited = || Stop::Forbidden("it called `exit`: a processor returns from `process`, or traps");
    exit.func_wrap("exit", move |_: Calling<'_>, _: (Result<(), ()>,)| -> wasmtime::Result<()> {
        Err(exited().into())
    })?;
    exit.func_wrap("exit-with-code", move |_: Calling<'_>, _: (u8,)| -> wasmtime::Result<()> { Err(exited().into()) })?;

    interface(linker, "cli/stdin")?.func_wrap("get-stdin", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        store.data_mut().world.add_stream()?;
        Ok((Resource::<InputStream>::new_own(0),))
    })?;
    for (name, function, rep) in [("cli/stdout", "get-stdout", STDOUT), ("cli/stderr", "get-stderr", STDERR)] {
        interface(linker, name)?.func_wrap(function, move |mut store: Calling<'_>, (): ()| {
            fuel::charge(&mut store, CALL)?;
            store.data_mut().world.add_stream()?;
            Ok((Resource::<OutputStream>::new_own(rep),))
        })?;
    }
    terminals(linker)
}

fn terminals(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    absent::<TerminalInput>(&mut interface(linker, "cli/terminal-input")?, "terminal-input")?;
    absent::<TerminalOutput>(&mut interface(linker, "cli/terminal-output")?, "terminal-output")?;
    interface(linker, "cli/terminal-stdin")?.func_wrap("get-terminal-stdin", |mut store: Calling<'_>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((None::<Resource<TerminalInput>>,))
    })?;
    for (name, function) in
        [("cli/terminal-stdout", "get-terminal-stdout"), ("cli/terminal-stderr", "get-terminal-stderr")]
    {
        interface(linker, name)?.func_wrap(function, |mut store: Calling<'_>, (): ()| {
            fuel::charge(&mut store, CALL)?;
            Ok((None::<Resource<TerminalOutput>>,))
        })?;
    }
    Ok(())
}
