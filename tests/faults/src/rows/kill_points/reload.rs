//! Another component while the host runs, for two processors that share the file.

use std::mem;

use anyhow::Result;
use e2e::{
    guest_host::{example, with_a_note},
    project::{Host, Project},
};
use tidemill_pipeline::Digest;

use super::{
    World,
    line::{Line, PROCESSORS},
    wait_for,
};
use crate::trial::holds;

/// The file is kept once for both when the host starts, if it was not before, and once when it changes; each of both
/// swaps.
pub(super) const POINTS: &[(&str, u64)] = &[("component-kept", 2), ("component-swapped", 2), ("component-accepted", 2)];

/// Components that there are: those that were compiled before begin at once.
const NOTES: usize = 3;

/// The world.
pub(super) struct Reload {
    line: Line,
    number: usize,
    next: Vec<u8>,
}

impl World for Reload {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        Ok(Self { line: Line::begin(seed, broken)?, number: 0, next: example("rust", "ledger") })
    }

    fn project(&mut self) -> &mut Project {
        &mut self.line.project
    }

    fn prepare(&mut self) -> Result<()> {
        self.number += 1;
        self.next = with_a_note(&example("rust", "ledger"), &(self.number % NOTES).to_string());
        self.line.prepare()
    }

    fn provoke(&mut self, host: &mut Host) -> Result<()> {
        if wait_for(host, "a commit", |host| Ok(host.logged("committed") > 0))? {
            self.line.project.put("ledger.wasm", &self.next);
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        // Also if the host died before it was there.
        let next = mem::take(&mut self.next);
        self.line.project.put("ledger.wasm", &next);
        self.line.settle()?;
        let database = self.line.database()?;
        for processor in PROCESSORS {
            let (runs, wanted) = (database.component(processor)?, Digest::of(&next).to_string());
            holds!(runs.as_ref() == Some(&wanted), "`{processor}` has accepted {runs:?}, and its file is {wanted}");
        }
        Ok(())
    }
}
