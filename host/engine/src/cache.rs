//! The code cache: compiled code in files, each known by its hash.

use std::{
    fs::{self, DirBuilder},
    hash::{Hash, Hasher},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tidemill_pipeline::{Digest, failpoint};
use wasmtime::component::Component;

use crate::{compile::Compiler, load::LoadError};

/// The most files that are kept; the oldest go first.
const FILES_MAX: usize = 256;
/// How the files' names end.
const EXTENSION: &str = "cwasm";
/// How the names of files begin that are being written.
const UNFINISHED: &str = "unfinished-";
/// No compilation takes longer than this; another process may be at one.
const UNFINISHED_AGE_MAX: Duration = Duration::from_hours(1);

/// Where the hashes of cached files are kept: not beside the files, so that whoever swaps one is found out.
pub trait CodeHashes: Send + Sync {
    /// The hash of a file, by its name; none if it was never set.
    fn get(&self, name: &str) -> Option<Digest>;

    /// Keeps the hash of a file. If it cannot be kept, the file is compiled again the next time.
    fn set(&self, name: &str, hash: Digest);
}

/// A directory of compiled code. Whoever can write there can run code in the host, as with the program itself; the
/// hashes are against damage, not against such a person.
pub(crate) struct Cache {
    dir: PathBuf,
    engine: wasmtime::Engine,
    compatibility: String,
    hashes: Arc<dyn CodeHashes>,
}

impl Cache {
    /// Opens the directory, or makes it for the owner alone. Code of other versions of the engine is removed.
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine, hashes: Arc<dyn CodeHashes>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let mut compatible = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatible);
        let compatibility = format!("{:016x}", compatible.finish());
        let cache = Self { dir: dir.to_owned(), engine: engine.clone(), compatibility, hashes };
        for (_, path) in cache.files()? {
            let name = path.file_stem().and_then(|name| name.to_str());
            if name.is_none_or(|name| !name.ends_with(&cache.compatibility)) {
                fs::remove_file(&path)?;
            }
        }
        cache.sweep()?;
        Ok(cache)
    }

    /// Removes what a compilation left that did not come to its end.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if unfinished && age > UNFINISHED_AGE_MAX {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn unfinished(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.dir)
    }

    /// Whether the code of a file is in the cache. It may turn out to be harmed.
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.path(&self.name(digest)).exists()
    }

    fn name(&self, digest: Digest) -> String {
        format!("{digest}-{}.{EXTENSION}", self.compatibility)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The code of a file: from the cache if it is there unharmed, else compiled.
    pub(crate) fn code(&self, digest: Digest, file: &[u8], compiler: &Compiler) -> Result<Component, LoadError> {
        let name = self.name(digest);
        let path = self.path(&name);
        if let Some(code) = self.known(&name, &path) {
            return Ok(code);
        }
        let io = |error: io::Error| LoadError::Cache(format!("{}: {error}", self.dir.display()));
        let input = self.unfinished().map_err(io)?;
        fs::write(input.path(), file).map_err(io)?;
        let output = self.unfinished().map_err(io)?;
        compiler.compile(input.path(), output.path())?;
        let code = fs::read(output.path()).map_err(io)?;
        output.as_file().sync_all().map_err(io)?;
        output.persist(&path).map_err(|error| io(error.error))?;
        fs::File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        self.hashes.set(&name, Digest::of(&code));
        self.prune().map_err(io)?;
        self.map(&code).map_err(|error| LoadError::Cache(format!("the compiled code could not be loaded: {error:#}")))
    }

    /// The code in the cache, if it is what was put there.
    fn known(&self, name: &str, path: &Path) -> Option<Component> {
        let code = fs::read(path).ok()?;
        let problem = match self.hashes.get(name) {
            Some(hash) if hash == Digest::of(&code) || failpoint::breaks("code-hashes") => match self.map(&code) {
                Ok(component) => return Some(component),
                Err(error) => format!("{error:#}"),
            },
            Some(_) => "its hash is not the one that was kept".to_owned(),
            None => "its hash was not kept".to_owned(),
        };
        tracing::warn!(file = %path.display(), problem, "cached code is not used; it is compiled again");
        // If it cannot be removed, it is written over.
        drop(fs::remove_file(path));
        None
    }

    /// Compiled code as memory that can run: exactly these bytes, whatever happens to the file.
    #[expect(
        unsafe_code,
        reason = "wasmtime cannot check compiled code; we load only what our compiler wrote, by its hash"
    )]
    fn map(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the bytes are what `Engine::precompile_component` wrote in our own child process: either they were
        // read back just now from its output, a file of this user in a directory of mode 0700, or their SHA-256 is
        // the one that was kept then. wasmtime checks that they were made by this version and configuration of itself.
        unsafe { Component::deserialize(&self.engine, code) }
    }

    /// Keeps the newest files only.
    fn prune(&self) -> io::Result<()> {
        let mut files = self.files()?;
        let extra = files.len().saturating_sub(FILES_MAX);
        files.sort();
        files.into_iter().take(extra).try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        Ok(files)
    }
}

/// The compatibility hash must be the same in every process and build.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}
