//! Files that are taken away or overwritten, while a host runs and between runs.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use anyhow::Result;

use super::site::{COMMITS_OF_AN_APPEND, Site, is_clear, is_stopped, wait};
use crate::{fold, trial::holds};

const PAGE_BYTES: u64 = 4096;
/// Commits that a host may have had under way when its files were taken.
const COMMITS_UNDER_WAY: usize = 4;

/// Takes a file from a host that runs: it stops and says so.
pub(super) fn take_while_running(site: &mut Site) -> Result<&'static str> {
    let ending = ["", "-wal", "-shm"][site.dice.usize(..3)];
    let moved = if site.dice.bool() { "" } else { "gone" };
    let mut host = site.run_into_the_work()?;
    wait("the host catches up", &mut host, |_| site.caught_up())?;
    let before = host.logged("committed");
    site.remove(moved, &[ending])?;
    site.append();
    wait("the host ends or goes on", &mut host, |host| {
        !host.is_running() || host.logged("committed") > before + COMMITS_UNDER_WAY
    })?;
    let went_on = host.is_running();
    let (code, complaints) = Site::end(&mut host)?;
    holds!(!went_on, "tidemill.db{ending} was taken away, and the host went on without it");
    holds!(code == 1 && is_clear(&complaints), "tidemill.db{ending} was taken away:\n{complaints}");
    begin_again(site)?;
    Ok(match ending {
        "" => "the database: stopped, and began anew",
        "-wal" => "the log: stopped, and went on after a new start",
        _ => "the shared memory: stopped, and went on after a new start",
    })
}

/// Takes files while no host runs, after one that was killed: its last commits are in the log.
pub(super) fn take_between_runs(site: &mut Site) -> Result<&'static str> {
    let host = site.run_into_the_work()?;
    host.kill();
    let (endings, came): (&[&str], _) = match site.dice.u8(..4) {
        0 => (&[""], "the database: its log is refused, and kept"),
        1 => (&["-wal"], "the log: went on from an earlier commit"),
        2 => (&["-shm"], "the shared memory: went on"),
        _ => (&["", "-wal", "-shm"], "all: began anew"),
    };
    site.remove("", endings)?;
    begin_again(site)?;
    Ok(came)
}

/// A new start, which is refused if it finds a log without its database.
fn begin_again(site: &mut Site) -> Result<()> {
    let (database, log) = (site.file(""), site.file("-wal"));
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    if !database.exists() && length(&log) > 0 {
        let before = length(&log);
        let mut host = site.project.run(&["--until-idle"]);
        host.wait();
        let (code, complaints) = Site::end(&mut host)?;
        holds!(code == 1 && is_clear(&complaints), "a log without its database:\n{complaints}");
        holds!(length(&log) == before, "the log was {before} bytes long, and is {}", length(&log));
        fs::remove_file(log)?;
    }
    site.check()
}

/// Overwrites pages of a file, or all of it, with what makes no sense. Either nobody notices and everything is right all the same, or it is
/// said, and a backup helps.
pub(super) fn garble(site: &mut Site, running: bool) -> Result<&'static str> {
    site.check()?;
    let backup = site.project.path().join("backup");
    if backup.exists() {
        fs::remove_file(&backup)?;
    }
    site.project.ok(&["backup", "backup"]);
    site.append();
    let mut host = site.run_into_the_work()?;
    if running {
        let ending = if site.dice.u8(..4) == 0 { "-wal" } else { "" };
        overwrite(&site.file(ending), &mut site.dice)?;
        let before = host.logged("committed");
        site.append();
        // The host may have everything in memory, and go on where others cannot read any more.
        wait("the host ends, stops or applies what is new", &mut host, |host| {
            !host.is_running() || is_stopped(host) || host.logged("committed") >= before + COMMITS_OF_AN_APPEND
        })?;
        let stopped = !host.is_running();
        let (code, complaints) = Site::end(&mut host)?;
        holds!(!stopped || (code == 1 && is_clear(&complaints)), "a garbled tidemill.db{ending}:\n{complaints}");
    } else {
        host.kill();
        let ending = if site.dice.u8(..4) == 0 { "-wal" } else { "" };
        overwrite(&site.file(ending), &mut site.dice)?;
    }
    let mut host = site.project.run(&["--until-idle"]);
    let status = host.wait();
    let complaints = host.complaints();
    if status.success() {
        let scan = site.project.tidemill(&["state", "scan", "ledger", "--json"]);
        let said = String::from_utf8_lossy(&scan.stderr).into_owned();
        if scan.status.success() {
            fold::check(&site.project, &site.publisher)?;
            // Pages that nobody needs until now may make no sense all the same, and the next trouble is to begin in good order.
            site.project.restore("backup");
            site.check()?;
            return Ok("nothing was lost");
        }
        holds!(is_clear(&said), "a garbled database: {said}");
    } else {
        holds!(status.code() == Some(1) && is_clear(&complaints), "a garbled database: {status}\n{complaints}");
    }
    site.project.restore("backup");
    site.check()?;
    Ok("it was said, and a backup was put back")
}

fn overwrite(path: &Path, dice: &mut fastrand::Rng) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let pages = (file.metadata()?.len() / PAGE_BYTES).max(1);
    let whole = dice.u8(..3) == 0;
    let chosen: Vec<u64> =
        if whole { (0..pages).collect() } else { (0..=dice.u64(..8)).map(|_| dice.u64(..pages)).collect() };
    for page in chosen {
        let garbage: Vec<u8> = (0..PAGE_BYTES).map(|_| dice.u8(..)).collect();
        file.write_all_at(&garbage, page * PAGE_BYTES)?;
    }
    Ok(())
}
