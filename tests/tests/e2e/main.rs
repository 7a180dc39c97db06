//! One test binary: every test that crosses a crate's border.

mod cases;
mod crash;
mod demo_component;
mod dev;
mod guests;
mod interop;
mod languages;
mod million;
mod policy;
mod queues;
mod reload;
mod replay;
mod requests;
mod scaffold;
mod scale;
mod secrets;
mod security;
mod simulation;
mod store;
mod tidy;
mod topology;
mod troubles;
mod tour;
mod untrusted;
mod waits;
mod verify;
