//! The simulation: the real worker in random worlds, in paused time, from one seed each.
//!
//! A world has a feed, a component, a store, and trouble at every stage: pages fail half-way, calls are refused,
//! commits fail, are slow, or succeed with their answer lost; workers are dropped at any await, hosts die, and a
//! second host takes over while the first still runs. In the end the state must be the fold of the events.

mod component;
mod dice;
mod driver;
mod faulty;
mod feed;
mod memory;
mod on_disk;

pub use component::Component;
pub use dice::{Dice, Trouble};
pub use driver::{Backend, Outcome, World, run};
pub use faulty::Faulty;
pub use feed::{FeedLog, Reader};
pub use memory::{Memory, Mutant};
pub use on_disk::OnDisk;
