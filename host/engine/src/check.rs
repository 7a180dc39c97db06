//! The check before compiling: what a file is, whether it is of a size that can be compiled, and whether it fits the
//! contract. It walks the file's sections and compiles nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::load::LoadError;

/// Functions in all modules of a file together. `CPython` with its standard library has about 20,000.
const FUNCTIONS_MAX: u64 = 300_000;
/// Bytes of one function. The largest of the interpreters (a dispatch loop) has about 300,000.
const FUNCTION_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Modules and components within each other.
const NESTING_MAX: usize = 32;
/// Modules and components in a file.
const PARTS_MAX: usize = 2_000;

/// The section in which bindings generators leave the contract for later.
const METADATA: &str = "component-type";
/// The package of the contract.
const CONTRACT: &str = "tidemill:processor";
/// What every processor exports.
const HANDLER: &str = "tidemill:processor/handler";

/// What it may export beside that.
const BULK_HANDLER: &str = "tidemill:processor/bulk-handler";

/// What WASI 0.2 offers here, as far as a component can use it.
const WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A component.
    Component,
    /// A core module with the contract's metadata or names: it becomes a component when it is loaded.
    CoreModule,
}

/// What a file's sections say.
#[derive(Debug)]
pub(crate) struct Sections {
    pub(crate) kind: Kind,
    pub(crate) imports: BTreeSet<String>,
    pub(crate) exports: BTreeSet<String>,
    /// Language or tool, and version, as compilers leave them.
    pub(crate) languages: BTreeSet<String>,
    pub(crate) tools: BTreeSet<String>,
    /// Whether bindings left the contract in it. Go's linker cannot.
    pub(crate) metadata: bool,
}

/// One thing in which a component does not fit the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// The interface that is missing or not granted, with its version.
    pub name: String,
    /// What is wrong with it, and what to do, as a sentence without a final full stop.
    pub problem: String,
}

