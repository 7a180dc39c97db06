//! What the sources do with publishers, good and bad, over real sockets and files.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its tools too")]

mod publisher;
mod reading;
mod pages;
mod answers;
mod bodies;
mod feedapi;
mod credentials;
mod tls;
mod files;
