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
mod compile;
mod component;
mod contract;
mod engine;
mod fuel;
mod grants;
mod host_state;
mod limits;
mod load;
mod log_lines;
mod pool;
mod processor;
mod refusal;
mod room;
mod ticker;
mod wasi;

pub use cache::CodeHashes;
pub use compile::Compiler;
pub use component::Component;
pub use engine::{Engine, EngineError, EngineSettings};
pub use limits::Limits;
pub use load::LoadError;
pub use log_lines::LogLevel;
pub use processor::{ComponentProcessor, ProcessorSettings};
