//! Whether the file can be trusted: it is checked after a power cut or an I/O error, not after a mere kill.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension};
use tidemill_pipeline::Stage;

use crate::{
    connection::open_host_reader,
    error::{Result, StoreError},
    writer::Stopped,
};

/// What the start of a host found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The host before ended well, or the system that it ran on did not stop.
    NotNeeded,
    /// Everything was looked at.
    Passed,
    /// The time was up; the rest is to be looked at in the background.
    Unfinished,
}

/// Notes that a host runs from now on, and checks the file if the one before was cut off by the system.
pub(crate) fn begin(connection: &mut Connection, path: &Path, boot: &str, check_time: Duration) -> Result<Check> {
    let before = connection
        .query_row("SELECT boot, closed FROM host", [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    let cut_off = before.is_some_and(|(before, closed)| !closed && before != boot);
    let suspect = suspect_file(path);
    let check = if cut_off || suspect.exists() {
        tracing::info!("the host before did not end well: checking the database");
        let until = Instant::now() + check_time;
        let check = quick_check(connection, move || Instant::now() >= until)?;
        if suspect.exists() {
            // After a failed sync the kernel may show a log that the disk does not have. What follows in that log would be
            // lost with it: so it is written into the database, and begun anew.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        check
    } else {
        Check::NotNeeded
    };
    connection.execute(
        "INSERT INTO host VALUES (1, ?1, 0) ON CONFLICT (id) DO UPDATE SET boot = excluded.boot, closed = 0",
        [boot],
    )?;
    match check {
        Check::Passed => clear_suspect(path),
        // From now on the boot is this one; the mark is what a next start goes by.
        Check::Unfinished => mark_suspect(path),
        Check::NotNeeded => {}
    }
    Ok(check)
}

/// Notes that the host ended well.
pub(crate) fn note_closed(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE host SET closed = 1", [])?;
    Ok(())
}

/// Notes beside the file, which cannot be written any more, that it must be checked. As well as it goes.
pub(crate) fn mark_suspect(path: &Path) {
    let file = suspect_file(path);
    if let Err(error) = fs::write(&file, "the next start checks the database\n") {
        tracing::warn!(cause = %error, "the database could not be marked for a check");
    }
}

/// Forgets the mark: everything was looked at.
pub(crate) fn clear_suspect(path: &Path) {
    let file = suspect_file(path);
    if file.exists() && fs::remove_file(&file).is_err() {
        tracing::warn!("the mark for a check of the database could not be removed");
    }
}

fn suspect_file(path: &Path) -> PathBuf {
    path.with_extension("db-suspect")
}

/// Looks at every page until it is told to stop.
pub(crate) fn quick_check(
    connection: &mut Connection,
    mut stop: impl FnMut() -> bool + Send + 'static,
) -> Result<Check> {
    if stop() {
        return Ok(Check::Unfinished);
    }
    connection.progress_handler(1_000, Some(stop))?;
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match said {
        Ok(said) if said == "ok" => Ok(Check::Passed),
        Ok(said) => Err(StoreError::Damaged(finding(&said))),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Ok(Check::Unfinished)
        }
        Err(error) => Err(error.into()),
    }
}

/// What a check of SQLite found first, within a sentence: without its headings.
pub(crate) fn finding(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("***"));
    format!("SQLite's check says `{}`", line.unwrap_or("nothing more"))
}

/// What tells one run of the system from the next; empty where the system does not say.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Goes on with a check that the start did not finish, on a thread of its own, and stops the store if it finds damage.
#[derive(Debug)]
pub(crate) struct Checker {
    ended: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checker {
    pub(crate) fn start(path: PathBuf, stopped: Arc<Stopped>) -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let check = move || {
            let stop = move || end.load(Ordering::Relaxed);
            match open_host_reader(&path).and_then(|mut connection| quick_check(&mut connection, stop)) {
                Ok(Check::Passed | Check::NotNeeded) => {
                    clear_suspect(&path);
                    tracing::info!("the check of the database found no damage");
                }
                Ok(Check::Unfinished) => {}
                Err(error) if error.stops_the_store() => stopped.stop(error.classify(Stage::Load)),
                Err(error) => tracing::warn!(cause = %error, "the check of the database could not be finished"),
            }
        };
        let thread = thread::Builder::new().name("store-checker".into()).spawn(check);
        let thread = thread.map_err(StoreError::file("store-checker"))?;
        Ok(Self { ended, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the check; the next start begins it again.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the check of the database panicked");
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.end();
    }
}
