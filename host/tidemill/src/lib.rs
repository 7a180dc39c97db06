//! The program: command line, configuration, wiring.
//!
//! ```text
//!   main ── cli (what was typed) ──▶ commands ──▶ config (what it means)
//!                                      │
//!                                      ├──▶ serve   (`feed serve`: a file as a feed)
//!                                      ├──▶ dev     (`dev`: watching, building, showing)
//!                                      └──▶ output  (tables, JSON, progress), logging, exit
//! ```

pub mod cases;
pub mod cli;
pub mod commands;
pub mod config;
pub mod contract;
pub mod costs;
mod dev;
pub mod exit;
#[cfg(debug_assertions)]
pub mod failpoint;
mod host;
pub mod logging;
mod outage;
pub mod output;
pub mod scaffold;
pub mod serve;
