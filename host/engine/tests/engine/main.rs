//! What the engine promises, shown on components made for the purpose.
#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod bulk;
mod contract;
mod go;
mod guest;
mod host;
mod hostile;
mod instances;
mod loading;
mod log;
mod process;
mod refusals;
mod threads;
mod usual_wasi;
mod virtual_wasi;
