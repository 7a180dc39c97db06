//! Other programs that hold the database: one that writes, one that reads.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rusqlite::Connection;

use super::site::{Site, is_clear, is_quiet, wait};
use crate::trial::holds;

/// As long as a host waits for a program that writes.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Another program writes, for a moment or for longer than a host waits.
pub(super) fn write(site: &mut Site, long: bool) -> Result<&'static str> {
    let mut host = site.run_into_the_work()?;
    let connection = Connection::open(site.file(""))?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let held = Instant::now();
    site.append();
    if long {
        wait("the host says that it waits", &mut host, |host| is_clear(&host.complaints()) || !host.is_running())?;
        holds!(held.elapsed() + Duration::from_millis(500) >= BUSY_WAIT, "it waited for {:?} only", held.elapsed());
    } else {
        // It is the length of the fault, not a wait for something.
        thread::sleep(Duration::from_millis(site.dice.u64(50..400)));
    }
    connection.execute_batch("ROLLBACK")?;
    drop(connection);
    wait("the host catches up", &mut host, |host| site.caught_up() || !host.is_running())?;
    let (code, complaints) = Site::end(&mut host)?;
    holds!(code == 0, "the host ended over a lock:\n{complaints}");
    holds!(long || is_quiet(&complaints), "a moment is no trouble:\n{complaints}");
    site.check()?;
    Ok(if long { "said, and went on by itself" } else { "waited" })
}

/// Another program reads all the time: nothing waits for it, and it sees one moment.
pub(super) fn read(site: &mut Site) -> Result<&'static str> {
    let mut host = site.run_into_the_work()?;
    let connection = Connection::open(site.file(""))?;
    connection.execute_batch("BEGIN")?;
    let sum = || connection.query_row("SELECT sum(position) FROM checkpoint", [], |row| row.get::<_, i64>(0));
    let before = sum()?;
    site.append();
    wait("the host catches up", &mut host, |host| site.caught_up() || !host.is_running())?;
    holds!(sum()? == before, "a read transaction saw two moments");
    let (code, complaints) = Site::end(&mut host)?;
    // Where much is written meanwhile, the log grows, and the host says why.
    let (grown, others): (Vec<&str>, _) = complaints.lines().partition(|line| line.contains("a long read keeps"));
    holds!(code == 0 && is_quiet(&others.join("\n")), "a reader is no trouble:\n{complaints}");
    drop(connection);
    site.check()?;
    Ok(if grown.is_empty() { "nobody waited" } else { "the log grew, and the host said why" })
}
