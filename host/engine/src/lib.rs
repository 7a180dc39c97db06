//! The processors of Tidemill: WebAssembly components, compiled, limited and called.
//!
//! ```text
//!   file ──check──▶ compile (child process) ──▶ cache ──map──▶ Component
//!                                                                  │
//!   Call ──▶ ComponentProcessor ──▶ call thread ──▶ instance ──────┘
//!                                                   │   ▲
//!                                   grants (state, config, log), virtual WASI
//! ```
//!
//! An [`Engine`] loads [`Component`]s and makes [`ComponentProcessor`]s of them. What a component sees is a function
//! of its call: there is no clock, no randomness and no world behind its imports. What it costs has bounds: fuel,
//! wall time, memory, bytes of host calls, writes, log lines.

mod cache;
mod call;
mod check;
mod columns;
mod compile;
mod component;
mod contract;
mod delivery;
mod describe;
mod doubt;
mod engine;
mod fuel;
mod go;
mod grants;
mod host_state;
mod last_words;
mod limits;
mod load;
mod log_lines;
mod log_quota;
mod pool;
mod processor;
mod refusal;
mod room;
mod slots;
mod spares;
mod ticker;
mod wasi;

pub use cache::CodeHashes;
pub use check::{Kind, Misfit};
pub use compile::{Compiler, CompilerCommand, compile_child};
pub use component::Component;
pub use describe::Description;
pub use engine::{Engine, EngineError, EngineSettings};
pub use limits::Limits;
pub use load::LoadError;
pub use log_lines::{Listener, LogLevel};
pub use log_quota::LogQuota;
pub use processor::{ComponentProcessor, ProcessorSettings};
