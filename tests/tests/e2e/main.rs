//! One test binary: every test that crosses a crate's border.

mod simulation;
mod tidy;
