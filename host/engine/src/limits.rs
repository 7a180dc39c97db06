//! Limits: what one call of a component, and one component file, may cost. Everything has a bound.

use std::time::Duration;

/// What a processor may use. The bounds of its writes belong to the overlay that a call brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Linear memory of an instance, all its memories together, in bytes.
    pub memory_bytes_max: usize,
    /// Elements of all tables of an instance together.
    pub table_elements_max: usize,
    /// Core instances in an instance.
    pub instances_max: usize,
    /// Longest wall time of one call, instantiation and host calls included. When it passes, the instance is thrown away.
    pub call_time_max: Duration,
    /// Fuel that every call has: an instruction takes about one, host calls take more. It pays for the instantiation too.
    pub fuel_base: u64,
    /// Fuel that every event adds.
    pub fuel_per_event: u64,
    /// Fuel that every byte of an event's payload adds.
    pub fuel_per_byte: u64,
    /// Bytes that may cross in one host call, in either direction.
    pub host_call_bytes_max: usize,
    /// Log lines of one call; the rest is dropped with a note.
    pub log_lines_max: u32,
    /// Bytes of the component file.
    pub component_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 * 1024 * 1024,
            table_elements_max: 200_000,
            instances_max: 500,
            call_time_max: Duration::from_secs(5),
            fuel_base: 1_000_000_000,
            fuel_per_event: 10_000_000,
            fuel_per_byte: 1_000,
            host_call_bytes_max: 32 * 1024 * 1024,
            log_lines_max: 1_000,
            component_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The fuel of a call with so many events and bytes of payload.
    #[must_use]
    pub fn fuel(&self, events: usize, bytes: usize) -> u64 {
        let (events, bytes) = (events as u64, bytes as u64);
        self.fuel_base
            .saturating_add(self.fuel_per_event.saturating_mul(events))
            .saturating_add(self.fuel_per_byte.saturating_mul(bytes))
    }
}
