//! The quota: how much a processor may keep, and what becomes of a commit that would keep more.

use std::{cmp::Ordering, fmt};

use crate::{Failure, FailureKind, ProcessorName, Stage};

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Entries and parked events.
    pub rows: u64,
    /// Bytes of their keys and values; of parked events: payload, metadata, reason and backtrace.
    pub bytes: u64,
}

/// How much a processor may keep, in all its key spaces and with its parked events. None: as much as the disk takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Entries and parked events.
    pub rows_max: Option<u64>,
    /// Their bytes.
    pub bytes_max: Option<u64>,
}

/// The share of a bound from which on there is a warning, in per cent.
const WARNED_AT: u64 = 80;

/// Whether so much of a bound is used that somebody should know.
#[must_use]
pub fn nearly(used: u64, max: u64) -> bool {
    used.saturating_mul(100) >= max.saturating_mul(WARNED_AT)
}

/// What a commit does to what its processor keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The most that there may be.
    pub quota: Quota,
    /// What there was before the commit.
    pub before: Stored,
    /// What there is after it.
    pub after: Stored,
}

/// One total of a processor, and its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What is counted, in words.
    pub what: &'static str,
    /// The setting that bounds it.
    pub setting: &'static str,
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub max: u64,
}

impl Share {
    /// How much of it is used, in per cent, rounded down.
    #[must_use]
    pub fn percent(&self) -> u64 {
        u64::try_from(u128::from(self.used) * 100 / u128::from(self.max.max(1))).unwrap_or(u64::MAX)
    }

    /// Whether so much is used that somebody should know.
    #[must_use]
    pub fn is_nearly_used(&self) -> bool {
        nearly(self.used, self.max)
    }

    /// Says in the log that so much of it is used, all of it, or more than there may be: the bound may have been lowered.
    pub fn warn(&self, processor: &ProcessorName) {
        let Self { what, setting, used, max } = self;
        let hint = "past its quota nothing that grows is committed: raise it, or make room";
        let setting = format_args!("quotas.{setting}");
        match used.cmp(max) {
            Ordering::Less => {
                tracing::warn!(%processor, what, used, max, %setting, hint, "the processor has nearly used up its quota");
            }
            Ordering::Equal => {
                tracing::warn!(%processor, what, used, max, %setting, hint, "the processor has used up its quota");
            }
            Ordering::Greater => {
                tracing::warn!(%processor, what, used, max, %setting, hint, "the processor is past its quota");
            }
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, setting, used, max } = self;
        write!(f, "{used} of {max} {what} (quotas.{setting})")
    }
}

impl Quota {
    /// What is kept beside what may be: the totals that have a bound.
    pub fn shares(&self, stored: Stored) -> impl Iterator<Item = Share> {
        let share = |what, setting, used, max: Option<u64>| max.map(|max| Share { what, setting, used, max });
        let rows = share("rows", "stored-rows", stored.rows, self.rows_max);
        let bytes = share("bytes", "stored-bytes", stored.bytes, self.bytes_max);
        rows.into_iter().chain(bytes)
    }
}

impl Usage {
    /// Whether the commit may be made. One that lets a total grow past its bound may not. One that lets it shrink, or leaves
    /// it, may: the bound may have been lowered, and deleting must stay possible.
    ///
    /// # Errors
    /// [`Full`](FailureKind::Full), with what is kept and what would be added. The hint says how to make room; what to do
    /// then is for whoever wanted to commit.
    pub fn check(&self) -> Result<(), Failure> {
        let over = |(after, before): &(Share, Share)| after.used > after.max && after.used > before.used;
        let shares = self.quota.shares(self.after).zip(self.quota.shares(self.before));
        match shares.into_iter().find(over) {
            None => Ok(()),
            Some((Share { what, setting, used, max }, Share { used: kept, .. })) => Err(Failure::new(
                FailureKind::Full,
                Stage::Commit,
                format!(
                    "the processor may keep {max} {what} (quotas.{setting}): it keeps {kept}, and this adds {}",
                    used - kept
                ),
            )
            .hint(format!(
                "raise quotas.{setting} and start again; or make room, with a component that keeps less or deletes, or by dropping parked events"
            ))),
        }
    }

    /// The totals that this commit has brought near their bound.
    pub fn reached(&self) -> impl Iterator<Item = Share> {
        let shares = self.quota.shares(self.after).zip(self.quota.shares(self.before));
        shares.filter(|(after, before)| after.is_nearly_used() && !before.is_nearly_used()).map(|(after, _)| after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(before: u64, after: u64) -> Usage {
        let stored = |rows| Stored { rows, bytes: rows * 10 };
        let quota = Quota { rows_max: Some(100), bytes_max: None };
        Usage { quota, before: stored(before), after: stored(after) }
    }

    #[test]
    fn a_total_may_come_to_its_bound_but_not_grow_past_it() {
        for (before, after, may) in
            [(0, 100, true), (99, 101, false), (100, 101, false), (150, 150, true), (150, 149, true), (150, 151, false)]
        {
            assert_eq!(usage(before, after).check().is_ok(), may, "from {before} to {after}");
        }
        let without = Usage { quota: Quota::default(), ..usage(0, u64::MAX / 100) };
        assert_eq!(without.check(), Ok(()));
    }

    #[test]
    fn each_total_has_its_own_bound() {
        let quota = Quota { rows_max: Some(100), bytes_max: Some(50) };
        let (before, after) = (Stored { rows: 5, bytes: 40 }, Stored { rows: 4, bytes: 51 });
        let failure = Usage { quota, before, after }.check().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Full);
        let said = "the processor may keep 50 bytes (quotas.stored-bytes): it keeps 40, and this adds 11";
        assert_eq!(failure.cause, said);
        let hint = failure.hint.unwrap();
        let ways = ["raise quotas.stored-bytes", "a component that keeps less", "dropping parked events"];
        let places = ways.map(|way| hint.find(way).unwrap());
        assert!(places.is_sorted(), "not everybody has parked events: {hint}");
    }

    #[test]
    fn a_total_is_near_its_bound_from_80_per_cent_on_and_that_is_said_when_it_is_reached() {
        for (before, after, said) in [(0, 79, 0), (79, 80, 1), (80, 81, 0), (0, 100, 1), (90, 10, 0)] {
            assert_eq!(usage(before, after).reached().count(), said, "from {before} to {after}");
        }
        let share = usage(0, 87).quota.shares(Stored { rows: 87, bytes: 0 }).next().unwrap();
        assert_eq!((share.percent(), share.to_string()), (87, "87 of 100 rows (quotas.stored-rows)".to_owned()));
    }
}
