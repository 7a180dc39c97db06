//! What the engine promises, shown on components made for the purpose.
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod guest;
mod host;
mod process;
