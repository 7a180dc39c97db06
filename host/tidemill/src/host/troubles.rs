//! The troubles: why something waits although it runs. A host that runs keeps them in a small file beside its database, where
//! `status` finds them. Nothing depends on the file: it is never synced, and removed at the end.

use std::{
    collections::BTreeMap,
    fs, io,
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

/// How often it is looked whether something changed. The file is written at most as often.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Troubles that are kept. More say the same.
const TROUBLES_MAX: usize = 1_000;
/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why something waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trouble {
    /// None if the feed cannot even be discovered, whoever reads it.
    pub(crate) processor: Option<String>,
    pub(crate) feed: String,
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
    let new = tempfile::NamedTempFile::new_in(data)?;
    serde_json::to_writer(&new, troubles)?;
    new.persist(file(data))?;
    Ok(())
}

impl Watched {
    /// What there is to complain of. Who said the same before goes on saying it since then.
    fn look(&self, known: &[Trouble]) -> Vec<Trouble> {
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let feeds = self.listings.iter().filter_map(|listing| {
            let failure = listing.trouble()?;
            Some(trouble(None, listing.name.as_str(), None, &failure, &now))
        });
        let mut found: Vec<Trouble> = feeds.collect();
        for (processor, state) in &self.states {
            let RunnerState::Running(running) = &*state.borrow() else { continue };
            for (key, seen) in running.seen() {
                let (feed, partition) = (key.feed.as_str(), key.partition.as_str());
                let failures = seen.feed_trouble.iter().chain(&seen.trouble);
                found.extend(
                    failures.map(|failure| trouble(Some(processor.as_str()), feed, Some(partition), failure, &now)),
                );
            }
        }
        found.truncate(TROUBLES_MAX);
        for trouble in &mut found {
            let same = |known: &&Trouble| Trouble { since: trouble.since.clone(), ..(*known).clone() } == *trouble;
            if let Some(known) = known.iter().find(same) {
                trouble.since.clone_from(&known.since);
            }
        }
        found
    }
}

fn trouble(processor: Option<&str>, feed: &str, partition: Option<&str>, failure: &Failure, now: &str) -> Trouble {
    Trouble {
        processor: processor.map(str::to_owned),
        feed: feed.to_owned(),
        partition: partition.map(str::to_owned),
        kind: failure.kind.as_str().to_owned(),
        cause: failure.cause.clone(),
        hint: failure.hint.clone(),
        since: now.to_owned(),
    }
}
