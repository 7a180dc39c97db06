//! What stands between the program and its disk: a small library in C beneath the real program, the journal that it keeps,
//! and the disks that a power cut could have left.

mod image;
mod journal;
mod shim;

pub(crate) use image::{Disk, Torn};
pub(crate) use journal::{Journal, Record};
pub(crate) use shim::{Shim, Trouble};
