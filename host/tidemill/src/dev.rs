//! The development loop: sources are watched, built and reloaded while events flow, and everything is shown.
//!
//! ```text
//!   Sources ── Edit ──▶ Workshop ── build ──▶ Reloader (host)
//!                          │                     │
//!   Lookout (observer) ────┴───── News ──────────┴──▶ Chronicle ── Entry ──▶ text, or JSON
//! ```
//!
//! The host is the one that `run` has, on a data directory of its own.

pub(crate) mod alone;
pub(crate) mod chronicle;
pub(crate) mod edits;
pub(crate) mod entry;
pub(crate) mod lookout;
pub(crate) mod news;
pub(crate) mod plan;
pub(crate) mod reloads;
pub(crate) mod shell;
pub(crate) mod sources;
pub(crate) mod text;
pub(crate) mod workshop;
