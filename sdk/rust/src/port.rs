//! The host's side: the contract's functions in a component, the test's host anywhere else.

#[cfg(target_family = "wasm")]
pub(crate) use crate::contract::{config, log, state};
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::world::{config, log, state};
