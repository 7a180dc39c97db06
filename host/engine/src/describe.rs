//! The description: what a component is and what it can do, in words.

use std::{collections::BTreeSet, fmt};

use tidemill_pipeline::Digest;

use crate::{
    check::{self, Kind, Misfit, Sections},
    load::LoadError,
};

/// What a component file is. Made from the file's sections; nothing is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The digest of the file.
    pub digest: Digest,
    /// The size of the file in bytes.
    pub bytes: usize,
    /// What the file is.
    pub kind: Kind,
    /// The languages that it was written in, as its compilers say.
    pub languages: Vec<String>,
    /// The tools that made it, as they say.
    pub tools: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// The interfaces that it imports; of a core module, its import modules.
    pub imports: Vec<String>,
    /// What it can do, a sentence each, without a final full stop.
    pub can: Vec<String>,
    /// What it cannot do, whatever it tries.
    pub cannot: Vec<String>,
    /// In what it does not fit the contract. Empty if it does, as far as names say.
    pub misfits: Vec<Misfit>,
}

impl Description {
    /// Describes a file.
    ///
    /// # Errors
    /// When the file is not WebAssembly, is malformed, or is a core module without the contract's metadata.
    pub fn read(file: &[u8]) -> Result<Self, LoadError> {
        Ok(Self::of(Digest::of(file), file.len(), &check::sections(file)?))
    }

    pub(crate) fn of(digest: Digest, bytes: usize, sections: &Sections) -> Self {
        let begins = |names: &BTreeSet<String>, with: &str| names.iter().any(|name| name.starts_with(with));
        let has = |name: &str| begins(&sections.imports, name) || begins(&sections.exports, name);
        let can = [
            ("tidemill:processor/bulk-handler", "take a batch as a few large pieces, which is quicker"),
            ("tidemill:processor/state", "read and write its own state"),
            ("tidemill:processor/config", "read its own configuration"),
            ("tidemill:processor/log", "write to the log, within bounds"),
            ("wasi:cli/std", "print to the log, within bounds"),
            ("wasi_snapshot_preview1", "use WASI's first preview, through an adapter, as far as WASI 0.2 is offered"),
            ("wasi:clocks/", "read a clock that stands where its events put it"),
            ("wasi:random/", "draw random numbers, the same ones for the same call"),
        ];
        let cannot = [
            "open connections, files or directories, though some of it may be linked",
            "see the time, the environment, the attempt or the machine",
            "see another processor's state",
            "outlive its fuel, its time or its memory",
        ];
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect();
        Self {
            digest,
            bytes,
            kind: sections.kind,
            languages: languages(sections),
            tools: list(&sections.tools),
            exports: list(&sections.exports),
            imports: list(&sections.imports),
            can: can.iter().filter(|(name, _)| has(name)).map(|(_, words)| (*words).to_owned()).collect(),
            cannot: cannot.map(str::to_owned).to_vec(),
            misfits: check::misfits(sections),
        }
    }
}

/// Leaves its name in a component that was initialised when it was built: an interpreter with a program in another language.
const INITIALISED: &str = "component-init-transform";

/// The languages that the file names, or those of the compilers that it names. Of an interpreter nothing is known: its
/// compiler says what the interpreter was written in, not the program.
fn languages(sections: &Sections) -> Vec<String> {
    if !sections.languages.is_empty() {
        return sections.languages.iter().cloned().collect();
    }
    if sections.tools.iter().any(|tool| tool.starts_with(INITIALISED)) {
        return Vec::new();
    }
    let compilers =
        [("rustc", "Rust"), ("TinyGo", "Go"), ("Go cmd/compile", "Go"), ("clang", "C or C++"), ("zig", "Zig")];
    let used = |compiler: &str| sections.tools.iter().any(|tool| tool.starts_with(compiler));
    compilers.iter().filter(|(compiler, _)| used(compiler)).map(|(_, language)| (*language).to_owned()).collect()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Component => "component",
            Self::CoreModule => "core module made for the contract",
        })
    }
}
