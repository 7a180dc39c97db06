//! Failpoints: named places where a test build can be killed, and rules that it can be told to break.
//!
//! They are for the fault matrix (`cargo xtask faults`): it kills a host at each [point](POINTS), and it breaks each
//! [rule](RULES) on purpose to see that it notices. A release build has neither: both questions are constants there.

/// The places along the straight line where a host can be killed, in their order.
pub const POINTS: [&str; 1] = ["before-writes"];

/// The rules that a test build can be told to break, each of which the fault matrix must find broken.
pub const RULES: [&str; 7] = [
    // A commit is a compare-and-set: broken, whatever the generation is now is taken for the one that was seen.
    "compare-and-set",
    // Writes and cursor are one transaction: broken, the cursor is committed and the writes are left out.
    "cursor-with-writes",
    // A span ends with a checkpoint: broken, events behind the last checkpoint of a broken page are applied, too.
    "whole-spans",
    // Host calls cost fuel: broken, a component may ask the host for nothing as often as it likes.
    "host-calls-cost",
    // A call ends with its time: broken, it may take ten times as long.
    "call-time",
    // The writes of a rejected call are dropped: broken, they are kept for the next call.
    "rejected-writes",
    // Doubtful processors leave a thread to the others: broken, they may have all.
    "doubtful-share",
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
    use std::sync::OnceLock;

    /// What is to go wrong in this process.
    pub struct Plan {
        /// Called at every point, with its name.
        pub at_point: Box<dyn Fn(&'static str) + Send + Sync>,
        /// The rule to break, if one is.
        pub broken_rule: Option<String>,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();

    /// Says what is to go wrong in this process. Only the first call counts.
    pub fn arm(plan: Plan) {
        // There is one plan for a process: whoever comes second has come too late.
        drop(PLAN.set(plan));
    }

    pub(super) fn reach(point: &'static str) {
        debug_assert!(super::POINTS.contains(&point), "`{point}` is no failpoint");
        if let Some(plan) = PLAN.get() {
            (plan.at_point)(point);
        }
    }

    pub(super) fn breaks(rule: &'static str) -> bool {
        debug_assert!(super::RULES.contains(&rule), "`{rule}` is no rule that can be broken");
        PLAN.get().is_some_and(|plan| plan.broken_rule.as_deref() == Some(rule))
    }
}
