//! The room: the bytes that a feed may keep of what was read lately, over all of its partitions.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The bytes that may be kept. Each partition that is read has an equal share; one whose spans are larger than that may keep
/// its last one beyond it, as long as there is room.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    kept: AtomicUsize,
    partitions: AtomicUsize,
    /// Whether others come, who are not there yet.
    awaited: AtomicBool,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: AtomicUsize::new(0), partitions: AtomicUsize::new(0), awaited: AtomicBool::new(false) }
    }

    /// One more partition is read.
    pub(crate) fn enter(&self) {
        self.partitions.fetch_add(1, Ordering::Relaxed);
    }

    /// One partition less is read.
    pub(crate) fn leave(&self) {
        self.partitions.fetch_sub(1, Ordering::Relaxed);
    }

    /// From now on it is kept what a single reader reads, for others come.
    pub(crate) fn await_others(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    /// Whether anything is kept for a partition with so many readers.
    pub(crate) fn is_shared(&self, readers: usize) -> bool {
        readers > 1 || self.awaited.load(Ordering::Relaxed)
    }

    /// What a partition may keep.
    pub(crate) fn share(&self) -> usize {
        self.bytes_max / self.partitions.load(Ordering::Relaxed).max(1)
    }

    /// Takes some bytes, if they are left.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let more = |kept: usize| kept.checked_add(bytes).filter(|kept| *kept <= self.bytes_max);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.kept.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}
