//! Loading: what is taken, what is refused and why, and what is kept.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use tidemill_engine::{Compiler, CompilerCommand, Description, Engine, EngineSettings, Kind, Limits, LoadError};
use tidemill_pipeline::Digest;

use crate::{
    guest::{OK, component, core, core_with, go, keeper},
    host::{Hashes, Host, call, events, load_error, processor_settings, settings},
};

const CHILD: &str = env!("CARGO_BIN_EXE_tidemill-compile");

fn child(dir: &Path) -> EngineSettings {
    EngineSettings { compiler: Compiler::Child(CompilerCommand::new(CHILD, [])), ..settings(dir) }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir.join("code")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_child_process_compiles_components_and_core_modules() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(child(dir.path())).unwrap();
    for file in [keeper(), core(OK, "")] {
        let component = engine.load(&file, &Limits::default()).unwrap();
        assert_eq!(component.digest(), Digest::of(&file));
        let mut processor = engine.processor(&component, processor_settings());
        call(&mut processor, events(&["e"])).result.unwrap();
    }
    assert_eq!(fs::metadata(dir.path().join("code")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(files(dir.path()).len(), 2, "nothing is left behind: {:?}", files(dir.path()));
}

#[test]
fn a_component_is_compiled_once_and_then_taken_from_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let hashes = Arc::new(Hashes::default());
    let with = |compiler| EngineSettings { compiler, hashes: hashes.clone(), ..settings(dir.path()) };
    let limits = Limits::default();
    drop(Engine::new(with(Compiler::InProcess)).unwrap().load(&keeper(), &limits).unwrap());
    let none = || Compiler::Child(CompilerCommand::new("/nowhere/at/all", []));
    Engine::new(with(none())).unwrap().load(&keeper(), &limits).unwrap();
    let error = Engine::new(with(none())).unwrap().load(&core(OK, ""), &limits).unwrap_err();
    assert!(error.to_string().contains("could not be started"), "{error}");
}

#[test]
fn cached_code_that_was_tampered_with_is_not_run_but_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let hashes = Arc::new(Hashes::default());
    let engine = || Engine::new(EngineSettings { hashes: hashes.clone(), ..settings(dir.path()) }).unwrap();
    let limits = Limits::default();
    engine().load(&keeper(), &limits).unwrap();
    let [file] = files(dir.path()).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&file, &bad).unwrap();
    let engine = engine();
    let component = engine.load(&keeper(), &limits).unwrap();
    assert!(call(&mut engine.processor(&component, processor_settings()), events(&["e"])).result.is_ok());
    assert!(fs::read(&file).unwrap() != bad, "it was written anew");
}

#[test]
fn the_same_file_loaded_by_many_at_once_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(child(dir.path())).unwrap();
    let file = keeper();
    std::thread::scope(|scope| {
        let loads: Vec<_> = (0..8).map(|_| scope.spawn(|| engine.load(&file, &Limits::default()).unwrap())).collect();
        let digests: Vec<_> = loads.into_iter().map(|load| load.join().unwrap().digest()).collect();
        assert!(digests.iter().all(|digest| *digest == Digest::of(&file)));
    });
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_compiler_that_does_not_end_is_killed_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = CompilerCommand::new("/bin/sh", ["-c".into(), "sleep 600".into()]);
    command.time_max = Duration::from_millis(200);
    let engine = Engine::new(EngineSettings { compiler: Compiler::Child(command), ..settings(dir.path()) }).unwrap();
    let error = engine.load(&keeper(), &Limits::default()).unwrap_err();
    assert_eq!(error, LoadError::Compile("compiling it took longer than 0.2 s".into()));
    assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));
}

#[test]
fn a_compiler_without_memory_enough_is_an_error_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = CompilerCommand::new(CHILD, []);
    command.memory_bytes_max = 24 * 1024 * 1024;
    let engine = Engine::new(EngineSettings { compiler: Compiler::Child(command), ..settings(dir.path()) }).unwrap();
    let error = engine.load(&keeper(), &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("24 MiB") || error.contains("could not"), "{error}");
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let limits = Limits { component_bytes_max: 1_000, ..Limits::default() };
    assert_eq!(load_error(&[0; 1_001], &limits), LoadError::TooLarge { bytes: 1_001, max: 1_000 });
}

