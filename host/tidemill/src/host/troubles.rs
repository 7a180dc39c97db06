//! The troubles: why something waits although it runs. A host that runs keeps them in a small file beside its database, where
//! `status` finds them. Nothing depends on the file: it is never synced, and removed at the end.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tidemill_pipeline::{Failure, ProcessorName};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{listing::FeedListing, runner::RunnerState};
use crate::output::shorten;

/// How often it is looked whether something changed. The file is written at most as often.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Troubles that are kept. More say the same.
const TROUBLES_MAX: usize = 1_000;
/// The longest cause and the longest hint, in characters: the log has them whole.
const CAUSE_CHARS_MAX: usize = 2_000;
const HINT_CHARS_MAX: usize = 500;
/// The longest file that is read: room for as many troubles as there may be.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why something waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trouble {
    /// None if the feed cannot even be discovered, whoever reads it.
    pub(crate) processor: Option<String>,
    /// None if it is the processor's own: its component does not load, or somebody else has it.
    pub(crate) feed: Option<String>,
    pub(crate) partition: Option<String>,
    pub(crate) kind: String,
    pub(crate) cause: String,
    pub(crate) hint: Option<String>,
    /// Since when it is this one.
    pub(crate) since: String,
}

/// What is looked at.
pub(super) struct Watched {
    pub(super) states: BTreeMap<ProcessorName, watch::Receiver<RunnerState>>,
    pub(super) listings: Vec<Arc<FeedListing>>,
}

fn file(data: &Path) -> PathBuf {
    data.join("troubles.json")
}

/// What the host that runs on a data directory has to complain of. Nothing if that cannot be read: it is only said.
pub(crate) fn read(data: &Path) -> Vec<Trouble> {
    let file = file(data);
    let small = fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
    let text = if small { fs::read(file).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Forgets what was said.
pub(super) fn forget(data: &Path) {
    match fs::remove_file(file(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(%error, "the troubles of the host before cannot be removed");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Keeps the file in step for as long as it is polled.
pub(super) async fn keep(data: PathBuf, watched: Watched) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: Vec<Trouble> = Vec::new();
    loop {
        looks.tick().await;
        let found = watched.look(&known);
        if found == known {
            continue;
        }
        let (data, troubles) = (data.clone(), found.clone());
        match tokio::task::spawn_blocking(move || write(&data, &troubles)).await {
            Ok(Ok(())) => known = found,
            Ok(Err(error)) => tracing::debug!(%error, "the troubles cannot be kept for `status`"),
            Err(error) => tracing::debug!(%error, "the troubles were not kept for `status`"),
        }
    }
}

fn write(data: &Path, troubles: &[Trouble]) -> io::Result<()> {
    if troubles.is_empty() {
        forget(data);
        return Ok(());
    }
    let mut new = tempfile::NamedTempFile::new_in(data)?;
    new.write_all(&serde_json::to_vec(troubles)?)?;
    new.persist(file(data))?;
    Ok(())
}

impl Watched {
    /// What there is to complain of. Who said the same before goes on saying it since then.
    fn look(&self, known: &[Trouble]) -> Vec<Trouble> {
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let feeds = self.listings.iter().filter_map(|listing| {
            let failure = listing.trouble()?;
            Some(trouble(None, Some(listing.name.as_str()), None, &failure, &now))
        });
        let processors = self.states.iter().filter_map(|(processor, state)| {
            let failure = state.borrow().trouble()?;
            Some(trouble(Some(processor.as_str()), None, None, &failure, &now))
        });
        let mut found: Vec<Trouble> = feeds.chain(processors).collect();
        for (processor, state) in &self.states {
            let RunnerState::Running(running) = &*state.borrow() else { continue };
            for (key, failure) in running.troubles() {
                let (feed, partition) = (Some(key.feed.as_str()), Some(key.partition.as_str()));
                found.push(trouble(Some(processor.as_str()), feed, partition, &failure, &now));
            }
        }
        found.truncate(TROUBLES_MAX);
        since_then(&mut found, known);
        found
    }
}

/// Who said the same before says it since then. A thousand may have to, twice a second, beside the batches.
fn since_then(found: &mut [Trouble], known: &[Trouble]) {
    let known: HashMap<_, _> = known.iter().map(|known| (known.said(), &known.since)).collect();
    for trouble in found {
        let since = known.get(&trouble.said()).copied().cloned();
        trouble.since = since.unwrap_or_else(|| std::mem::take(&mut trouble.since));
    }
}

impl Trouble {
    /// All but since when.
    fn said(&self) -> [Option<&str>; 6] {
        let Self { processor, feed, partition, kind, cause, hint, since: _ } = self;
        [processor.as_deref(), feed.as_deref(), partition.as_deref(), Some(kind), Some(cause), hint.as_deref()]
    }
}

fn trouble(
    processor: Option<&str>,
    feed: Option<&str>,
    partition: Option<&str>,
    failure: &Failure,
    now: &str,
) -> Trouble {
    Trouble {
        processor: processor.map(str::to_owned),
        feed: feed.map(str::to_owned),
        partition: partition.map(str::to_owned),
        kind: failure.kind.as_str().to_owned(),
        cause: shorten(&failure.cause, CAUSE_CHARS_MAX).into_owned(),
        hint: failure.hint.as_deref().map(|hint| shorten(hint, HINT_CHARS_MAX).into_owned()),
        since: now.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tidemill_pipeline::{FailureKind, Stage};

    use super::*;

    fn about(partition: usize, cause: &str, now: &str) -> Trouble {
        let failure = Failure::new(FailureKind::Unavailable, Stage::Fetch, cause).hint(cause);
        trouble(Some("totals"), Some("orders"), Some(&partition.to_string()), &failure, now)
    }

    #[test]
    fn as_many_and_as_long_as_there_may_be_are_read_back() {
        let data = tempfile::tempdir().unwrap();
        for cause in ["\u{1}", "\u{1f980}"] {
            let cause = cause.repeat(64 * 1024);
            let all: Vec<_> = (0..TROUBLES_MAX).map(|number| about(number, &cause, "now")).collect();
            write(data.path(), &all).unwrap();
            assert_eq!(read(data.path()), all);
        }
        write(data.path(), &[]).unwrap();
        assert!(read(data.path()).is_empty() && fs::read_dir(data.path()).unwrap().next().is_none());
    }

    #[test]
    fn half_a_file_or_another_one_says_nothing() {
        let data = tempfile::tempdir().unwrap();
        for text in ["", "[{\"feed\":", "{}", "[1]", "\u{0}"] {
            fs::write(file(data.path()), text).unwrap();
            assert!(read(data.path()).is_empty(), "{text}");
        }
    }

    #[test]
    fn who_says_the_same_says_it_since_then_and_who_says_something_else_since_now() {
        let known = [about(0, "away", "then"), about(1, "away", "then")];
        let mut found = [about(1, "away", "now"), about(0, "broken", "now"), about(2, "away", "now")];
        since_then(&mut found, &known);
        assert_eq!(found.map(|trouble| trouble.since), ["then", "now", "now"]);
    }
}
