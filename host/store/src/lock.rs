//! The lock of a data directory: who runs its processors. The system releases it when its process ends.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use rustix::fs::{FlockOperation, flock};

/// The file that is locked. Its content only says who holds it.
const LOCK_FILE: &str = "tidemill.lock";

/// The right to run the processors of a data directory, until dropped. It is not in the way of readers.
#[derive(Debug)]
pub struct DataLock {
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    file: File,
}

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum Held {
    /// Another process runs its processors.
    #[error("the data directory is in use by {who}")]
    By {
        /// The process, as it described itself.
        who: String,
    },
    /// The lock file could not be used.
    #[error("the data directory cannot be locked: {0}")]
    Failed(#[from] std::io::Error),
}

impl DataLock {
    /// The name of the file in a data directory that the lock is on.
    pub const FILE: &'static str = LOCK_FILE;

    /// Locks a data directory that exists. Does not wait.
    ///
    /// # Errors
    /// When another process holds it, or the directory cannot be written.
    pub fn acquire(directory: &Path) -> Result<Self, Held> {
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut who = String::new();
                file.read_to_string(&mut who)?;
                return Err(Held::By { who: described(&who) });
            }
            Err(error) => return Err(Held::Failed(error.into())),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", Owner::this_process())?;
        Ok(Self { file })
    }

    /// Who holds the lock of a data directory, as it described itself; none if nobody does. Writes nothing and does not wait.
    ///
    /// # Errors
    /// When the lock file is there and cannot be read.
    pub fn holder(directory: &Path) -> std::io::Result<Option<String>> {
        let mut file = match File::open(directory.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Shared, so that two who look do not see each other; it is given back at once.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut who = String::new();
                file.read_to_string(&mut who)?;
                Ok(Some(described(&who)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Who a lock file names.
fn described(who: &str) -> String {
    if who.trim().is_empty() { "another process".to_owned() } else { who.trim().to_owned() }
}

/// A process, for people: in the lock file, and as the label of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// When this was asked, in seconds since 1970.
    pub since: u64,
}

impl Owner {
    /// This process, now.
    #[must_use]
    pub fn this_process() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            pid: std::process::id(),
            host: host.map_or_else(|_| "this machine".into(), |host| host.trim().to_owned()),
            since: since.map_or(0, |since| since.as_secs()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}, since {}", self.pid, self.host, utc(self.since))
    }
}

/// Seconds since 1970 as a date and time (the civil calendar from days: Howard Hinnant's `civil_from_days`).
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DataLock::acquire(directory.path()).unwrap();
        let held = DataLock::acquire(directory.path()).unwrap_err().to_string();
        assert!(held.contains(&format!("process {}", std::process::id())), "{held}");
        drop(lock);
        DataLock::acquire(directory.path()).unwrap();
    }

    #[test]
    fn who_holds_the_lock_can_be_seen_without_taking_it() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(DataLock::holder(directory.path()).unwrap(), None);
        let lock = DataLock::acquire(directory.path()).unwrap();
        let holder = DataLock::holder(directory.path()).unwrap().unwrap();
        assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
        drop(lock);
        assert_eq!(DataLock::holder(directory.path()).unwrap(), None);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_305_599, "2026-11-21T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
