//! The component: compiled code that fits the contract, ready to be instantiated.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tidemill_pipeline::Digest;
use wasmtime::component::{ComponentExportIndex, InstancePre};

use crate::{
    describe::Description,
    engine::{Engine, Inner},
    host_state::HostState,
};

/// A loaded component. Cheap to clone; its code is unmapped with the last clone.
#[derive(Clone)]
pub struct Component(Arc<Loaded>);

struct Loaded {
    engine: Engine,
    digest: Digest,
    pre: InstancePre<HostState>,
    process: ComponentExportIndex,
    process_bulk: Option<ComponentExportIndex>,
    description: Description,
}

/// A component that may be gone.
#[derive(Default)]
pub(crate) struct WeakComponent(Weak<Loaded>);

impl WeakComponent {
    pub(crate) fn get(&self) -> Option<Component> {
        self.0.upgrade().map(Component)
    }
}

impl Component {
    pub(crate) fn new(
        engine: Engine,
        digest: Digest,
        pre: InstancePre<HostState>,
        (process, process_bulk): (ComponentExportIndex, Option<ComponentExportIndex>),
        description: Description,
    ) -> Self {
        Self(Arc::new(Loaded { engine, digest, pre, process, process_bulk, description }))
    }

    pub(crate) fn downgrade(&self) -> WeakComponent {
        WeakComponent(Arc::downgrade(&self.0))
    }

    /// The digest of the file that it was loaded from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What it is, in words.
    #[must_use]
    pub fn describe(&self) -> &Description {
        &self.0.description
    }

    pub(crate) fn engine(&self) -> &Inner {
        &self.0.engine.0
    }

    pub(crate) fn pre(&self) -> &InstancePre<HostState> {
        &self.0.pre
    }

    pub(crate) fn process(&self) -> &ComponentExportIndex {
        &self.0.process
    }

    /// The optional export that takes a batch by columns.
    pub(crate) fn process_bulk(&self) -> Option<&ComponentExportIndex> {
        self.0.process_bulk.as_ref()
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("digest", &self.digest()).finish_non_exhaustive()
    }
}
