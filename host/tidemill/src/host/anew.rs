//! Beginning anew: a data directory is emptied, but for compiled code. To compile a large component again takes seconds.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use tidemill_pipeline::{Digest, Failure};
use tidemill_store::{DataLock, Options};

use super::wiring::Store;

/// Where compiled code lies in a data directory.
pub(super) const CODE: &str = "code";

/// Removes everything that was computed in a data directory. One that is not there is empty already.
///
/// # Errors
/// When a host runs on it, or it cannot be removed.
pub(crate) async fn empty(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        return Ok(());
    }
    let lock = DataLock::acquire(data)
        .map_err(|held| anyhow::anyhow!("{held}\n  hint: stop it first; what it computes would be removed under it"))?;
    // Code counts only with the hash that the database keeps of it.
    let hashes = match hashes(data).await {
        Ok(hashes) => hashes,
        Err(failure) => {
            tracing::debug!(cause = %failure.cause, "compiled code is forgotten too");
            Vec::new()
        }
    };
    remove(data, &lock).with_context(|| format!("{} cannot be emptied", data.display()))?;
    if !hashes.is_empty() {
        let store = open(data).await?;
        for (name, hash) in hashes {
            store.set_code_hash(&name, hash).await?;
        }
        close(store).await?;
    }
    Ok(())
}

/// The compiled code that the database vouches for.
async fn hashes(data: &Path) -> Result<Vec<(String, Digest)>, Failure> {
    let store = open(data).await?;
    let mut hashes = Vec::new();
    for entry in fs::read_dir(data.join(CODE)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(hash) = store.code_hash(&name).await? {
            hashes.push((name, hash));
        }
    }
    close(store).await?;
    Ok(hashes)
}

/// Removes everything but the code, and the file that the lock is on.
fn remove(data: &Path, _while_held: &DataLock) -> io::Result<()> {
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name() == CODE || entry.file_name() == DataLock::FILE {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

async fn open(data: &Path) -> Result<Store, Failure> {
    let data = data.to_owned();
    blocking(move || Store::open(&data, &Options::default())).await
}

async fn close(store: Store) -> Result<(), Failure> {
    blocking(move || store.close()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Failure::unavailable(tidemill_pipeline::Stage::Load, format!("the database was not opened: {error}")))
    })
}
