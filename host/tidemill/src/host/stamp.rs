//! A stamp: what tells a file from another one, or from itself before it was written, without reading it.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

/// A file that was written less than this ago may be written again without its stamp showing it: clocks of file systems
/// are coarse.
const COARSE: Duration = Duration::from_secs(1);

/// What is known of a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

impl Stamp {
    /// That of a file; none if there is no such file. Blocks.
    pub(super) fn read(file: &Path) -> Option<Self> {
        fs::metadata(file).ok().as_ref().map(Self::of)
    }

    fn of(file: &Metadata) -> Self {
        let modified = (file.mtime(), file.mtime_nsec());
        Self { device: file.dev(), inode: file.ino(), modified, bytes: file.len() }
    }

    /// Whether a file that still has this stamp is still the one that it is now.
    pub(super) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let modified = Duration::from_secs(u64::try_from(self.modified.0).unwrap_or_default());
        // The second that has begun counts as a whole.
        now.checked_sub(modified).is_some_and(|age| age > COARSE * 2)
    }
}
