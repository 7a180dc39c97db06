//! The memory of this process: the most that was resident while something was tried.

use std::fs;

use anyhow::{Context as _, Result};

use crate::trial::holds;

/// A measurement that has begun.
#[derive(Debug)]
pub(crate) struct Memory {
    before: u64,
}

impl Memory {
    /// Begins: the peak so far is forgotten.
    pub(crate) fn begin() -> Result<Self> {
        // Writing 5 resets the peak: proc(5).
        fs::write("/proc/self/clear_refs", "5").context("the peak of the memory cannot be reset")?;
        Ok(Self { before: field("VmRSS:")? })
    }

    /// Checks that no more than so many bytes came to what was resident at the beginning, and says how many came.
    pub(crate) fn check(&self, bytes_max: u64) -> Result<u64> {
        let grown = field("VmHWM:")?.saturating_sub(self.before);
        holds!(grown <= bytes_max, "{grown} bytes more were resident, and {bytes_max} are the bound");
        Ok(grown)
    }
}

fn field(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("the system does not say")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Bytes for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
