//! The processor: what a user of this crate writes, and how the host calls it.

use crate::{
    contract::types::Failure,
    error::Result,
    event::{Batch, Event},
    log_lines, overlay,
};

/// A processor: it applies events to its state, one after the other.
///
/// It is made anew for each batch, so its fields live as long as one: what lasts is in a [`Map`](crate::Map). Name it to the host with
/// [`export!`](crate::export).
pub trait Processor: Default {
    /// Looks at a batch before its first event is applied: reads the configuration, or fetches the state that the events will touch.
    ///
    /// # Errors
    /// The batch fails; an error that is neither a retry nor a halt makes the host search for the event to blame.
    fn begin(&mut self, batch: Batch<'_>) -> Result {
        let _ = batch;
        Ok(())
    }

    /// Applies an event.
    ///
    /// # Errors
    /// Any error rejects this event, unless it is a [retry](crate::Error::retry) or a [halt](crate::Error::halt). All
    /// writes of the call are forgotten then.
    fn apply(&mut self, event: Event<'_>) -> Result;

    /// Finishes a batch whose events were all applied: writes what the fields gathered.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn end(self) -> Result {
        Ok(())
    }
}

/// Runs a processor on a batch, as the component's exports do.
///
/// # Errors
/// What the processor returned, or the gathered writes made.
#[doc(hidden)]
pub fn run<'a, P: Processor>(batch: impl Into<Batch<'a>>) -> Result<(), Failure> {
    log_lines::begin();
    overlay::clear();
    let mut place = None;
    let outcome = apply::<P>(batch.into(), &mut place);
    overlay::clear();
    outcome.map_err(|error| error.into_failure(place))
}

fn apply<P: Processor>(batch: Batch<'_>, place: &mut Option<usize>) -> Result {
    let mut processor = P::default();
    processor.begin(batch)?;
    for event in batch.events() {
        *place = Some(event.index());
        processor.apply(event)?;
    }
    *place = None;
    processor.end()?;
    overlay::flush()
}

/// Makes a component of a [`Processor`]: `tidemill_sdk::export!(Totals);`, once in a crate of the type `cdylib`.
///
/// It does nothing where the crate is built for another target than Wasm, as its tests are.
#[macro_export]
macro_rules! export {
    ($processor:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::contract::Guest for Component {
                fn process(
                    batch: $crate::contract::types::Batch,
                ) -> ::core::result::Result<(), $crate::contract::types::Failure> {
                    $crate::run::<$processor>(&batch)
                }
            }

            impl $crate::contract::BulkGuest for Component {
                fn process(
                    batch: $crate::contract::BulkBatch,
                ) -> ::core::result::Result<(), $crate::contract::types::Failure> {
                    $crate::run::<$processor>(&batch)
                }
            }

    $crate::contract::export_component!(Component with_types_in $crate::contract);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            const fn is_a_processor<P: $crate::Processor>() {}
            is_a_processor::<$processor>();
        };
    };
}
