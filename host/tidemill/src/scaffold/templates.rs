//! The templates: what the program embeds of the examples, the modules of the languages, and the contract.
//!
//! The lists stand here by name, so that nothing that merely lies in a folder gets into the program. A test compares them with
//! what is checked in.

use crate::cli::Language;

/// A file of this repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// From the root of the repository.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(File { path: $path, text: include_str!(concat!("../../../../", $path)) }),*]
    };
}

/// The contract.
pub(super) const CONTRACT: &[File] = files!["wit/processor.wit"];

/// The manifest of the workspace that the Rust examples are part of.
pub(super) const RUST_WORKSPACE: &str = include_str!("../../../../guest-examples/rust/Cargo.toml");

/// The example of a language, with the module that it builds upon.
pub(super) fn of(language: Language) -> impl Iterator<Item = &'static File> {
    let (files, shared): (&[File], &[File]) = match language {
        Language::Rust => (RUST, &[]),
        Language::Python => (PYTHON, &[]),
        Language::Ts => (TS, JS_MODULE),
        Language::Js => (JS, JS_MODULE),
        Language::Go => (GO, &[]),
        Language::C => (C, &[]),
    };
    files.iter().chain(shared)
}

const RUST: &[File] = files![
    "guest-examples/rust/totals/Cargo.toml",
    "guest-examples/rust/totals/src/lib.rs",
    "guest-examples/rust/totals/src/tests.rs",
    "sdk/rust/Cargo.toml",
    "sdk/rust/src/columns.rs",
    "sdk/rust/src/config.rs",
    "sdk/rust/src/contract.rs",
    "sdk/rust/src/error.rs",
    "sdk/rust/src/event.rs",
    "sdk/rust/src/key.rs",
    "sdk/rust/src/lib.rs",
    "sdk/rust/src/log_lines.rs",
    "sdk/rust/src/map.rs",
    "sdk/rust/src/overlay.rs",
    "sdk/rust/src/port.rs",
    "sdk/rust/src/processor.rs",
    "sdk/rust/src/safe_integer.rs",
    "sdk/rust/src/testing.rs",
    "sdk/rust/src/testing/delivery.rs",
    "sdk/rust/src/testing/event.rs",
    "sdk/rust/src/testing/host.rs",
    "sdk/rust/src/testing/world.rs",
    "sdk/rust/src/value.rs",
];
const PYTHON: &[File] = files![
    "guest-examples/python/build.sh",
    "guest-examples/python/requirements.txt",
    "guest-examples/python/totals/main.py",
    "guest-examples/python/totals/test_main.py",
    "sdk/python/tidemill.py",
    "sdk/python/tidemill_component.py",
    "sdk/python/tidemill_testing.py",
];
const TS: &[File] = files![
    "guest-examples/ts/build.sh",
    "guest-examples/ts/totals/package-lock.json",
    "guest-examples/ts/totals/package.json",
    "guest-examples/ts/totals/payment.ts",
    "guest-examples/ts/totals/processor.test.ts",
    "guest-examples/ts/totals/processor.ts",
    "guest-examples/ts/totals/tsconfig.json",
];
const JS: &[File] = files![
    "guest-examples/js/build.sh",
    "guest-examples/js/totals/package-lock.json",
    "guest-examples/js/totals/package.json",
    "guest-examples/js/totals/payment.js",
    "guest-examples/js/totals/processor.js",
    "guest-examples/js/totals/processor.test.js",
];
/// The module of both JavaScript and TypeScript.
const JS_MODULE: &[File] = files![
    "sdk/js/blank.js",
    "sdk/js/build.js",
    "sdk/js/component.js",
    "sdk/js/contract.js",
    "sdk/js/delivery.js",
    "sdk/js/memory.js",
    "sdk/js/nesting.js",
    "sdk/js/package.json",
    "sdk/js/report.js",
    "sdk/js/testing.d.ts",
    "sdk/js/testing.js",
    "sdk/js/tidemill.d.ts",
    "sdk/js/tidemill.js",
    "sdk/js/typescript.js",
];
const GO: &[File] = files![
    "guest-examples/go/build.sh",
    "guest-examples/go/totals/go.mod",
    "guest-examples/go/totals/totals.go",
    "guest-examples/go/totals/totals_test.go",
    "sdk/go/component_wasip1.go",
    "sdk/go/config.go",
    "sdk/go/crossing_wasip1.go",
    "sdk/go/event.go",
    "sdk/go/failure.go",
    "sdk/go/go.mod",
    "sdk/go/host.go",
    "sdk/go/internal/export_tidemill_processor_handler/process_wasip1.go",
    "sdk/go/internal/wit/runtime/runtime_wasip1.go",
    "sdk/go/internal/wit/types/types.go",
    "sdk/go/log.go",
    "sdk/go/state.go",
    "sdk/go/tidemill.go",
    "sdk/go/tidemilltest/tidemilltest.go",
    "sdk/go/trace.go",
    "sdk/go/value.go",
];
const C: &[File] = files![
    "guest-examples/c/Makefile",
    "guest-examples/c/build.sh",
    "guest-examples/c/totals/totals.c",
    "guest-examples/c/totals/totals_test.c",
    "sdk/c/strip_debug.py",
    "sdk/c/tidemill.c",
    "sdk/c/tidemill.h",
    "sdk/c/tidemill_arena.h",
    "sdk/c/tidemill_component.c",
    "sdk/c/tidemill_json.c",
    "sdk/c/tidemill_json.h",
    "sdk/c/tidemill_test.c",
    "sdk/c/tidemill_test.h",
    "sdk/c/tidemill_text.c",
    "sdk/c/yyjson/LICENSE",
    "sdk/c/yyjson/yyjson.c",
    "sdk/c/yyjson/yyjson.h",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path, process::Command};

    use clap::ValueEnum as _;

    use super::*;

    /// What a project does not get: pages about this repository, the tests of the modules themselves, locks that the project
    /// makes anew.
    fn is_left_out(path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let test = name.starts_with("test_")
            || name.contains(".test.")
            || name.ends_with("_test.go")
            || path.contains("/tests/");
        ["README.md", ".gitignore"].contains(&name) || path.starts_with("sdk/") && (name == "Cargo.lock" || test)
    }

    #[test]
    fn what_is_embedded_is_what_is_checked_in() {
        for language in Language::value_variants() {
            let embedded = CONTRACT.iter().chain(of(*language)).map(|file| file.path).collect::<BTreeSet<_>>();
            // Whole folders, where the example or the module has anything in them.
            let folder = language.folder();
            let sdk = embedded.iter().find_map(|path| path.strip_prefix("sdk/")?.split('/').next()).unwrap_or(folder);
            let mut git = Command::new("git");
            git.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
            git.args(["ls-files", "--cached", "--others", "--exclude-standard", "wit"]);
            git.args([format!("guest-examples/{folder}/totals"), format!("sdk/{sdk}")]);
            let listed = git.output().unwrap();
            let listed = String::from_utf8(listed.stdout).unwrap();
            let mut checked_in: BTreeSet<_> = listed.lines().filter(|path| !is_left_out(path)).collect();
            let shared = |path: &&str| path.starts_with("guest-examples/") && path.split('/').count() == 3;
            checked_in.extend(embedded.iter().copied().filter(shared));
            assert_eq!(embedded, checked_in, "{language:?}: the lists in scaffold/templates.rs are out of step");
        }
    }

    #[test]
    fn the_templates_do_not_make_the_program_large() {
        let all: BTreeSet<_> = Language::value_variants()
            .iter()
            .flat_map(|language| of(*language))
            .map(|file| (file.path, file.text.len()))
            .collect();
        let bytes: usize = all.iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes < 1024 * 1024, "{bytes} bytes: {all:#?}");
    }
}
