//! A power cut: the database as it may lie on the disk afterwards, opened, checked and gone on with.

mod history;
mod opened;
mod recording;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use self::{history::History, opened::Opened, recording::Recording};
use crate::{
    disk::{Disk, Record, Torn},
    fold,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "power-cut",
    fault: "power cut: all synced writes and a part of those since, torn at 512 bytes, with durability `normal` and `full`",
    unit: "images",
    invariant: "it opens, `integrity_check` is ok, the state is that of some commit; what was said to be done with `full`, and before an \
                operator was answered, is there; a host goes on from it to the exact end",
    full: 2_000,
    quick: 60,
    finds: &["cursor-with-writes", "full-synchronous", LYING_DISK],
    run,
};

/// Not the host's rule but the disk's: it says that a sync is done, and drops what was written.
const LYING_DISK: &str = "lying-disk";

/// Images of which one is gone on with.
const IMAGES_A_CONTINUATION: u64 = 100;
/// The least images that are gone on with.
const CONTINUATIONS_MIN: u64 = 2;

fn run(trial: &Trial) -> Result<Tally> {
    let lies = trial.broken == Some(LYING_DISK);
    let rule = trial.broken.filter(|_| !lies);
    let recording = recording_of(trial, rule)?;
    let history = History::of(&recording)?;
    let mut dice = trial.dice();
    let records = &recording.journal.records;
    let syncs: Vec<usize> = (0..records.len()).filter(|at| matches!(records[*at], Record::Synced { .. })).collect();
    // Half of the cuts fall just before a sync ends: there is most to lose.
    let cut = |dice: &mut fastrand::Rng| {
        if dice.bool() { syncs[dice.usize(..syncs.len())] } else { dice.usize(..=records.len()) }
    };
    let mut cuts: Vec<usize> = (0..trial.count).map(|_| cut(&mut dice)).collect();
    cuts.sort_unstable();
    let continued = (trial.count / IMAGES_A_CONTINUATION).max(CONTINUATIONS_MIN).min(trial.count);
    let mut tally = Tally::default();
    tally.add("records of the journal", records.len() as u64);
    tally.add("syncs", syncs.len() as u64);
    tally.add("commits", history.steps.len() as u64);
    let (mut disk, mut followed) = (Disk::new(lies), 0);
    for (number, cut) in (0_u64..).zip(cuts) {
        records[followed..cut].iter().for_each(|record| disk.follow(record));
        followed = cut;
        let (image, torn) = disk.image(&mut dice);
        check(&history, cut, &image, torn, &mut tally)
            .with_context(|| format!("image {number}, cut at record {cut}"))?;
        if trial.broken.is_none() && number % (trial.count / continued) == 0 {
            go_on(&recording, &image)?;
            tally.count("images that a host went on from to the exact end");
        }
        tally.tried += 1;
    }
    Ok(tally)
}

fn check(history: &History, cut: usize, image: &[(PathBuf, Vec<u8>)], torn: Torn, tally: &mut Tally) -> Result<()> {
    let directory = scratch()?;
    put(image, directory.path())?;
    let opened = Opened::open(directory.path())?;
    let found = history.find(cut, &opened)?;
    tally.add("writes kept", torn.kept);
    tally.add("writes dropped", torn.dropped);
    tally.add("writes torn", torn.halved);
    if torn != Torn::default() {
        tally.count("images with writes that were not synced");
    }
    if image.iter().any(|(path, content)| path.to_string_lossy().ends_with("-wal") && !content.is_empty()) {
        tally.count("images with a write-ahead log");
    }
    tally.count(&format!("images with durability `{}`", history.durability(cut)));
    tally.add("commits that a cut took back, none of them promised", found.lost);
    if found.promised > 0 {
        tally.count("images with promised commits");
    }
    Ok(())
}

/// A host goes on from the image, and ends as if nothing had been.
fn go_on(recording: &Recording, image: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let data = recording.project.path().join("data");
    for name in ["", "-wal", "-shm"] {
        let old = data.join(format!("tidemill.db{name}"));
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    put(image, &data)?;
    // An operator may have paused it; there may also be nothing yet that could be resumed.
    drop(recording.project.tidemill(&["resume", "ledger"]));
    recording.project.run_until_idle();
    fold::check(&recording.project, &recording.publisher)
}

/// A recording for this trial. Nothing about it depends on how the disk is, so one serves all trials of a seed in which the host
/// keeps the rules.
fn recording_of(trial: &Trial, rule: Option<&str>) -> Result<Arc<Recording>> {
    type Kept = ((u64, usize), Arc<Recording>);
    static KEPT: Mutex<Option<Kept>> = Mutex::new(None);
    let events = if trial.count < 500 { 40 } else { 700 };
    let of = (trial.seed, events);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, recording)) = &*kept
        && rule.is_none()
        && *known == of
    {
        return Ok(Arc::clone(recording));
    }
    let recording = Arc::new(Recording::make(trial.seed, events, rule)?);
    if rule.is_none() {
        *kept = Some((of, Arc::clone(&recording)));
    }
    Ok(recording)
}

fn put(image: &[(PathBuf, Vec<u8>)], directory: &Path) -> Result<()> {
    for (path, content) in image {
        fs::write(directory.join(path.file_name().context("a file without a name")?), content)?;
    }
    Ok(())
}

/// A directory in memory where the system has one: what is tried is the image, not this disk.
fn scratch() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? })
}

/// The violations of this row are all of one kind: what an image comes to.
fn held<T>(result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => {
            holds!(false, "{error:#}");
            Err(error)
        }
    }
}
