//! Progress on a terminal: a line per partition, with its rate. Quiet when nobody looks.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, IsTerminal as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidemill_pipeline::{PartitionKey, ProcessorName, Status};

/// The most lines that are drawn. Terminals are not higher.
const LINES_MAX: usize = 16;

/// How often lines are drawn at most; new counts in between are left out.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Where one partition of one processor stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The processor.
    pub processor: ProcessorName,
    /// The feed and partition.
    pub key: PartitionKey,
    /// Events committed since this host started.
    pub events: u64,
    /// Events or time behind the feed, in words; none when unknown.
    pub lag: Option<String>,
    /// Whether it runs.
    pub status: Status,
}

/// Draws progress on standard error if that is a terminal, and nothing else if it is not. Clones draw together.
#[derive(Clone, Debug)]
pub struct Progress {
    lines: MultiProgress,
    drawn: Option<Arc<Mutex<Drawn>>>,
}

#[derive(Debug, Default)]
struct Drawn {
    bars: Vec<ProgressBar>,
    counts: HashMap<(ProcessorName, PartitionKey), u64>,
    at: Option<Instant>,
}

impl Progress {
    /// Draws if standard error is a terminal.
    #[must_use]
    pub fn for_terminal() -> Self {
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if io::stderr().is_terminal() && capable {
            Self {
                lines: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5)),
                drawn: Some(Arc::default()),
            }
        } else {
            Self::quiet()
        }
    }

    /// Draws nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { lines: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), drawn: None }
    }

    /// Whether feeding it is worth the work.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// Draws where everything stands. May be called as often as one likes; five times a second is enough.
    pub fn show(&self, snapshots: &[Snapshot]) {
        let Some(drawn) = &self.drawn else { return };
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = drawn.at.map(|at| now.duration_since(at));
        if elapsed.is_some_and(|elapsed| elapsed < DRAW_INTERVAL) {
            return;
        }
        let texts = lines(snapshots, &drawn.counts, elapsed);
        while drawn.bars.len() < texts.len() {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            drawn.bars.push(self.lines.add(ProgressBar::new_spinner().with_style(style)));
        }
        for (place, bar) in drawn.bars.iter().enumerate() {
            bar.set_message(texts.get(place).cloned().unwrap_or_default());
            bar.tick();
        }
        drawn.counts = snapshots.iter().map(|now| ((now.processor.clone(), now.key.clone()), now.events)).collect();
        drawn.at = Some(now);
    }

    /// Writes something else to the terminal, with the progress out of the way.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.is_drawn() { self.lines.suspend(write) } else { write() }
    }

    /// Takes the lines away: work has ended.
    pub fn clear(&self) {
        let Some(drawn) = &self.drawn else { return };
        drawn.lock().unwrap_or_else(PoisonError::into_inner).bars.clear();
        // A terminal that cannot be cleared any more is one that nobody looks at.
        drop(self.lines.clear());
    }
}

/// What is drawn: a line for each partition, and one for all.
fn lines(
    snapshots: &[Snapshot],
    before: &HashMap<(ProcessorName, PartitionKey), u64>,
    elapsed: Option<Duration>,
) -> Vec<String> {
    let gained = |now: &Snapshot| {
        let before = before.get(&(now.processor.clone(), now.key.clone())).copied();
        now.events.saturating_sub(before.unwrap_or(now.events))
    };
    let mut lines = Vec::new();
    for now in snapshots.iter().take(LINES_MAX) {
        let mut line = format!(
            "{:<20} {:<24} {:>13} events {:>11}/s  {}",
            now.processor.as_str(),
            format!("{}/{}", now.key.feed, now.key.partition),
            now.events,
            rate(gained(now), elapsed),
            now.status,
        );
        if let Some(lag) = &now.lag {
            write!(line, ", {lag} behind").expect("writing to a string");
        }
        lines.push(line);
    }
    if snapshots.len() > LINES_MAX {
        lines.push(format!("… and {} more partitions", snapshots.len() - LINES_MAX));
    }
    if snapshots.len() > 1 {
        let (events, all) = snapshots.iter().fold((0, 0), |(sum, rate), now| (sum + now.events, rate + gained(now)));
        lines.push(format!("{:<45} {events:>13} events {:>11}/s", "all", rate(all, elapsed)));
    }
    lines
}

fn rate(events: u64, elapsed: Option<Duration>) -> u64 {
    let Some(elapsed) = elapsed.filter(|elapsed| !elapsed.is_zero()) else { return 0 };
    u64::try_from(u128::from(events) * 1_000_000_000 / elapsed.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tidemill_pipeline::{FeedName, PartitionId};

    use super::*;

    fn snapshot(partition: &str, events: u64) -> Snapshot {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new(partition) };
        let lag = (partition == "1").then(|| "40 events".to_owned());
        Snapshot { processor: ProcessorName::new("totals"), key, events, lag, status: Status::Running }
    }

    #[test]
    fn each_partition_has_a_line_and_all_together_have_one() {
        let counts = |snapshots: &[Snapshot]| {
            snapshots.iter().map(|now| ((now.processor.clone(), now.key.clone()), now.events)).collect()
        };
        let before = counts(&[snapshot("0", 100), snapshot("1", 0)]);
        let now = [snapshot("0", 1_100), snapshot("1", 500)];
        insta::assert_snapshot!(lines(&now, &before, Some(Duration::from_millis(500))).join("\n"));
    }

    #[test]
    fn many_partitions_do_not_fill_the_terminal() {
        let many: Vec<_> = (0..100).map(|partition| snapshot(&partition.to_string(), 1)).collect();
        let lines = lines(&many, &HashMap::new(), None);
        assert_eq!(lines.len(), LINES_MAX + 2);
        assert_eq!(lines[LINES_MAX], "… and 84 more partitions");
    }

    #[test]
    fn nothing_is_drawn_when_nobody_looks() {
        let progress = Progress::quiet();
        progress.show(&[snapshot("0", 1)]);
        assert!(!progress.is_drawn());
        assert_eq!(progress.beside(|| 7), 7);
    }
}
