//! Where two ways part: the first event after which they have come to something else.

use std::fmt;

use tidemill_pipeline::{Digest, PartitionKey, Span, Value};

use super::{
    trials::{Place, Trials, Tried, prefix},
    way::Way,
};
use crate::output::{one_line, shorten};

/// The longest value that is shown, in characters.
const CHARS_MAX: usize = 120;

/// What two trials of the same events differ in.
#[derive(Debug)]
pub(super) enum Difference {
    /// A key has another value. The reference's is the first.
    Key(Place, Option<Value>, Option<Value>),
    /// An event is rejected by one of them, or for another reason. The reference's is the first.
    Rejection(u64, Option<String>, Option<String>),
    /// The states are the same, but what was written on the way is not.
    Writes,
    /// One of them asks to stop where the other goes on.
    End,
}

/// The event where a way parts from the reference.
#[derive(Debug)]
pub(super) struct Parting {
    /// Its place from 1.
    pub(super) event: u64,
    /// Where it comes from.
    pub(super) key: PartitionKey,
    /// The digest of its payload.
    pub(super) payload: Digest,
    /// What differs after it.
    pub(super) difference: Difference,
}

impl Tried {
    /// How another trial of the same events differs from this one, the reference.
    pub(super) fn parts_from(&self, other: &Self) -> Option<Difference> {
        if self.end != other.end {
            return Some(Difference::End);
        }
        let events = self.rejected.keys().chain(other.rejected.keys());
        let rejection = events.filter(|event| self.rejected.get(event) != other.rejected.get(event)).min();
        if let Some(event) = rejection {
            let cause = |tried: &Self| tried.rejected.get(event).cloned();
            return Some(Difference::Rejection(*event, cause(self), cause(other)));
        }
        let places = self.state.keys().chain(other.state.keys());
        let place = places.filter(|place| self.state.get(place) != other.state.get(place)).min();
        if let Some(place) = place {
            let value = |tried: &Self| tried.state.get(place).cloned().flatten();
            return Some(Difference::Key(place.clone(), value(self), value(other)));
        }
        // The same batches must write the same. Other batches leave out what they overwrite themselves.
        (self.batches == other.batches && self.writes != other.writes).then_some(Difference::Writes)
    }
}

/// Finds the event: one after which the two have parted, while before it they had not.
pub(super) fn find(trials: &Trials<'_>, way: Way, spans: &[(PartitionKey, Span)]) -> anyhow::Result<Parting> {
    let differ = |events: u64| -> anyhow::Result<Option<Difference>> {
        let spans = prefix(spans, events);
        let reference = trials.run(Way::reference(trials.settings), &spans)?;
        Ok(reference.parts_from(&trials.run(way, &spans)?))
    };
    let (mut same, mut parted) = (0, spans.iter().map(|(_, span)| span.len() as u64).sum::<u64>());
    while parted - same > 1 {
        let middle = same + (parted - same) / 2;
        if differ(middle)?.is_some() { parted = middle } else { same = middle }
    }
    let difference = differ(parted)?.ok_or_else(|| {
        anyhow::anyhow!(
            "the results part differently each time they are tried\n  hint: `tidemill inspect` the component"
        )
    })?;
    let mut before = 0;
    for (key, span) in spans {
        for event in span.events() {
            before += 1;
            if before == parted {
                let payload = Digest::of(event.data().as_bytes());
                return Ok(Parting { event: parted, key: key.clone(), payload, difference });
            }
        }
    }
    anyhow::bail!("the results part although there is no event")
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<Value>| match value {
            Some(value) => format!("`{}`", shorten(&one_line(value.as_ref()), CHARS_MAX)),
            None => "nothing".to_owned(),
        };
        match self {
            Self::Key((_, key), one, other) => {
                write!(f, "`{key}` has {}, and not {}", value(other), value(one))
            }
            Self::Rejection(event, one, other) => {
                let word = |cause: &Option<String>| cause.clone().unwrap_or_else(|| "applied".to_owned());
                write!(f, "event {event} is {}, and not {}", word(other), word(one))
            }
            Self::Writes => f.write_str("the state is the same, but not what was written on the way"),
            Self::End => f.write_str("one asks to stop where the other goes on"),
        }
    }
}
