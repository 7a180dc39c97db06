//! What the end-to-end tests are made of.

pub mod conformance;
pub mod dev;
pub mod feedapi;
pub mod guest_build;
pub mod guest_host;
pub mod hostile;
pub mod project;
pub mod publisher;
pub mod served;
pub mod simulation;
pub mod suite;
pub mod untrusted;
pub mod witness;
pub mod zeroeventhub;
