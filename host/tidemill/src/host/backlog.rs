//! The backlog: what a processor has parked since before this run. It waits for a person, and nothing else says so.

use std::{collections::HashMap, path::Path};

use tidemill_pipeline::{Failure, ProcessorName};

use super::{STATE_VERSION, wiring::Reader};

/// The parked events that a processor has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    parked: u64,
    waiting: u64,
    held_keys: u64,
}

impl Backlog {
    /// Those of all processors that have some. Blocks. Whoever cannot know them runs without: nothing depends on them.
    pub(super) fn read(data: &Path) -> HashMap<ProcessorName, Self> {
        read(data).unwrap_or_else(|failure| {
            tracing::debug!(cause = %failure.cause, "it cannot be known what is parked");
            HashMap::new()
        })
    }

    /// Says in the log what there is.
    pub(super) fn warn(self, processor: &ProcessorName) {
        let Self { parked, waiting, held_keys } = self;
        let (waiting, held_keys) = (held_keys > 0).then_some((waiting, held_keys)).unzip();
        let hint = "look at them with `tidemill parked list`, then `tidemill parked retry` or `drop`";
        tracing::warn!(%processor, parked, waiting, held_keys, hint, "events are parked since an earlier run");
    }
}

fn read(data: &Path) -> Result<HashMap<ProcessorName, Backlog>, Failure> {
    let reader = Reader::open(data)?;
    // As a rule there is none, and a thousand processors need not be looked at.
    if reader.parked_list(None, 0, 1)?.is_empty() {
        return Ok(HashMap::new());
    }
    let processors = reader.status()?.into_iter();
    let behind = processors.filter(|processor| processor.id.version == STATE_VERSION && processor.parked > 0);
    Ok(behind
        .map(|found| {
            let backlog = Backlog { parked: found.parked, waiting: found.waiting, held_keys: found.held_keys };
            (found.id.name, backlog)
        })
        .collect())
}
