//! Back-off: how long to wait before the same thing is done again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Exponential delays with full jitter and a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first delay, before jitter.
    pub delay_min: Duration,
    /// No delay is longer, unless the other side asked for it.
    pub delay_max: Duration,
    /// The longest wait that another side may ask for (`Retry-After`, a component's `after-ms`).
    pub asked_max: Duration,
    /// The seed of the jitter; none takes a random one.
    pub jitter_seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_secs(30),
            asked_max: Duration::from_hours(1),
            jitter_seed: None,
        }
    }
}

/// The delays of failures that follow each other.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    delays: ExponentialBackoff,
    failures: u32,
}

impl Backoff {
    /// Delays by a policy.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, delays: delays(policy), failures: 0 }
    }

    /// The delay after one more failure: not shorter than what the other side asked for, within the policy's bounds.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let own = self.delays.next().unwrap_or(self.policy.delay_max).min(self.policy.delay_max);
        let wait = asked.map_or(own, |asked| own.max(asked.min(self.policy.asked_max)));
        // Timers tick in whole milliseconds; parts of one would be rounded by chance.
        Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    /// How many failures followed each other.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something went well: the next delay is short again.
    pub fn reset(&mut self) {
        if self.failures > 0 {
            *self = Self::new(self.policy);
        }
    }
}

fn delays(policy: RetryPolicy) -> ExponentialBackoff {
    let builder = ExponentialBuilder::new()
        .with_min_delay(policy.delay_min)
        .with_max_delay(policy.delay_max)
        .without_max_times()
        .with_jitter();
    match policy.jitter_seed {
        Some(seed) => builder.with_jitter_seed(seed).build(),
        None => builder.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_cap_and_honour_what_was_asked_within_a_bound() {
        let mut backoff = Backoff::new(RetryPolicy { asked_max: Duration::from_mins(1), ..RetryPolicy::default() });
        let delays: Vec<_> = (0..20).map(|_| backoff.next(None)).collect();
        assert!(delays[0] >= Duration::from_millis(100) && delays[0] <= Duration::from_millis(200), "{delays:?}");
        assert_eq!(delays[19], Duration::from_secs(30));
        assert_eq!(backoff.next(Some(Duration::from_secs(45))), Duration::from_secs(45));
        assert_eq!(backoff.next(Some(Duration::from_secs(9999))), Duration::from_mins(1));
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_millis(200));
    }
}
