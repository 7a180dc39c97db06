//! The log quota: how many lines a processor may write in a minute, whichever of its calls they come from.
//!
//! What stops is the writing, never the call: a component is not told, and its results do not depend on it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tidemill_pipeline::nearly;

/// The time that lines are counted over. It begins with a line, and the next begins with the first line after it.
const MINUTE: Duration = Duration::from_mins(1);

/// The lines of a processor. All its calls share it, and all components that it has one after the other.
#[derive(Debug)]
pub struct LogQuota {
    lines_max: u32,
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is written.
    Written,
    /// It is written, and with it nearly all are that may be in this minute.
    Nearly,
    /// It is the first that is left out in this minute.
    Full,
    /// It is left out, as others before it.
    LeftOut,
}

impl LogQuota {
    /// So many lines in a minute.
    #[must_use]
    pub fn new(lines_max: u32) -> Self {
        Self { lines_max, minute: Mutex::default() }
    }

    pub(crate) fn lines_max(&self) -> u32 {
        self.lines_max
    }

    /// How many lines were left out in the minute before, if it has ended with some, and nobody was told yet.
    pub(crate) fn left_out(&self, now: Instant) -> Option<u64> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner).end(now)
    }

    /// Counts a line, and says what becomes of it; and how many were [left out](Self::left_out) in the minute before.
    pub(crate) fn admit(&self, now: Instant) -> (Admission, Option<u64>) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = minute.end(now);
        (minute.admit(now, self.lines_max), left_out)
    }
}

impl Minute {
    /// Begins another minute if this one is over, and says how many lines it has left out, if any.
    fn end(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) < MINUTE) {
            return None;
        }
        let left_out = std::mem::take(self).left_out;
        (left_out > 0).then_some(left_out)
    }

    /// Counts a line.
    fn admit(&mut self, now: Instant, lines_max: u32) -> Admission {
        self.began.get_or_insert(now);
        if self.lines >= lines_max {
            self.left_out += 1;
            return if self.left_out == 1 { Admission::Full } else { Admission::LeftOut };
        }
        let before = self.lines;
        self.lines += 1;
        let near = |lines: u32| nearly(lines.into(), lines_max.into());
        if near(self.lines) && (before == 0 || !near(before)) { Admission::Nearly } else { Admission::Written }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_lines_with_a_warning_before_and_a_count_of_the_others_after() {
        use Admission::{Full, LeftOut, Nearly, Written};
        let (quota, began) = (LogQuota::new(5), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let seen: Vec<_> = (0..8).map(|second| quota.admit(at(second)).0).collect();
        assert_eq!(seen, [Written, Written, Written, Nearly, Written, Full, LeftOut, LeftOut]);
        assert_eq!((quota.admit(at(59)).0, quota.left_out(at(59))), (LeftOut, None));
        assert_eq!((quota.left_out(at(60)), quota.left_out(at(60))), (Some(4), None));
        assert_eq!(quota.admit(at(100)), (Written, None), "the next minute begins with its first line");
        let seen: Vec<_> = (0..5).map(|_| quota.admit(at(159)).0).collect();
        assert_eq!(seen, [Written, Written, Nearly, Written, Full]);
        assert_eq!(quota.admit(at(160)), (Written, Some(1)), "a line tells of those before it");
    }

    #[test]
    fn a_clock_that_goes_back_ends_no_minute() {
        let (quota, before) = (LogQuota::new(1), Instant::now());
        assert_eq!(quota.admit(before + MINUTE).0, Admission::Nearly);
        assert_eq!(quota.admit(before).0, Admission::Full);
        assert_eq!(quota.left_out(before), None);
    }
}
