//! The test's host: runs a processor on this machine, over a state in memory, without Wasm.
//!
//! It keeps the contract: what a failed call wrote is forgotten, a read sees the writes before it, keys and writes have
//! their bounds, and a batch comes by columns where it fits. It differs in one thing: it does not search for the event that made a whole batch fail.

mod host;
mod event;
mod delivery;
pub(crate) mod world;

pub use event::TestEvent;
pub use host::{Failure, Host};
pub use world::Crossing;
