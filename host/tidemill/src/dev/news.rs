//! News: what happens in the loop, as it is told to the chronicle.

use std::{path::PathBuf, time::Instant};

use tidemill_pipeline::{Committed, Digest, Failed, ProcessorName};

use super::{edits::Edit, shell::Ended};
use crate::{host::Reloaded, logging::Said};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum News {
    /// A build command was started, because of an edit or because the loop begins.
    Building { command: String, edit: Option<Edit> },
    /// A line of its output.
    Output(String),
    /// It ended.
    Built(Ended),
    /// It could not be started.
    Unbuilt(String),
    /// A build writes one of its own sources each time: that starts no other one.
    Looping(PathBuf),
    /// A processor began, with this component.
    Started(ProcessorName, Digest),
    /// A component's file was looked at.
    Reloaded(Box<Reload>),
    /// A batch was committed, at this moment.
    Committed(Box<Committed>, Instant),
    /// A batch was not.
    Failed(Box<Failed>),
    /// A component said something, or the host complained.
    Said(Said),
    /// Every event that there was is processed.
    Idle,
    /// The configuration was changed.
    Configured(PathBuf),
    /// A second passed.
    Tick,
}

/// A look at a component's file.
#[derive(Debug)]
pub(crate) struct Reload {
    /// Whose component it is.
    pub(crate) processor: ProcessorName,
    /// What became of it.
    pub(crate) reloaded: Reloaded,
    /// What it was looked at for; none at the beginning.
    pub(crate) edit: Option<Edit>,
    /// How long the build took that went before; none if there was none.
    pub(crate) build: Option<std::time::Duration>,
    /// When it was done.
    pub(crate) at: Instant,
}
