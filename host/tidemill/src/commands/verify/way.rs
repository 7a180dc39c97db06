//! A way to replay events that must not matter.

use std::fmt;

use tidemill_pipeline::Instances;

use crate::{cases::CaseDefaults, output::grouped};

/// How long instances live, and how large batches are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// How long instances live.
    pub(super) instances: Instances,
    /// The most events of one call.
    pub(super) events_max: usize,
}

/// Batches that are neither one event nor all of them. A prime, so that their borders fall elsewhere than a page's.
const SOME: usize = 7;

impl Way {
    /// Every event in a call of its own, and nothing is kept.
    pub(super) const ALONE: Self = Self { instances: Instances::Fresh, events_max: 1 };

    /// What the others are compared with: nothing is kept, batches are as large as they may be.
    pub(super) fn reference(settings: &CaseDefaults) -> Self {
        Self { instances: Instances::Fresh, events_max: settings.batch.events_max }
    }

    /// The ways that are compared with it: the same again, with instances used again, and in smaller batches.
    pub(super) fn others(settings: &CaseDefaults) -> Vec<Self> {
        let reference = Self::reference(settings);
        let mut ways = vec![reference, Self { instances: Instances::Reuse, ..reference }];
        for events_max in [SOME, 1] {
            if events_max < reference.events_max {
                ways.extend([Instances::Fresh, Instances::Reuse].map(|instances| Self { instances, events_max }));
            }
        }
        ways
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instances = match self.instances {
            Instances::Fresh => "fresh",
            Instances::Reuse => "reused",
        };
        write!(f, "{instances} instances, batches of {}", grouped(self.events_max as u64))
    }
}
