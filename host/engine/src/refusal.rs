//! Refusals: how a call that went wrong is told to the worker.

use std::time::Duration;

use tidemill_pipeline::{Failure, REASON_BYTES_MAX, Refusal, Rejection, RejectionCause, Stage};
use wasmtime::{Trap, WasmBacktrace};

use crate::{
    contract::Failed,
    host_state::{HostState, Stop},
    log_lines::cut,
};

/// The longest wait that a component can ask for.
const RETRY_MAX: Duration = Duration::from_hours(1);
/// The longest backtrace that is kept, in bytes.
const BACKTRACE_BYTES_MAX: usize = 8 * 1024;

/// What the component itself returned instead of ok. `events` is how many it was given.
pub(crate) fn returned(failed: Failed, events: usize) -> Refusal {
    match failed {
        Failed::Retry(retry) => Refusal::Retry {
            after: Duration::from_millis(retry.after_ms).min(RETRY_MAX),
            reason: bounded(&retry.reason),
        },
        Failed::Reject(reject) => Refusal::Rejected(Rejection {
            cause: RejectionCause::Returned,
            index: usize::try_from(reject.index).ok().filter(|index| *index < events),
            reason: bounded(&reject.reason),
            backtrace: None,
        }),
        Failed::Halt(reason) => Refusal::Halt { reason: bounded(&reason) },
    }
}

/// What ended the call from outside, or by a trap.
pub(crate) fn ended(error: &wasmtime::Error, state: &HostState, limit: Duration) -> Refusal {
    let rejected = |cause, reason: &str| {
        Refusal::Rejected(Rejection { cause, index: None, reason: bounded(reason), backtrace: backtrace(error) })
    };
    match error.downcast_ref::<Stop>() {
        Some(Stop::Host(failure)) => return Refusal::Host(failure.clone()),
        Some(Stop::Limit(reason)) => return rejected(RejectionCause::Limit, reason),
        Some(Stop::Forbidden(reason)) => return rejected(RejectionCause::Trap, &with_last_words(reason, false, state)),
        None => {}
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        return Refusal::Overtime { limit };
    }
    if trap == Some(&Trap::OutOfFuel) {
        return rejected(RejectionCause::Fuel, "it used up its fuel (limits.fuel-per-event)");
    }
    let cause = error.root_cause().to_string();
    // wasmtime keeps this error's type to itself, so its text is all there is to know it by; a test holds it.
    if trap.is_none() && cause.contains("fuel allocated for hostcalls") {
        let max = state.host_call_bytes_max;
        return rejected(RejectionCause::Limit, &format!("it gave more than {max} bytes to one host call"));
    }
    if let Some(refused) = state.room.refused() {
        return rejected(RejectionCause::Memory, &format!("{refused}, and trapped: {cause}"));
    }
    let gave_up = trap == Some(&Trap::UnreachableCodeReached);
    rejected(RejectionCause::Trap, &with_last_words(&cause, gave_up, state))
}

/// A component that could not be instantiated: no event is to blame.
pub(crate) fn not_instantiated(error: &wasmtime::Error, state: &HostState, limit: Duration) -> Refusal {
    match ended(error, state, limit) {
        Refusal::Rejected(rejection) => {
            let cause = format!("the component could not be instantiated: {}", rejection.reason);
            Refusal::Host(
                Failure::broken(Stage::Process, cause).hint("replace the component, or raise the limit named"),
            )
        }
        other @ (Refusal::Retry { .. } | Refusal::Halt { .. } | Refusal::Overtime { .. } | Refusal::Host(_)) => other,
    }
}

/// A component that gives up (a panic, an abort) says why before it does: that comes first. Before any other trap, its last words need
/// not have to do with it.
fn with_last_words(cause: &str, gave_up: bool, state: &HostState) -> String {
    match state.log.last_words().text() {
        "" => cause.to_owned(),
        words if gave_up => format!("{words} ({cause})"),
        words => format!("{cause}\nthe last error that it told: {words}"),
    }
}

fn bounded(reason: &str) -> String {
    cut(reason, REASON_BYTES_MAX).to_owned()
}

/// The frames as wasmtime names them, innermost first.
fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?;
    if frames.frames().is_empty() {
        return None;
    }
    let text = frames.to_string();
    let text = text.trim_start_matches("error while executing at wasm backtrace:").trim_matches('\n');
    Some(cut(text, BACKTRACE_BYTES_MAX).to_owned())
}
