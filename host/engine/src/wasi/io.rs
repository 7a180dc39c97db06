//! `wasi:io`: waits that are over at once, an empty input, and outputs that end in the log.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList},
};

use super::{absent, interface, unreachable, world::Output};
use crate::{
    fuel::{self, CALL},
    host_state::{HostState, Stop},
};

/// `poll.pollable`: a timer of the world.
pub(super) struct Pollable;
/// `streams.input-stream`: always at its end.
pub(super) struct InputStream;
/// `streams.output-stream`: one of the two outputs.
pub(super) struct OutputStream;
/// `error.error`: never made.
struct IoError;

/// `streams.stream-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "no stream here fails; the variant is the contract's")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Calling<'a> = StoreContextMut<'a, HostState>;
type Streamed<T> = (Result<T, StreamError>,);

/// What a write may bring at once, as `check-write` says.
const WRITE_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut error = interface(linker, "io/error")?;
    absent::<IoError>(&mut error, "error")?;
    unreachable(&mut error, &["[method]error.to-debug-string"])?;
    poll(&mut interface(linker, "io/poll")?)?;
    let mut streams = interface(linker, "io/streams")?;
    input(&mut streams)?;
    output(&mut streams)
}

fn poll(poll: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut store, rep| {
        store.data_mut().world.drop_timer(rep);
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |mut store: Calling<'_>, (this,): (Resource<Pollable>,)| {
        fuel::charge(&mut store, CALL)?;
        Ok((store.data_mut().world.is_due(this.rep()),))
    })?;
    poll.func_wrap("[method]pollable.block", |mut store: Calling<'_>, (this,): (Resource<Pollable>,)| {
        fuel::charge(&mut store, CALL)?;
        store.data_mut().world.wait(&[this.rep()]);
        Ok(())
    })?;
    poll.func_wrap("poll", |mut store: Calling<'_>, (these,): (Vec<Resource<Pollable>>,)| {
        fuel::charge(&mut store, CALL.saturating_mul(1 + these.len() as u64))?;
        if these.is_empty() {
            return Err(Stop::Forbidden("it polled an empty list").into());
        }
        let reps: Vec<u32> = these.iter().map(Resource::rep).collect();
        let world = &mut store.data_mut().world;
        world.wait(&reps);
        let due = (0_u32..).zip(&reps).filter_map(|(place, rep)| world.is_due(*rep).then_some(place));
        Ok((due.collect::<Vec<u32>>(),))
    })
}

fn input(streams: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    streams.resource("input-stream", ResourceType::host::<InputStream>(), |mut store, _| {
        store.data_mut().world.drop_stream();
        Ok(())
    })?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        streams.func_wrap(name, |mut store: Calling<'_>, _: (Resource<InputStream>, u64)| {
            fuel::charge(&mut store, CALL)?;
            let end: Streamed<Vec<u8>> = (Err(StreamError::Closed),);
            Ok(end)
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        streams.func_wrap(name, |mut store: Calling<'_>, _: (Resource<InputStream>, u64)| {
            fuel::charge(&mut store, CALL)?;
            let end: Streamed<u64> = (Err(StreamError::Closed),);
            Ok(end)
        })?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |mut store: Calling<'_>, _: (Resource<InputStream>,)| {
        ready(&mut store)
    })
}

fn output(streams: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |mut store, _| {
        store.data_mut().world.drop_stream();
        Ok(())
    })?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |mut store: Calling<'_>, _: (Resource<OutputStream>,)| {
            fuel::charge(&mut store, CALL)?;
            let room: Streamed<u64> = (Ok(WRITE_BYTES_MAX),);
            Ok(room)
        },
    )?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        streams.func_wrap(name, |mut store: Calling<'_>, (this, text): (Resource<OutputStream>, WasmList<u8>)| {
            let text = text.as_le_slice(&store).to_vec();
            print(&mut store, &this, &text)
        })?;
    }
    for name in ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"] {
        streams.func_wrap(name, |mut store: Calling<'_>, (this, len): (Resource<OutputStream>, u64)| {
            let zeroes = vec![0; usize::try_from(len.min(WRITE_BYTES_MAX)).unwrap_or(0)];
            print(&mut store, &this, &zeroes)
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.func_wrap(name, |mut store: Calling<'_>, _: (Resource<OutputStream>,)| {
            fuel::charge(&mut store, CALL)?;
            let done: Streamed<()> = (Ok(()),);
            Ok(done)
        })?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |mut store: Calling<'_>, _: (Resource<OutputStream>,)| {
        ready(&mut store)
    })?;
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        type Splice = (Resource<OutputStream>, Resource<InputStream>, u64);
        streams.func_wrap(name, |mut store: Calling<'_>, _: Splice| {
            fuel::charge(&mut store, CALL)?;
            let end: Streamed<u64> = (Err(StreamError::Closed),);
            Ok(end)
        })?;
    }
    Ok(())
}

/// A pollable that is due already.
fn ready(store: &mut Calling<'_>) -> wasmtime::Result<(Resource<Pollable>,)> {
    fuel::charge(store, CALL)?;
    Ok((Resource::new_own(store.data_mut().world.timer_at(0)?),))
}

fn print(store: &mut Calling<'_>, this: &Resource<OutputStream>, text: &[u8]) -> wasmtime::Result<Streamed<()>> {
    fuel::charge(store, CALL + fuel::bytes(text.len()).saturating_mul(4))?;
    let output = if this.rep() == STDERR { Output::Stderr } else { Output::Stdout };
    let state = store.data_mut();
    state.world.print(output, text, &mut state.log);
    Ok((Ok(()),))
}

/// What stands for the standard output.
pub(super) const STDOUT: u32 = 1;
/// What stands for the standard error output.
pub(super) const STDERR: u32 = 2;
