//! The usual implementation of WASI as an oracle: what it links, ours links, and what ours links is WASI.

use tidemill_engine::{Component, Limits};
use wasi_preview1_component_adapter_provider as adapter;
use wasmtime::component::{Linker, ResourceTable, types::ComponentItem};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wit_component::ComponentEncoder;

use crate::{guest, host};

/// Every function of the first preview that the adapter turns into other calls than refusals.
const PREVIEW1: [(&str, &str); 20] = [
    ("args_sizes_get", "i32 i32"),
    ("clock_res_get", "i32 i32"),
    ("clock_time_get", "i32 i64 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("fd_close", "i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("fd_filestat_get", "i32 i32"),
    ("fd_prestat_get", "i32 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_sync", "i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("poll_oneoff", "i32 i32 i32 i32"),
    ("random_get", "i32 i32"),
];

#[derive(Default)]
struct Usual {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Usual {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[test]
fn a_component_that_the_usual_wasi_links_is_linked_here_too() {
    let import = |(name, parameters): &(&str, &str)| {
        format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func (param {parameters}) (result i32)))\n")
    };
    let imports: String = PREVIEW1.iter().map(import).collect();
    let exit = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))\n";
    let core = guest::core_with("(i32.const 32768)", &(imports + exit), "tidemill:processor/processor@0.1.0", &[]);
    let (preview1, reactor) =
        (adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    let mut encoder = ComponentEncoder::default();
    let file = encoder.module(&core).unwrap().adapter(preview1, reactor).unwrap().encode().unwrap();

    let (engine, _directory) = host::engine();
    let ours: Component = engine.load(&file, &Limits::default()).unwrap();
    let imports = &ours.describe().imports;
    for interface in ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"] {
        assert!(imports.iter().any(|import| import.contains(interface)), "{interface} is not imported: {imports:?}");
    }

    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, &file).unwrap();
    let mut linker = Linker::<Usual>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    // The contract's imports, which the usual implementation does not know.
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if name.starts_with("tidemill:") {
            let mut instance = linker.instance(name).unwrap();
            for (function, _) in interface.exports(&engine) {
                instance.func_new(function, |_, _, _, _| unreachable!("nothing is called")).unwrap();
            }
        }
    }
    linker.instantiate_pre(&component).unwrap();
}
