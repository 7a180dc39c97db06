//! A processor's quotas: what it may keep and say in all, however long it runs.

use tidemill_pipeline::Quota;

use super::{
    kinds::{Count, Size},
    section::Section,
};

/// What a processor may keep and say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// How much it may keep.
    pub stored: Quota,
    /// How many log lines it may write in a minute.
    pub log_lines_max: u32,
}

impl Quotas {
    /// Declares and reads the settings.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let rows_max = section.optional("stored-rows", &Count(1..=1_000_000_000_000), "The most keys and parked events that it may keep, in all its partitions together. Without it there is no bound but the disk, and a full disk stops the commits of every processor.");
        let bytes_max = section.optional("stored-bytes", &Size(1024..=1 << 50), "The most bytes that it may keep: of keys and values, and of parked events with what is known of them. What the database adds comes on top. Without it there is no bound but the disk.");
        let log_lines = section.setting("log-lines", &Count(1..=1_000_000), "6_000", "The most log lines of its component in a minute. The others are left out and counted; the processing goes on.");
        let stored = Quota { rows_max, bytes_max: bytes_max.map(|bytes| bytes as u64) };
        Self { stored, log_lines_max: u32::try_from(log_lines).unwrap_or(u32::MAX) }
    }
}
