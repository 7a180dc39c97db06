//! What the engine promises, shown on components made for the purpose.
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod guest;
mod host;
mod hostile;
mod instances;
mod loading;
mod process;
mod refusals;
mod virtual_wasi;
