//! `wasi:filesystem`: no directory is open, so nothing can be opened.

use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};

use super::{absent, interface, unreachable};
use crate::{
    fuel::{self, CALL},
    host_state::HostState,
};

struct Descriptor;
struct DirectoryEntryStream;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut types = interface(linker, "filesystem/types")?;
    absent::<Descriptor>(&mut types, "descriptor")?;
    absent::<DirectoryEntryStream>(&mut types, "directory-entry-stream")?;
    unreachable(
        &mut types,
        &[
            "[method]descriptor.read-via-stream",
            "[method]descriptor.write-via-stream",
            "[method]descriptor.append-via-stream",
            "[method]descriptor.advise",
            "[method]descriptor.sync-data",
            "[method]descriptor.get-flags",
            "[method]descriptor.get-type",
            "[method]descriptor.set-size",
            "[method]descriptor.set-times",
            "[method]descriptor.read",
            "[method]descriptor.write",
            "[method]descriptor.read-directory",
            "[method]descriptor.sync",
            "[method]descriptor.create-directory-at",
            "[method]descriptor.stat",
            "[method]descriptor.stat-at",
            "[method]descriptor.set-times-at",
            "[method]descriptor.link-at",
            "[method]descriptor.open-at",
            "[method]descriptor.readlink-at",
            "[method]descriptor.remove-directory-at",
            "[method]descriptor.rename-at",
            "[method]descriptor.symlink-at",
            "[method]descriptor.unlink-file-at",
            "[method]descriptor.is-same-object",
            "[method]descriptor.metadata-hash",
            "[method]descriptor.metadata-hash-at",
            "[method]directory-entry-stream.read-directory-entry",
            "filesystem-error-code",
        ],
    )?;
    let mut preopens = interface(linker, "filesystem/preopens")?;
    preopens.func_wrap("get-directories", |mut store: StoreContextMut<'_, HostState>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}
