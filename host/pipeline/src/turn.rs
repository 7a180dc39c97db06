//! The turn: how a run along the line ended, and what it knew then.

use crate::{Digest, Failure, LastError};

/// What a run along the line knew when it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// The checkpoint's generation, once it was loaded.
    pub(crate) generation: Option<u64>,
    /// The component that was called last.
    pub(crate) component: Option<Digest>,
}

/// Why a run along the line ended.
pub(crate) enum Turn {
    /// The supervisor said something.
    Ordered,
    /// Something went wrong; the event that it was about, if it was about one.
    Failed(Failure, Option<Box<LastError>>),
    /// The partition is finished.
    Finished,
    /// Begin again from the store, at once.
    Again,
}

impl From<Failure> for Turn {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, None)
    }
}
