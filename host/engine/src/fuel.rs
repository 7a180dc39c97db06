//! Fuel of host calls: what they cost the host, in the unit of the component's own instructions.
//!
//! One unit is about a third of a nanosecond. The prices are the measured times of the slowest ordinary case (a
//! point read from a large database, a row written at commit), so that fuel bounds the host's work as well.

use tidemill_pipeline::failpoint;
use wasmtime::{StoreContextMut, Trap};

use crate::host_state::HostState;

/// Any call out of the component.
pub(crate) const CALL: u64 = 300;
/// A byte that crosses.
pub(crate) const BYTE: u64 = 1;
/// A key looked up in the state.
pub(crate) const READ: u64 = 5_000;
/// A scan begun.
pub(crate) const SCAN: u64 = 10_000;
/// An entry that a scan gives.
pub(crate) const ENTRY: u64 = 1_000;
/// A key written.
pub(crate) const WRITE: u64 = 10_000;
/// A log line.
pub(crate) const LINE: u64 = 5_000;

/// Takes fuel for a host call and looks at the clock.
///
/// # Errors
/// The trap that the component's own instructions would end with: out of fuel, or interrupted.
pub(crate) fn charge(store: &mut StoreContextMut<'_, HostState>, fuel: u64) -> wasmtime::Result<()> {
    if store.data().is_overtime() {
        return Err(Trap::Interrupt.into());
    }
    let fuel = if failpoint::breaks("host-calls-cost") { 0 } else { fuel };
    let left = store.get_fuel()?.checked_sub(fuel);
    store.set_fuel(left.unwrap_or(0))?;
    left.map(|_| ()).ok_or_else(|| Trap::OutOfFuel.into())
}

/// The price of some bytes.
pub(crate) fn bytes(len: usize) -> u64 {
    BYTE.saturating_mul(len as u64)
}
