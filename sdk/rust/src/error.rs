//! The error: why a batch was not processed, made by `?` from any error.

use std::{error::Error as Cause, fmt, panic::Location, time::Duration};

use crate::contract::types::{Failure, Reject, Retry};

/// What the functions of a processor return.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// The most of a reason that the host keeps, in bytes.
const REASON_BYTES_MAX: usize = 4 * 1024;

/// Why a batch was not processed. Every write of the call is forgotten.
///
/// `?` makes one of any [`std::error::Error`]: it rejects the event that is being applied, and its reason is the chain
/// of causes, with the place in the source where it was raised. A retry and a halt are always explicit.
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: Kind,
    reason: String,
    raised: Option<&'static Location<'static>>,
    place: Option<usize>,
}

#[derive(Clone, Copy)]
enum Kind {
    Reject,
    Retry(Duration),
    Halt,
}

impl Error {
    /// This event can never be applied. The operator's `on-reject` decides what happens to it.
    #[track_caller]
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::new(Kind::Reject, reason.to_string(), Some(Location::caller()))
    }

    /// The world is not ready: the same batch comes again, after this time or later. It is rounded up to milliseconds; an hour counts at most.
    pub fn retry(after: Duration, reason: impl fmt::Display) -> Self {
        Self::new(Kind::Retry(after), reason.to_string(), None)
    }

    /// Go no further on this partition until a person has looked.
    pub fn halt(reason: impl fmt::Display) -> Self {
        Self::new(Kind::Halt, reason.to_string(), None)
    }

    /// Blames another event of the batch than the one that is being applied, by its [`index`](crate::Event::index).
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        self.0.place = Some(index);
        self
    }

    fn new(kind: Kind, reason: String, raised: Option<&'static Location<'static>>) -> Self {
        Self(Box::new(Parts { kind, reason, raised, place: None }))
    }

    /// The same error, for somebody else. It is not `Clone`: nobody outside of this crate needs it.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// As the contract has it. `applied` is the place of the event that was being applied; without one the host searches.
    pub(crate) fn into_failure(self, applied: Option<usize>) -> Failure {
        let Parts { kind, mut reason, raised, place } = *self.0;
        if let Some(raised) = raised {
            let raised = format!(" (at {}:{})", raised.file(), raised.line());
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX.saturating_sub(raised.len())));
            reason.push_str(&raised);
        }
        match kind {
            Kind::Reject => {
                let place = place.or(applied).and_then(|place| u32::try_from(place).ok());
                Failure::Reject(Reject { index: place.unwrap_or(u32::MAX), reason })
            }
            Kind::Retry(after) => {
                let after_ms = u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                Failure::Retry(Retry { after_ms, reason })
            }
            Kind::Halt => Failure::Halt(reason),
        }
    }
}

impl<E: Cause> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(Kind::Reject, chain(&error), Some(Location::caller()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Reject => write!(f, "reject: {self}"),
            Kind::Retry(after) => write!(f, "retry after {after:?}: {self}"),
            Kind::Halt => write!(f, "halt: {self}"),
        }
    }
}

/// An error and its causes, the outermost first. A cause whose text its effect ends with is not said twice.
fn chain(error: &dyn Cause) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Says what was being done when something failed: `event.json().context("not a payment")?`.
pub trait Context<T> {
    /// Puts `what` and a colon before the reason.
    ///
    /// # Errors
    /// Where there was one before; `None` becomes a rejection with `what` as its reason.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Cause> Context<T> for Result<T, E> {
    #[track_caller]
    #[inline]
    fn context(self, what: impl fmt::Display) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Error::reject(format_args!("{what}: {}", chain(&error)))),
        }
    }
}

impl<T> Context<T> for Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|mut error| {
            error.0.reason = format!("{what}: {}", error.0.reason);
            error
        })
    }
}

impl<T> Context<T> for Option<T> {
    #[track_caller]
    #[inline]
    fn context(self, what: impl fmt::Display) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(Error::reject(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse()?)
    }

    #[test]
    fn any_error_rejects_the_event_that_is_being_applied_and_names_its_line() {
        let line = line!() - 5;
        match parse("x").unwrap_err().into_failure(Some(3)) {
            Failure::Reject(Reject { index: 3, reason }) => {
                assert_eq!(reason, format!("invalid digit found in string (at src/error.rs:{line})"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_context_stands_before_the_reason() {
        let error = parse("x").context("the age").context("the person").unwrap_err();
        assert_eq!(error.to_string(), "the person: the age: invalid digit found in string");
        assert_eq!(None::<u32>.context("no age").unwrap_err().to_string(), "no age");
    }

    #[test]
    fn a_chain_of_causes_is_told_in_full_and_nothing_twice() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError, bool);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.1 { write!(f, "the age: {}", self.0) } else { f.write_str("the age") }
            }
        }
        impl Cause for Outer {
            fn source(&self) -> Option<&(dyn Cause + 'static)> {
                Some(&self.0)
            }
        }
        for tells_its_cause in [false, true] {
            let error = Error::from(Outer("x".parse::<u32>().unwrap_err(), tells_its_cause));
            assert_eq!(error.to_string(), "the age: invalid digit found in string");
        }
    }

    #[test]
    fn a_long_reason_keeps_its_beginning_and_its_place() {
        match Error::reject("æ".repeat(4000)).into_failure(None) {
            Failure::Reject(Reject { index: u32::MAX, reason }) => {
                assert!(reason.len() <= REASON_BYTES_MAX && reason.starts_with("ææ") && reason.contains(" (at src/"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_retry_and_a_halt_have_no_place() {
        let retry = Error::retry(Duration::from_micros(1_499_001), "not ready").into_failure(Some(1));
        assert_eq!(retry, Failure::Retry(Retry { after_ms: 1500, reason: "not ready".into() }));
        assert_eq!(Error::halt("look").into_failure(Some(1)), Failure::Halt("look".into()));
    }
}
