//! A language that examples are written in.

use clap::ValueEnum;

/// Its folders in `guest-examples`, `sdk` and `target/guests` have its name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    Js,
    Ts,
    Go,
    C,
}

impl Language {
    /// The name of its folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// The folders of `sdk` that its examples are built from.
    pub(super) fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["rust"],
            Self::Python => &["python"],
            Self::Js | Self::Ts => &["js"],
            Self::Go => &["go"],
            Self::C => &["c"],
        }
    }

    /// Whether the program generates its bindings.
    pub(super) fn needs_program(self) -> bool {
        matches!(self, Self::Go | Self::C)
    }
}
