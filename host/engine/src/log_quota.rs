//! The log quota: how many lines a processor may write in a minute, whichever of its calls they come from.
//!
//! What stops is the writing, never the call: a component is not told, and its results do not depend on it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tidemill_pipeline::{ProcessorName, nearly};
use tokio::sync::Notify;

/// The time that lines are counted over. It begins with a line, and the next begins with the first line after it.
const MINUTE: Duration = Duration::from_mins(1);

/// The lines of a processor. All its calls share it, and all components that it has one after the other.
#[derive(Debug)]
pub struct LogQuota {
    lines_max: u32,
    minute: Mutex<Minute>,
    /// Told when the first line of a minute is left out.
    full: Notify,
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
        Self { lines_max, minute: Mutex::default(), full: Notify::new() }
    }

    /// Waits until lines are left out, and gives the moment at which their minute is over. Then
    /// [`tell_ended`](Self::tell_ended) says how many they were. May be dropped at any moment; one waits at a time.
    pub async fn full_until(&self) -> Instant {
        loop {
            if let Some(over) = self.minute().full_until() {
                return over;
            }
            self.full.notified().await;
        }
    }

    /// Says in the host's log how many lines were left out in a minute that is over, if nobody said it yet.
    pub fn tell_ended(&self, processor: &ProcessorName, now: Instant) {
        let left_out = self.minute().end(now);
        tell(processor.as_str(), left_out);
    }

    /// Says it of the minute that is not over too: no further line comes.
    pub fn tell_rest(&self, processor: &ProcessorName) {
        let left_out = self.minute().begin_anew();
        tell(processor.as_str(), left_out);
    }

    pub(crate) fn lines_max(&self) -> u32 {
        self.lines_max
    }

    /// Counts a line, and says what becomes of it. If a minute was over before it, it is said how many that one left out.
    pub(crate) fn admit(&self, processor: &str, now: Instant) -> Admission {
        let (admission, left_out) = self.count(now);
        tell(processor, left_out);
        if admission == Admission::Full {
            self.full.notify_one();
        }
        admission
    }

    fn count(&self, now: Instant) -> (Admission, Option<u64>) {
        let mut minute = self.minute();
        let left_out = minute.end(now);
        (minute.admit(now, self.lines_max), left_out)
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says how many lines were left out, if any were.
fn tell(processor: &str, left_out: Option<u64>) {
    if let Some(lines) = left_out {
        tracing::warn!(processor, lines, setting = "quotas.log-lines", "log lines of the processor were left out");
    }
}

impl Minute {
    /// Begins another minute if this one is over, and says how many lines it has left out, if any.
    fn end(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) < MINUTE) {
            return None;
        }
        self.begin_anew()
    }

    /// Begins another minute, and says how many lines this one has left out, if any.
    fn begin_anew(&mut self) -> Option<u64> {
        let left_out = std::mem::take(self).left_out;
        (left_out > 0).then_some(left_out)
    }

    /// When it is over, if it leaves lines out.
    fn full_until(&self) -> Option<Instant> {
        self.began.filter(|_| self.left_out > 0).map(|began| began + MINUTE)
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
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn a_minute_has_so_many_lines_with_a_warning_before_and_a_count_of_the_others_after() {
        use Admission::{Full, LeftOut, Nearly, Written};
        let (quota, began) = (LogQuota::new(5), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let left_out = |seconds| quota.minute().end(at(seconds));
        let seen: Vec<_> = (0..8).map(|second| quota.count(at(second)).0).collect();
        assert_eq!(seen, [Written, Written, Written, Nearly, Written, Full, LeftOut, LeftOut]);
        assert_eq!((quota.count(at(59)).0, left_out(59)), (LeftOut, None));
        assert_eq!((left_out(60), left_out(60)), (Some(4), None));
        assert_eq!(quota.count(at(100)), (Written, None), "the next minute begins with its first line");
        let seen: Vec<_> = (0..5).map(|_| quota.count(at(159)).0).collect();
        assert_eq!(seen, [Written, Written, Nearly, Written, Full]);
        assert_eq!(quota.count(at(160)), (Written, Some(1)), "a line tells of those before it");
    }

    #[test]
    fn a_clock_that_goes_back_ends_no_minute() {
        let (quota, before) = (LogQuota::new(1), Instant::now());
        assert_eq!(quota.count(before + MINUTE).0, Admission::Nearly);
        assert_eq!(quota.count(before).0, Admission::Full);
        assert_eq!(quota.minute().end(before), None);
    }

    #[test]
    fn who_waits_hears_when_a_minute_leaves_lines_out_until_when_and_once() {
        let (quota, began) = (LogQuota::new(1), Instant::now());
        let heard = || pin!(quota.full_until()).poll(&mut Context::from_waker(Waker::noop()));
        quota.admit("p", began);
        assert_eq!(heard(), Poll::Pending, "nothing is left out yet");
        let mut waits = pin!(quota.full_until());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        quota.admit("p", began);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(began + MINUTE));
        assert_eq!(heard(), Poll::Ready(began + MINUTE), "who was dropped before it was said hears it again");
        quota.tell_ended(&ProcessorName::new("p"), began + MINUTE);
        assert_eq!(heard(), Poll::Pending, "it was said");
    }
}