/// Reads the sections of a file, within bounds.
///
/// # Errors
/// When the file is not WebAssembly, is malformed, is a core module without metadata, or has a part that is too large.
pub(crate) fn sections(file: &[u8]) -> Result<Sections, LoadError> {
    let kind = kind(file)?;
    let mut sections = Sections {
        kind,
        imports: BTreeSet::new(),
        exports: BTreeSet::new(),
        languages: BTreeSet::new(),
        tools: BTreeSet::new(),
        metadata: false,
    };
    let (mut depth, mut parts, mut functions) = (0_usize, 0, 0_u64);
    for payload in Parser::new(0).parse_all(file) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other sections have nothing to say here")]
        match payload.map_err(malformed)? {
            Payload::Version { .. } => {
                depth += 1;
                parts += 1;
                bound("nested modules or components", depth, NESTING_MAX)?;
                bound("modules and components", parts, PARTS_MAX)?;
            }
            Payload::End(_) => depth -= 1,
            Payload::CodeSectionStart { count, .. } => {
                functions += u64::from(count);
                bound("functions", functions, FUNCTIONS_MAX)?;
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                bound("bytes in one function", range.end.saturating_sub(range.start), FUNCTION_BYTES_MAX)?;
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    sections.imports.insert(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    sections.exports.insert(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ImportSection(imports) if depth == 1 && kind == Kind::CoreModule => {
                for import in imports.into_imports() {
                    sections.imports.insert(import.map_err(malformed)?.module.to_owned());
                }
            }
            Payload::ExportSection(exports) if depth == 1 && kind == Kind::CoreModule => {
                for export in exports {
                    if let Some((interface, _)) = export.map_err(malformed)?.name.split_once('#') {
                        let interface = interface.trim_start_matches("cabi_post_");
                        sections.exports.insert(interface.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                sections.metadata |= section.name().starts_with(METADATA);
                if let wasmparser::KnownCustom::Producers(producers) = section.as_known() {
                    read_producers(producers, &mut sections);
                }
            }
            _ => {}
        }
    }
    let another = sections.exports.iter().find_map(|name| name.strip_prefix(HANDLER)?.strip_prefix('@'));
    if kind == Kind::CoreModule
        && !sections.metadata
        && !handles(&sections)
        && let Some(version) = another
    {
        return Err(LoadError::Invalid(format!(
            "it is a core module made for version {version} of the contract, and this version of Tidemill speaks 0.1: build \
             it against its `wit` directory"
        )));
    }
    if kind == Kind::CoreModule && !sections.metadata && !handles(&sections) {
        return Err(LoadError::Invalid(
            "it is a core module without the contract's metadata: build it with bindings generated from Tidemill's `wit` \
             directory (for Rust the crate `wit-bindgen`), or turn it into a component"
                .into(),
        ));
    }
    Ok(sections)
}

fn kind(file: &[u8]) -> Result<Kind, LoadError> {
    if Parser::is_component(file) {
        return Ok(Kind::Component);
    }
    if Parser::is_core_wasm(file) {
        return Ok(Kind::CoreModule);
    }
    Err(LoadError::Invalid("it is not WebAssembly: the file does not begin with `\\0asm`".into()))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn malformed(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid(format!("it is malformed: {error}"))
}

fn bound<T: Copy + PartialOrd + std::fmt::Display>(what: &str, found: T, max: T) -> Result<(), LoadError> {
    if found <= max {
        return Ok(());
    }
    Err(LoadError::Invalid(format!("it has {found} {what}, and at most {max} are compiled")))
}

/// Who made it, for people. A section that cannot be read says nothing.
fn read_producers(producers: wasmparser::ProducersSectionReader<'_>, sections: &mut Sections) {
    for field in producers.into_iter().flatten() {
        let values = field.values.into_iter().flatten();
        let values = values.map(|value| format!("{} {}", value.name, value.version).trim().to_owned());
        match field.name {
            "language" => sections.languages.extend(values),
            _ => sections.tools.extend(values),
        }
    }
}

/// Everything in which a component does not fit the contract.
pub(crate) fn misfits(sections: &Sections) -> Vec<Misfit> {
    let mut misfits: Vec<Misfit> = sections.imports.iter().filter_map(|name| not_granted(name)).collect();
    if sections.kind == Kind::Component && !handles(sections) {
        misfits.push(Misfit {
            name: format!("{HANDLER}@0.1.0"),
            problem:
                "it must be exported, and is not: build the component for the world `tidemill:processor/processor`"
                    .into(),
        });
    }
    misfits
}

/// Whether it exports what every processor does.
fn handles(sections: &Sections) -> bool {
    handler_version(sections).is_some()
}

/// For which version of the contract it exports that: one that is spoken, with any patch.
pub(crate) fn handler_version(sections: &Sections) -> Option<&str> {
    let found = sections.exports.iter().find(|name| is(name, HANDLER, "0.1."))?;
    found.split_once('@').map(|(_, version)| version)
}

/// Whether it exports what takes a batch by columns.
pub(crate) fn handles_bulk(sections: &Sections) -> bool {
    sections.exports.iter().any(|name| is(name, BULK_HANDLER, "0.1."))
}

/// Whether a name is that interface, in one of the versions that begin so.
fn is(name: &str, interface: &str, version: &str) -> bool {
    name.split_once('@').is_some_and(|(base, its)| base == interface && its.starts_with(version))
}

fn not_granted(name: &str) -> Option<Misfit> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    let problem = if package == CONTRACT {
        let known = ["types", "state", "config", "log"]
            .iter()
            .any(|known| interface.strip_prefix(CONTRACT).is_some_and(|rest| rest.strip_prefix('/') == Some(known)));
        match (known, version.starts_with("0.1.")) {
            (true, true) => return None,
            (false, true) => "this version of Tidemill does not have it: use a newer Tidemill, or build without it",
            (_, false) => "this version of Tidemill speaks 0.1 of the contract: build against its `wit` directory",
        }
    } else if package == "wasi:http" || package == "wasi:tls" {
        "components cannot open connections, and no setting grants it: remove what imports it (what a component needs comes \
         in events, in the state or in the configuration)"
    } else if package.starts_with("wasi:") && version.starts_with("0.3") {
        "WASI 0.3 is not offered: build for WASI 0.2, or without WASI"
    } else if WASI.contains(&interface) {
        if version.starts_with("0.2.") {
            return None;
        }
        "of WASI only 0.2 is offered: build for WASI 0.2, or without WASI"
    } else if interface == "wasi_snapshot_preview1" {
        return None;
    } else if package.starts_with("wasi:") {
        "it is not offered, and no setting grants it: remove what imports it (a component sees its events, its state and its \
         configuration)"
    } else {
        "nobody provides it: compose the component with what it needs, or build without it"
    };
    Some(Misfit { name: name.to_owned(), problem: problem.to_owned() })
}
