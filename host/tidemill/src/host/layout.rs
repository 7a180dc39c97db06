//! The layout of state: what is kept is only seen by who looks for it where it was put.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use tidemill_pipeline::{Failure, ProcessorName};
use tidemill_store::Kept;

use super::{Reload, STATE_VERSION, wiring::Reader};
use crate::{
    config::{Config, StateLayout},
    exit::Misuse,
};

/// How the state of each processor is laid out, by its configuration.
pub(super) type Layouts = BTreeMap<ProcessorName, StateLayout>;

/// A processor of which state is kept that it would not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    processor: ProcessorName,
    configured: StateLayout,
    /// Whether there is also some that it would see: it ran both ways.
    both: bool,
}

pub(super) fn layouts(config: &Config) -> Layouts {
    config.processors.iter().map(|(name, processor)| (name.clone(), processor.state)).collect()
}

/// The processors of which state is kept that they would not see.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn unseen(reader: &Reader, config: &Config) -> Result<Vec<Unseen>, Failure> {
    among(reader, &layouts(config))
}

fn among(reader: &Reader, layouts: &Layouts) -> Result<Vec<Unseen>, Failure> {
    let of =
        |Kept { processor, shared }: Kept| (processor.version == STATE_VERSION).then_some((processor.name, shared));
    let kept: BTreeSet<_> = reader.kept()?.into_iter().filter_map(of).collect();
    let unseen = |(name, &configured): (&ProcessorName, &StateLayout)| {
        let is_kept = |shared| kept.contains(&(name.clone(), shared));
        let shared = configured == StateLayout::Shared;
        is_kept(!shared).then(|| Unseen { processor: name.clone(), configured, both: is_kept(shared) })
    };
    Ok(layouts.iter().filter_map(unseen).collect())
}

/// Refuses to go on without state that is kept: the cursors would say that it is there. Blocks.
pub(super) fn require(data: &Path, layouts: &Layouts, reload: Reload) -> anyhow::Result<()> {
    let mut unseen = among(&Reader::open(data)?, layouts)?;
    let Some(last) = unseen.pop() else { return Ok(()) };
    // The data of `dev` is elsewhere, where no other command looks.
    let misuse = |unseen: &Unseen| match reload {
        Reload::Watched => unseen.misuse(),
        Reload::Asked => unseen.misuse_or("begin with an empty state with `tidemill dev --fresh`"),
    };
    let mut said: Vec<_> = unseen.iter().map(|unseen| format!("{}\nerror: ", misuse(unseen))).collect();
    let Misuse { message, hint } = misuse(&last);
    said.push(message);
    Err(Misuse { message: said.concat(), hint }.into())
}

impl Unseen {
    /// The processor.
    pub(crate) fn processor(&self) -> &ProcessorName {
        &self.processor
    }

    /// What is wrong, and what can be done.
    pub(crate) fn misuse(&self) -> Misuse {
        self.misuse_or(&format!("forget it and read the feeds anew with `tidemill reset {}`", self.processor))
    }

    fn misuse_or(&self, anew: &str) -> Misuse {
        let Self { processor, configured, both } = self;
        let (configured, kept) = match configured {
            StateLayout::Shared => ("shared", "partitioned"),
            StateLayout::Partitioned => ("partitioned", "shared"),
        };
        let message = format!(
            "processor `{processor}` has `state = \"{configured}\"`, and the database keeps {kept} state of it, which it would not see"
        );
        let back = if *both { String::new() } else { format!("go on with `state = \"{kept}\"`; or ") };
        let hint =
            format!("{back}{anew}; or give the processor another name, to compute its state anew beside the old one");
        Misuse { message, hint }
    }
}
