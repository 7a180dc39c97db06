//! What differs between the languages of a project.

use crate::cli::Language;

impl Language {
    /// Its name as people write it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Ts => "TypeScript",
            Self::Js => "JavaScript",
            Self::Go => "Go",
            Self::C => "C",
        }
    }

    /// Its folder in `guest-examples`.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Ts => "ts",
            Self::Js => "js",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// The command that builds the component.
    pub(super) fn build(self) -> &'static str {
        match self {
            Self::Rust => "cargo build --release --target wasm32-unknown-unknown",
            Self::Python | Self::Ts | Self::Js | Self::Go | Self::C => "./build.sh",
        }
    }

    /// Where the component is, once it is built.
    pub(super) fn component(self, name: &str) -> String {
        match self {
            Self::Rust => format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")),
            Self::Python | Self::Ts | Self::Js | Self::Go | Self::C => format!("build/{name}.wasm"),
        }
    }

    /// The file with the processor.
    pub(super) fn main(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Python => "main.py",
            Self::Ts => "processor.ts",
            Self::Js => "processor.js",
            Self::Go => "main.go",
            Self::C => "main.c",
        }
    }

    /// The command that runs the language's own tests.
    pub(super) fn test(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
            Self::Python => "python3 -m unittest",
            Self::Ts | Self::Js => "npm test",
            Self::Go => "go test ./...",
            Self::C => "make test",
        }
    }

    /// What must be installed.
    pub(super) fn needs(self) -> &'static str {
        match self {
            Self::Rust => "It needs cargo, and once `rustup target add wasm32-unknown-unknown`.",
            Self::Python => "It needs Python 3.10 or later; `build.sh` installs componentize-py into `.tools`.",
            Self::Ts | Self::Js => "It needs Node.js 20 or later with npm.",
            Self::Go => "It needs Go 1.27, or Python, with which `build.sh` installs it into `.tools`.",
            Self::C => {
                "It needs make, and clang for wasm32 or Python, with which `build.sh` installs `zig cc` into `.tools`."
            }
        }
    }

    /// What git leaves alone.
    pub(super) fn ignored(self) -> String {
        let own = match self {
            Self::Rust => "/target\n",
            Self::Python => "/build\n/.tools\n__pycache__\n",
            Self::Ts | Self::Js => "/build\n/.tools\nnode_modules\n",
            Self::Go => "/build\n/.tools\n/tidemill/sdk/go/internal/bindings\n",
            Self::C => "/build\n/.tools\n",
        };
        format!("/data\n{own}")
    }
}
