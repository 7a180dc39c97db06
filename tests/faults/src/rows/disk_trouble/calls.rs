//! Calls that fail: the disk is full, failing, or read-only.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::io::Errno;

use super::{
    Kind,
    site::{Site, is_clear, is_of_the_database, is_quiet, is_stopped, wait},
};
use crate::{
    disk::{Record, Trouble},
    trial::holds,
};

/// Calls within which a trouble begins: a start makes some 150, and the work after it a few a commit.
const CALLS_OF_A_START: u64 = 150;
const CALLS_OF_WORK: u64 = 30;
const SYNCS_OF_A_START: u64 = 12;
const SYNCS_OF_WORK: u64 = 4;

/// Lets calls of a host fail, and gives what came of it.
pub(super) fn fail(site: &mut Site, kind: Kind, at_start: bool) -> Result<&'static str> {
    let trouble = trouble(kind, at_start, &mut site.dice);
    let before = site.shim.journal()?.records.len();
    let mut host = if at_start {
        site.shim.begin(trouble)?;
        site.run()?
    } else {
        let host = site.run_into_the_work()?;
        site.shim.begin(trouble)?;
        site.append();
        host
    };
    wait("the host ends, catches up, or complains", &mut host, |host| {
        is_stopped(host) || is_clear(&host.complaints()) || !host.is_running() || site.caught_up()
    })?;
    if kind == Kind::FailedSync {
        // Whoever would try again has the time for it.
        wait("the host ends, catches up, or goes on", &mut host, |host| {
            !host.is_running() || site.caught_up() || is_stopped(host)
        })?;
    }
    site.shim.end()?;
    wait("the host ends or catches up", &mut host, |host| !host.is_running() || site.caught_up() || is_stopped(host))?;
    let ended = !host.is_running();
    let (code, complaints) = Site::end(&mut host)?;
    let records = site.shim.journal()?.records.split_off(before);
    require_no_sync_after_a_failed_one(&records)?;
    let failed: Vec<&PathBuf> = records.iter().filter_map(failed).collect();
    if kind == Kind::ShortWrites {
        holds!(code == 0 && is_quiet(&complaints), "short writes are no trouble:\n{complaints}");
    } else if failed.iter().any(|path| is_of_the_database(path)) && host.logged("the host ended") == 0 {
        holds!(is_clear(&complaints), "{failed:?} failed, and nobody was told what to do:\n{complaints}");
    }
    if ended {
        holds!(code == 1, "the host ended over it as if all were well:\n{complaints}");
    }
    site.check()?;
    Ok(match (failed.is_empty(), ended) {
        (true, _) => "it was over before such a call",
        (false, true) => "stopped, and went on after a new start",
        (false, false) => "went on by itself",
    })
}

fn trouble(kind: Kind, at_start: bool, dice: &mut fastrand::Rng) -> Trouble {
    let calls = if at_start { CALLS_OF_A_START } else { CALLS_OF_WORK };
    let syncs = if at_start { SYNCS_OF_A_START } else { SYNCS_OF_WORK };
    let all = Trouble { calls: "w", error: None, first: 1, times: 0, part: "*" };
    match kind {
        Kind::FailedSync => {
            // Only one fails: a second one would seem to go well, and that is the trap.
            let part = if at_start { "*" } else { "tidemill.db" };
            Trouble { calls: "s", error: Some(Errno::IO), first: dice.u64(1..=syncs), times: 1, part }
        }
        Kind::FullDisk => Trouble { error: Some(Errno::NOSPC), first: dice.u64(1..=calls), ..all },
        Kind::ReadOnly => Trouble { calls: "owtun", error: Some(Errno::ROFS), first: dice.u64(1..=calls), ..all },
        Kind::FailedCall => {
            let call = ["r", "w", "t"][dice.usize(..3)];
            Trouble { calls: call, error: Some(Errno::IO), first: dice.u64(1..=calls), times: 1, part: "tidemill.db" }
        }
        _ => all,
    }
}

fn failed(record: &Record) -> Option<&PathBuf> {
    match record {
        Record::Failed { path, .. } => Some(path),
        _ => None,
    }
}

/// After an fsync that failed nobody knows what the disk has, and a second one may lie: the kernel forgets the error with the pages.
fn require_no_sync_after_a_failed_one(records: &[Record]) -> Result<()> {
    let mut failed: Option<&PathBuf> = None;
    // Until a new database has its log, it has a rollback's journal, and nothing that anybody was promised. SQLite itself rolls it
    // back when it closes, and syncs both again.
    let mut rolls_back = false;
    for record in records {
        match record {
            Record::Begun(_) => (failed, rolls_back) = (None, false),
            Record::Syncing { path, .. } => {
                holds!(failed != Some(path), "{} was synced again after that had failed", path.display());
                rolls_back = ends_with(path, "-journal") || rolls_back && !ends_with(path, "-wal");
            }
            // SQLite tells nobody that a directory's sync failed, so the host syncs it once more, and stops if that fails. Names
            // belong to the file system's own journal, which ends when it cannot be written: it forgets nothing.
            Record::Failed { call: 's', path } if !rolls_back && !path.is_dir() => failed = Some(path),
            _ => {}
        }
    }
    Ok(())
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.to_string_lossy().ends_with(ending)
}
