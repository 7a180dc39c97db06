//! How long a host's call threads waited for a core: on a busy machine a call takes longer for that, and is not to blame.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    time::{Duration, Instant},
};

/// Longer than any call that keeps to its time, and what it waits.
const WINDOW: Duration = Duration::from_secs(1);

/// Samples of what the system says of each thread.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    samples: VecDeque<(Instant, HashMap<String, Duration>)>,
    longest: Duration,
}

impl Queued {
    /// Looks at a process now. It should be looked at several times a second.
    pub(crate) fn look(&mut self, process: u32) {
        let now = (Instant::now(), waits(process).unwrap_or_default());
        while self.samples.front().is_some_and(|(then, _)| now.0 - *then > WINDOW) {
            self.samples.pop_front();
        }
        for (_, then) in &self.samples {
            let waited = now
                .1
                .iter()
                .map(|(thread, wait)| (*wait).checked_sub(then.get(thread).copied().unwrap_or(*wait)).unwrap());
            self.longest = self.longest.max(waited.max().unwrap_or_default());
        }
        self.samples.push_back(now);
    }

    /// The longest that a thread waited within about a second.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
}

/// What each call thread waited so far; none where the system does not say.
fn waits(process: u32) -> Option<HashMap<String, Duration>> {
    let mut waits = HashMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let path = task.ok()?.path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        if name.starts_with("engine-") {
            // Time on a core, time in the queue, turns.
            let times = fs::read_to_string(path.join("schedstat")).ok()?;
            let waited = times.split_whitespace().nth(1)?.parse().ok()?;
            waits.insert(path.display().to_string(), Duration::from_nanos(waited));
        }
    }
    Some(waits)
}
