//! A database that vanished: what is left beside it says that there was one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tidemill_pipeline::{Failure, Stage};
use tidemill_store::{DATABASE_FILE, DataLock};

use super::components;

/// Says that a start begins anew where there was a database before. One that was removed is not missed by whoever removed it, as
/// with any SQLite file; one that is there and empty was not emptied on purpose, and is refused. Blocks.
pub(super) fn look(data: &Path) -> anyhow::Result<()> {
    let database = data.join(DATABASE_FILE);
    let length = match fs::metadata(&database) {
        Ok(file) => Some(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // The store will say it.
        Err(_) => return Ok(()),
    };
    // Of a log that is alone the store says more; and whoever holds the lock may be about to make the database.
    if length.is_some_and(|length| length > 0) || has_log(&database) || DataLock::holder(data)?.is_some() {
        return Ok(());
    }
    let Some(left) = trace(data) else { return Ok(()) };
    let (database, left) = (database.display(), left.display());
    if length.is_none() {
        tracing::warn!(
            %database, %left,
            hint = "if it is missed, stop and put a backup back with `tidemill restore FILE --force`",
            "there was a database in the data directory, and it is gone: every feed is read from its start"
        );
        return Ok(());
    }
    let cause = format!("the database `{database}` is empty, and it was not when `{left}` was kept");
    let hint = "look at the disk, and put a backup back with `tidemill restore FILE --force`; or remove the empty file to begin anew";
    Err(Failure::broken(Stage::Load, cause).hint(hint).into())
}

fn has_log(database: &Path) -> bool {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// A file that is only there after a processor ran: a component is kept before the database names it.
fn trace(data: &Path) -> Option<PathBuf> {
    let kept = fs::read_dir(data.join(components::KEPT)).ok()?;
    kept.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}