#[test]
fn what_is_no_component_is_refused_in_words() {
    let plain = wat::parse_str("(module)").unwrap();
    let mut cut = keeper();
    cut.truncate(cut.len() - 10);
    for (file, words) in [
        (b"(module)".to_vec(), "not WebAssembly"),
        (Vec::new(), "not WebAssembly"),
        (plain, "without the contract's metadata"),
        (cut, "malformed"),
    ] {
        let error = load_error(&file, &Limits::default()).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_function_that_is_too_large_for_the_compiler_is_refused() {
    let huge = format!("(func {})", "(drop (i32.const 2000000000))".repeat(400_000));
    let error = load_error(&component(&core(OK, &huge)), &Limits::default()).to_string();
    assert!(error.contains("bytes in one function"), "{error}");
}

#[test]
fn a_component_with_more_memories_than_an_instance_may_have_is_refused() {
    let tables = "(table 1 funcref) (table 1 funcref)";
    let with = |memories: usize| core(OK, &["(memory 1)".repeat(memories - 1), tables.into()].concat());
    Host::new(&component(&with(4))).apply(&["e"]);
    let error = load_error(&component(&with(5)), &Limits::default());
    let LoadError::Invalid(sentence) = &error else { panic!("{error:?}") };
    assert!(sentence.starts_with("its modules have 5 memories, and at most 4 fit into one instance"), "{sentence}");
    assert!(sentence.contains("hint: link them into fewer modules"), "{sentence}");
}

#[test]
fn everything_that_is_not_granted_is_listed_by_name() {
    let wasi = "package wasi:http@0.2.3; interface outgoing-handler { handle: func(); }";
    let other = "package acme:things@1.0.0; interface bells { ring: func(); }";
    let world = "package test:test; world guest {
        include tidemill:processor/processor@0.1.0;
        import wasi:http/outgoing-handler@0.2.3;
        import acme:things/bells@1.0.0; }";
    let imports = r#"
        (import "wasi:http/outgoing-handler@0.2.3" "handle" (func $handle))
        (import "acme:things/bells@1.0.0" "ring" (func $ring))"#;
    let file = component(&core_with(OK, imports, "test:test/guest", &[wasi, other, world]));
    let LoadError::Unfit(misfits) = load_error(&file, &Limits::default()) else { panic!("it does not fit") };
    let names: Vec<_> = misfits.iter().map(|misfit| misfit.name.as_str()).collect();
    assert_eq!(names, ["acme:things/bells@1.0.0", "wasi:http/outgoing-handler@0.2.3"]);
    assert!(misfits[1].problem.contains("cannot open connections"), "{misfits:?}");
}

#[test]
fn a_component_that_exports_no_handler_says_so() {
    let file = wat::parse_str("(component)").unwrap();
    let error = load_error(&file, &Limits::default()).to_string();
    assert!(error.contains("tidemill:processor/handler@0.1.0") && error.contains("exported"), "{error}");
}

#[test]
fn a_handler_of_another_shape_is_refused() {
    let file = wat::parse_str(
        r#"(component
            (core module $m (func (export "p")))
            (core instance $i (instantiate $m))
            (func $p (canon lift (core func $i "p")))
            (instance $handler (export "process" (func $p)))
            (export "tidemill:processor/handler@0.1.0" (instance $handler)))"#,
    )
    .unwrap();
    let error = load_error(&file, &Limits::default()).to_string();
    assert!(error.contains("type mismatch") || error.contains("expected 1"), "{error}");
}

#[test]
fn a_description_says_what_a_file_is_without_compiling_it() {
    let file = core(OK, "");
    let description = Description::read(&file).unwrap();
    assert_eq!((description.kind, description.bytes), (Kind::CoreModule, file.len()));
    assert_eq!(description.digest, Digest::of(&file));
    assert!(description.can.iter().any(|can| can.contains("its own state")), "{description:?}");
    assert!(description.misfits.is_empty(), "{description:?}");
    let description = Description::read(&component(&file)).unwrap();
    assert_eq!(description.kind, Kind::Component);
    assert_eq!(description.exports, ["tidemill:processor/handler@0.1.0"]);
}

#[test]
fn an_import_of_a_later_patch_of_the_contract_is_granted() {
    let contract = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/processor.wit")).unwrap();
    assert!(contract.contains("package tidemill:processor@0.1.0;"), "the version that this test is about");
    let file = String::from_utf8_lossy(&component(&core(OK, ""))).contains("tidemill:processor/log@0.1.0");
    assert!(file);
    let mut bytes = component(&core(OK, ""));
    replace(&mut bytes, b"tidemill:processor/log@0.1.0", b"tidemill:processor/log@0.1.9");
    Host::new(&bytes).apply(&["e"]);
}

pub fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    for at in 0..bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
    }
}

#[test]
fn a_core_module_that_has_the_contracts_names_and_not_its_types_is_refused_in_words() {
    let handler = "tidemill:processor/handler@0.1.0#process";
    let empty = r#"(func (export "tidemill:processor/handler@0.1.0#process") (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#;
    let paused = r#"(import "wasi_snapshot_preview1" "clock_time_get" (func (param i64)))"#;
    let of_go = r#"(@custom "go:buildid" "guest")"#;
    for module in [
        format!(r#"(module (func (export "{handler}") (result i64) (i64.const 0)))"#),
        format!(r#"(module (memory (export "{handler}") 1))"#),
        format!(r#"(module (func (export "{handler}ed")))"#),
        // No memory, no allocator.
        format!("(module {empty})"),
        format!("(module {})", empty.replace("0.1.0", "0.1.7")),
        format!("(module {})", empty.replace("0.1.0", "0.1.x")),
        format!("(module {})", empty.replace("0.1.0", "0.1.0; world w {} interface i")),
        format!(
            r#"(module (import "tidemill:processor/state@0.1.0" "get" (func (param f32))) (memory (export "memory") 1) {empty})"#
        ),
        format!(
            r#"(module (import "tidemill:processor/state@0.1.0" "drop-all" (func)) (memory (export "memory") 1) {empty})"#
        ),
        format!(r#"(module {paused} (memory (export "memory") 1) {empty} {of_go})"#),
        format!(
            r#"(module (import "wasi_snapshot_preview1" "fd_teleport" (func)) (memory (export "memory") 1) {empty} {of_go})"#
        ),
        format!("(module {paused} {empty} {of_go})"),
    ] {
        let file = wat::parse_str(&module).unwrap();
        let error = load_error(&file, &Limits::default());
        assert!(matches!(error, LoadError::Invalid(_) | LoadError::Unfit(_)), "{module}: {error:?}");
        assert!(!error.to_string().contains("panicked"), "{module}: {error}");
    }
    let next = wat::parse_str(format!("(module {})", empty.replace("0.1.0", "0.2.0"))).unwrap();
    let error = load_error(&next, &Limits::default()).to_string();
    assert!(error.contains("version 0.2.0 of the contract") && error.contains("speaks 0.1"), "{error}");
}

#[test]
fn a_module_of_go_for_another_patch_of_the_contract_runs() {
    let mut file = go("(i32.const 32768)", "");
    replace(&mut file, b"@0.1.0", b"@0.1.7");
    Host::new(&file).apply(&["e"]);
}
