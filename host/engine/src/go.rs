//! Modules of the Go compiler: how they are told from others, and the adapter that they need. See
//! `docs/decisions/0014-go-modules-have-an-adapter-of-their-own.md`.

use wasmparser::{KnownCustom, Parser, Payload};
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The first preview of WASI, answered within the component.
const ADAPTER: &str = include_str!("go/adapter.wat");
/// What the adapter imports.
const WORLD: &str = include_str!("go/adapter.wit");

/// The section with which Go's linker begins a module's custom sections.
const BUILD_ID: &str = "go:buildid";
/// What Go's linker writes into the `producers` section.
const COMPILER: &str = "Go cmd/compile";

/// Whether Go's own compiler made the module. `TinyGo` is another one, with another runtime, which the usual adapter suits.
pub(crate) fn made(module: &[u8]) -> bool {
    Parser::new(0).parse_all(module).filter_map(Result::ok).any(|payload| {
        let Payload::CustomSection(section) = payload else { return false };
        if section.name() == BUILD_ID {
            return true;
        }
        let KnownCustom::Producers(producers) = section.as_known() else { return false };
        let mut fields = producers.into_iter().flatten();
        fields.any(|field| field.values.into_iter().flatten().any(|value| value.name == COMPILER))
    })
}

/// The adapter as a module with its world.
pub(crate) fn adapter() -> Vec<u8> {
    const OURS: &str = "the adapter is a part of the program, and the tests assemble it";
    let mut module = wat::parse_str(ADAPTER).expect(OURS);
    let mut resolve = Resolve::default();
    let package = resolve.push_str("adapter.wit", WORLD).expect(OURS);
    let world = resolve.select_world(&[package], None).expect(OURS);
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect(OURS);
    module
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn exports(module: &[u8]) -> BTreeSet<String> {
        let sections = Parser::new(0).parse_all(module).map(Result::unwrap);
        let exports = sections.filter_map(|payload| {
            let Payload::ExportSection(exports) = payload else { return None };
            Some(exports)
        });
        exports.flatten().map(|export| export.unwrap().name.to_owned()).collect()
    }

    #[test]
    fn the_adapter_has_every_function_of_the_usual_one() {
        let usual = exports(wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
        let missing: Vec<_> = usual.difference(&exports(&adapter())).cloned().collect();
        // Two are for C's library, two for the encoder, of which ours needs nothing: it holds no memory.
        assert_eq!(
            missing,
            ["adapter_close_badfd", "adapter_open_badfd", "cabi_import_realloc", "reset_adapter_state"]
        );
    }

    #[test]
    fn a_module_of_go_is_told_by_its_build_or_its_compiler_and_tinygo_is_not_go() {
        for (section, is_go) in [
            (r#"(@custom "go:buildid" "\ff Go build ID")"#, true),
            (r#"(@producers (language "Go" "go1.27.3") (processed-by "Go cmd/compile" "go1.27.3"))"#, true),
            (r#"(@producers (language "Go" "") (processed-by "TinyGo" "0.40"))"#, false),
            (r#"(@custom "name of go:buildid" "")"#, false),
        ] {
            let module = wat::parse_str(format!("(module {section})")).unwrap();
            assert_eq!(made(&module), is_go, "{section}");
        }
        assert!(!made(b"no module at all"));
    }
}
