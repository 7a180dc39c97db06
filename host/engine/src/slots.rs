//! Slots: the places that instances live in. They are made once, and an instance that ends leaves its pages to the next one.
//!
//! A batch of 10,000 events takes some megabytes in its instance. Memory that is new to the process costs a page fault for
//! each 4 KiB: without slots they were a tenth of all that the host did (decision 0020).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, ResourcesRequired};

use crate::load::LoadError;

/// Instances at one time, those that run and those that are kept for their next batch.
const INSTANCES_MAX: u32 = 500;
/// Core instances, memories and tables that one component may have: more than a component of any language has.
const CORE_INSTANCES_MAX: u32 = 500;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 64;
/// Elements of one table, as [`Limits`](crate::Limits) allow by default for all tables together.
const TABLE_ELEMENTS_MAX: usize = 200_000;
/// What wasmtime may note about an instance, in bytes. It is taken as needed; interpreters take a quarter of it.
const METADATA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of a memory stays with its slot. What is above goes back to the system.
const RESIDENT_BYTES: usize = 8 * 1024 * 1024;
/// Slots that stay with the component that was in them last, with its initial memory in place.
const WARM_SLOTS: u32 = 16;

/// Makes the engine put instances into slots.
pub(crate) fn reserve(config: &mut Config) {
    // Where the system cannot say what was written (Linux before 6.7), all that stays would be wiped after every call.
    let resident = if PoolingAllocationConfig::is_pagemap_scan_available() { RESIDENT_BYTES } else { 0 };
    let mut slots = PoolingAllocationConfig::new();
    slots
        .total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * CORE_INSTANCES_MAX)
        .total_memories(INSTANCES_MAX * MEMORIES_MAX)
        .total_tables(INSTANCES_MAX * TABLES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        // A module may have all of its component.
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_component_instance_size(METADATA_BYTES_MAX)
        .max_core_instance_size(METADATA_BYTES_MAX)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(resident)
        .max_unused_warm_slots(WARM_SLOTS)
        .pagemap_scan(Enabled::Auto);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
}

/// Whether an instance fits into a slot. A host without slots asks the same, so that a component runs everywhere or nowhere.
pub(crate) fn fits(required: &ResourcesRequired) -> Result<(), LoadError> {
    bound("memories", required.num_memories, MEMORIES_MAX)?;
    bound("tables", required.num_tables, TABLES_MAX)
}

fn bound(what: &str, found: u32, max: u32) -> Result<(), LoadError> {
    if found <= max {
        return Ok(());
    }
    Err(LoadError::Invalid(format!(
        "its modules have {found} {what}, and at most {max} fit into one instance\n  hint: link them into fewer modules, or let \
         them share: what compilers make has one or two"
    )))
}

/// The slots that may be held between two calls. The others are for calls.
#[derive(Clone, Debug)]
pub(crate) struct Keeping(Arc<Semaphore>);

/// A slot that is held between two calls.
#[derive(Debug)]
pub(crate) struct Kept(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Keeping {
    /// All slots but those that so many call threads need.
    pub(crate) fn beside(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new((INSTANCES_MAX as usize).saturating_sub(threads))))
    }

    /// A slot to hold; none if too many are held already. Then the instance ends, and the next call begins with a fresh one.
    pub(crate) fn one(&self) -> Option<Kept> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_need_is_never_held_between_them() {
        let keeping = Keeping::beside(INSTANCES_MAX as usize - 2);
        let held = [keeping.one(), keeping.one()];
        assert!(held.iter().all(Option::is_some), "two are beside those that calls need");
        assert!(keeping.one().is_none(), "the others are for calls");
        drop(held);
        assert!(keeping.one().is_some(), "a slot that nobody holds any more can be held again");
        assert!(
            Keeping::beside(INSTANCES_MAX as usize + 1).one().is_none(),
            "more threads than slots need all of them"
        );
    }
}
