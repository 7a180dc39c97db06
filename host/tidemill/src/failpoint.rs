//! What is to go wrong in this process, from the environment. Only test builds have this.
//!
//! `TIDEMILL_KILL_AT=before-writes:3` kills the process when it reaches that point for the third time.
//! `TIDEMILL_BREAK=compare-and-set` breaks that rule.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::process::{Signal, getpid, kill_process};
use tidemill_pipeline::failpoint::{Plan, arm};

/// Reads the plan, if there is one.
pub fn arm_from_environment() {
    let (kill_at, broken_rule) = (env::var("TIDEMILL_KILL_AT").ok(), env::var("TIDEMILL_BREAK").ok());
    if kill_at.is_none() && broken_rule.is_none() {
        return;
    }
    let kill_at = kill_at.unwrap_or_default();
    let (point, time) = kill_at.split_once(':').unwrap_or((&kill_at, "1"));
    let (point, time) = (point.to_owned(), time.parse().unwrap_or(1));
    let reached = AtomicU64::new(0);
    let at_point = Box::new(move |name: &'static str| {
        if name == point && reached.fetch_add(1, Ordering::Relaxed) + 1 == time {
            // As the kernel kills: no destructor runs and nothing is flushed.
            if let Err(error) = kill_process(getpid(), Signal::KILL) {
                tracing::error!(%error, "the process could not kill itself");
            }
        }
    });
    arm(Plan { at_point, broken_rule });
}
