//! One test binary: every test that crosses a crate's border.

mod crash;
mod demo_component;
mod guests;
mod simulation;
mod store;
mod tidy;
mod tour;
