//! Room: the memory, tables and instances that an instance may have, and what it had at most.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// Counts what an instance takes. A growth past the limit fails, as the component's own code can see.
#[derive(Debug)]
pub(crate) struct Room {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    table_elements_max: usize,
    instances_max: usize,
    refused: Option<String>,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements: 0,
            table_elements_max: limits.table_elements_max,
            instances_max: limits.instances_max,
            refused: None,
        }
    }

    /// Linear memory never shrinks: what there is, is the most that there was.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// What was refused last, as a sentence.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// A call begins: what was refused before does not concern it.
    pub(crate) fn forget_refused(&mut self) {
        self.refused = None;
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let granted = total <= self.memory_bytes_max;
        if granted {
            self.memory_bytes = total;
        } else {
            let max = self.memory_bytes_max;
            self.refused = Some(format!("it asked for {total} bytes of memory, and may have {max} (limits.memory)"));
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let granted = total <= self.table_elements_max;
        if granted {
            self.table_elements = total;
        } else {
            let max = self.table_elements_max;
            self.refused = Some(format!("it asked for {total} table elements, and may have {max}"));
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        self.instances_max
    }

    fn memories(&self) -> usize {
        self.instances_max
    }
}
