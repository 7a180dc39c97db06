//! The bounds of reading a feed: whatever a publisher does, it ends.

use std::time::Duration;

use super::{
    kinds::{Count, Size, Time},
    section::Section,
};

/// What reading a feed may take, in bytes and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedBounds {
    /// The longest line.
    pub line_bytes_max: usize,
    /// The longest page, after decompression. A longer one is cut at its last checkpoint.
    pub page_bytes_max: usize,
    /// The most bytes of the headers of an answer.
    pub header_bytes_max: usize,
    /// The most bytes of a partition that wait for the component.
    pub fetch_ahead_bytes: u32,
    /// The most bytes of the feed that are kept for other processors.
    pub shared_bytes_max: usize,
    /// From the request to the first byte of the answer, connecting included.
    pub time_to_first_byte: Duration,
    /// Between two bytes of an answer.
    pub idle_time: Duration,
    /// The least bytes per second of an answer, on average over `idle_time`; 0 for none.
    pub bytes_per_second_min: usize,
    /// How many times its size on the wire an answer may have after decompression, past its first MiB.
    pub decompression_ratio_max: u64,
    /// How many redirects within the same origin are followed.
    pub redirects_max: u64,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

impl FeedBounds {
    /// Declares, reads and checks the settings.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let wait = || Time(Duration::from_millis(10)..=Duration::from_mins(10));
        let bounds = Self {
            line_bytes_max: section.setting(
                "line-bytes-max",
                &Size(KIB..=256 * MIB),
                "\"1MiB\"",
                "The longest line. A longer one stops the partition; nothing is lost.",
            ),
            page_bytes_max: section.setting(
                "page-bytes-max",
                &Size(64 * KIB..=4 * GIB),
                "\"64MiB\"",
                "The longest page, after decompression. A longer one is cut at its last checkpoint.",
            ),
            header_bytes_max: section.setting(
                "header-bytes-max",
                &Size(KIB..=MIB),
                "\"64KiB\"",
                "The most bytes of the headers of an answer.",
            ),
            fetch_ahead_bytes: u32::try_from(section.setting(
                "fetch-ahead-bytes",
                &Size(64 * KIB..=GIB),
                "\"8MiB\"",
                "How much of each partition may wait in memory for the component.",
            ))
            .unwrap_or(u32::MAX),
            shared_bytes_max: section.setting(
                "shared-bytes",
                &Size(0..=4 * GIB),
                "\"64MiB\"",
                "How much of what one processor has read of the feed is kept for others, so that they need not ask for it again. With one processor nothing is kept.",
            ),
            time_to_first_byte: section.setting(
                "time-to-first-byte",
                &wait(),
                "\"30s\"",
                "From the request to the first byte of the answer, connecting included.",
            ),
            idle_time: section.setting("idle-time", &wait(), "\"30s\"", "The longest silence within an answer."),
            bytes_per_second_min: section.setting(
                "bytes-per-second-min",
                &Size(0..=MIB),
                "128",
                "The least rate of an answer, on average over `idle-time`: a publisher that trickles is asked again. 0 for none.",
            ),
            decompression_ratio_max: section.setting(
                "decompression-ratio-max",
                &Count(1..=10_000),
                "200",
                "How many times its size on the wire an answer may grow, past its first MiB. Repetitive events reach 30.",
            ),
            redirects_max: section.setting(
                "redirects-max",
                &Count(0..=10),
                "3",
                "How many redirects to follow. They must stay within the same origin: credentials never leave it.",
            ),
        };
        if bounds.line_bytes_max > bounds.page_bytes_max {
            section.problem(
                section.place_of("line-bytes-max"),
                "`line-bytes-max` is larger than `page-bytes-max`",
                "a page must have room for a line: raise `page-bytes-max`",
            );
        }
        bounds
    }
}
