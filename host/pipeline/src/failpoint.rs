//! Failpoints: named places where a test build can be killed, and rules that it can be told to break.
//!
//! They are for the fault matrix (`cargo xtask faults`): it kills a host at each [point](POINTS), and it breaks each
//! [rule](RULES) on purpose to see that it notices. A release build has neither: both questions are constants there.

/// The places along the straight line where a host can be killed, in their order: the name, and the file where it is
/// planted.
pub const POINTS: [(&str, &str); 32] = [
    ("before-migration", "host/store/src/schema.rs"),
    ("in-migration", "host/store/src/schema.rs"),
    ("after-migration", "host/store/src/schema.rs"),
    ("before-fetch", "host/pipeline/src/fetch.rs"),
    ("in-page", "host/feeds/src/flight.rs"),
    ("after-fetch", "host/pipeline/src/fetch.rs"),
    ("before-process", "host/pipeline/src/line.rs"),
    ("culprit-found", "host/pipeline/src/apply.rs"),
    ("after-process", "host/pipeline/src/line.rs"),
    ("before-begin", "host/store/src/writer.rs"),
    ("after-begin", "host/store/src/writer.rs"),
    ("state-moved", "host/store/src/apply.rs"),
    ("before-writes", "host/store/src/apply.rs"),
    ("after-writes", "host/store/src/apply.rs"),
    ("settled", "host/store/src/parked.rs"),
    ("parked", "host/store/src/parked.rs"),
    ("opened", "host/store/src/apply.rs"),
    ("after-lineage", "host/store/src/apply.rs"),
    ("before-commit", "host/store/src/writer.rs"),
    ("after-commit", "host/store/src/writer.rs"),
    ("before-reply", "host/store/src/writer.rs"),
    ("after-reply", "host/pipeline/src/progress.rs"),
    ("before-finish", "host/pipeline/src/line.rs"),
    ("after-finish", "host/pipeline/src/line.rs"),
    ("component-kept", "host/tidemill/src/host/components.rs"),
    ("component-swapped", "host/tidemill/src/host/running.rs"),
    ("component-accepted", "host/tidemill/src/host/running.rs"),
    ("before-request", "host/tidemill/src/host/requests.rs"),
    ("in-request", "host/store/src/effects.rs"),
    ("after-request", "host/tidemill/src/host/requests.rs"),
    ("retry-processed", "host/pipeline/src/retry.rs"),
    ("before-answer", "host/tidemill/src/host/requests.rs"),
];

/// The rules that a test build can be told to break, each of which the fault matrix must find broken.
pub const RULES: [&str; 21] = [
    // A commit is a compare-and-set: broken, whatever the epoch and the generations are now is taken for those that were
    // seen. All three at once, for each of them would still fence off what the others let pass.
    "compare-and-set",
    // Writes and cursor are one transaction: broken, the cursor is committed and the writes are left out.
    "cursor-with-writes",
    // Parked events and cursor are one transaction: broken, the cursor moves over the event and its row is left out.
    "parked-with-cursor",
    // A retried event's writes and the end of its parking are one transaction: broken, it stays parked.
    "settled-with-writes",
    // A component that does not load changes nothing: broken, the processor's workers stop.
    "old-component-goes-on",
    // A backup is one moment: broken, its checkpoints are those of a moment later.
    "backup-of-one-moment",
    // After a failed fsync nobody knows what the disk has: broken, the store goes on, and the next fsync is a retry.
    "failed-sync-stops",
    // Names lead to the files that are open: broken, a host writes on into files that were removed.
    "files-still-there",
    // A commit with durability `full` is on the disk before it is said to be done: broken, nothing waits for the disk.
    "full-synchronous",
    // A span ends with a checkpoint: broken, events behind the last checkpoint of a broken page are applied, too.
    "whole-spans",
    // A line belongs to the partition that was asked for: broken, those of others are applied, too.
    "own-partition",
    // What a publisher says with `Retry-After` is heard: broken, it is not.
    "retry-after",
    // Requests stay within the feed's origin: broken, a redirect to another one is followed, credentials and all.
    "one-origin",
    // An answer has an end: broken, silence within one lasts for as long as the publisher likes.
    "time-outs",
    // The children of a closed partition begin when it was read to its end: broken, they begin at once.
    "parents-first",
    // Host calls cost fuel: broken, a component may ask the host for nothing as often as it likes.
    "host-calls-cost",
    // A call ends with its time: broken, it may take ten times as long.
    "call-time",
    // The writes of a rejected call are dropped: broken, they are kept for the next call.
    "rejected-writes",
    // Doubtful processors have threads of their own: broken, they share those of all others.
    "doubtful-share",
    // A component file has a largest size: broken, what is larger is looked at nevertheless.
    "component-size",
    // Cached code is run only if it is what was kept: broken, its hash is not looked at.
    "code-hashes",
];

/// Says that a point is reached. What is done there was said with [`arm`].
#[inline]
pub fn reach(point: &'static str) {
    #[cfg(debug_assertions)]
    plan::reach(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// Whether this rule is to be broken.
#[inline]
#[must_use]
pub fn breaks(rule: &'static str) -> bool {
    #[cfg(debug_assertions)]
    return plan::breaks(rule);
    #[cfg(not(debug_assertions))]
    {
        let _ = rule;
        false
    }
}

#[cfg(debug_assertions)]
pub use plan::{Plan, arm};

#[cfg(debug_assertions)]
mod plan {
    use std::sync::{Arc, PoisonError, RwLock};

    /// What is to go wrong in this process.
    pub struct Plan {
        /// Called at every point, with its name.
        pub at_point: Box<dyn Fn(&'static str) + Send + Sync>,
        /// The rule to break, if one is.
        pub broken_rule: Option<String>,
    }

    static PLAN: RwLock<Option<Arc<Plan>>> = RwLock::new(None);

    /// Says what is to go wrong in this process from now on, instead of what was said before.
    pub fn arm(plan: Plan) {
        *PLAN.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(plan));
    }

    /// The plan. It is called without the lock: a point may wait for long.
    fn plan() -> Option<Arc<Plan>> {
        PLAN.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn reach(point: &'static str) {
        debug_assert!(super::POINTS.iter().any(|(name, _)| *name == point), "`{point}` is no failpoint");
        if let Some(plan) = plan() {
            (plan.at_point)(point);
        }
    }

    pub(super) fn breaks(rule: &'static str) -> bool {
        debug_assert!(super::RULES.contains(&rule), "`{rule}` is no rule that can be broken");
        plan().is_some_and(|plan| plan.broken_rule.as_deref() == Some(rule))
    }
}
