//! The contract that the program embeds: what it runs is what it can give to those who build for it.

use include_dir::{Dir, include_dir};

/// The files of `wit/`, as they were when the program was built.
pub static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// The world that a processor is built for.
pub const WORLD: &str = "processor";
