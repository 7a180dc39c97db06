//! The host of a test.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{
    TestEvent,
    delivery::Delivery,
    world::{self, Crossing, PastABound, World},
};
use crate::{
    contract::types::{self, Batch, Value},
    processor::{Processor, run},
};

/// A state, a configuration, and the means to run processors over them.
///
/// ```no_run
/// # use tidemill_sdk::{prelude::*, testing::Host};
/// # #[derive(Default)] struct Totals;
/// # impl Processor for Totals { fn apply(&mut self, _: Event<'_>) -> Result { Ok(()) } }
/// let mut host = Host::new().config("currency", "NOK").state("total/ada", "3");
/// host.apply::<Totals>([r#"{"user": "ada", "amount": 4}"#]).unwrap();
/// assert_eq!(host.text("total/ada"), Some("7"));
/// ```
#[derive(Clone, Debug)]
pub struct Host {
    feed: String,
    partition: String,
    state: BTreeMap<String, Value>,
    config: BTreeMap<String, String>,
    lines: Vec<(log::Level, String)>,
    crossings: Vec<Crossing>,
}

/// Why a batch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An event can never be applied.
    Rejected {
        /// Its place in the batch, from 0; none where a host would search for it.
        index: Option<usize>,
        /// What the processor said.
        reason: String,
    },
    /// The processor asked for the same batch again.
    Retry {
        /// The shortest wait.
        after: Duration,
        /// What the processor said.
        reason: String,
    },
    /// The processor wants a person to look.
    Halted {
        /// What the processor said.
        reason: String,
    },
    /// The processor panicked or went past a bound: a trap in a component, after which a host searches for the event to blame.
    Trapped {
        /// What the panic said, and where; or which bound it was.
        reason: String,
    },
}

impl Failure {
    /// What the processor said.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Rejected { reason, .. }
            | Self::Retry { reason, .. }
            | Self::Halted { reason }
            | Self::Trapped { reason } => reason,
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// An empty state and no configuration. The feed is `events`, its partition `0`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            feed: "events".to_owned(),
            partition: "0".to_owned(),
            state: BTreeMap::new(),
            config: BTreeMap::new(),
            lines: Vec::new(),
            crossings: Vec::new(),
        }
    }

    /// Sets a setting of `[processors.NAME.config]`. Numbers and booleans are given as TOML writes them.
    #[must_use]
    pub fn config(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.config.insert(name.to_owned(), value.to_string());
        self
    }

    /// Sets a key of the state to a text.
    #[must_use]
    pub fn state(mut self, key: &str, text: &str) -> Self {
        self.state.insert(key.to_owned(), Value::Text(text.to_owned()));
        self
    }

    /// Sets a key of the state to bytes.
    #[must_use]
    pub fn state_bytes(mut self, key: &str, bytes: &[u8]) -> Self {
        self.state.insert(key.to_owned(), Value::Bytes(bytes.to_vec()));
        self
    }

    /// Sets the feed and the partition that the events come from.
    #[must_use]
    pub fn partition(mut self, feed: &str, partition: &str) -> Self {
        feed.clone_into(&mut self.feed);
        partition.clone_into(&mut self.partition);
        self
    }

    /// Gives a processor these events as one batch. Its writes are in the state if all went well, and forgotten if not.
    ///
    /// # Errors
    /// What the processor answered, where that is not success.
    pub fn apply<P: Processor>(
        &mut self,
        events: impl IntoIterator<Item = impl Into<TestEvent>>,
    ) -> Result<(), Failure> {
        let events = events.into_iter().map(|event| event.into().0).collect::<Vec<_>>();
        let count = events.len();
        let batch = Delivery::of(Batch { feed: self.feed.clone(), partition: self.partition.clone(), events });
        let state = std::mem::take(&mut self.state);
        world::enter(World { state, config: self.config.clone(), ..World::default() });
        let outcome = catch_unwind(AssertUnwindSafe(|| match &batch {
            Delivery::Records(batch) => run::<P>(batch),
            Delivery::Columns(batch) => run::<P>(batch),
        }));
        let world = world::leave();
        self.state = world.state;
        self.crossings = world.crossings;
        let said = world.lines.last().map_or("", |(_, line)| line.as_str());
        let outcome = match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(failed(failure, count)),
            Err(panic) => Err(match panic.downcast::<PastABound>() {
                Ok(past) => Failure::Trapped { reason: past.0 },
                Err(_) => Failure::Trapped { reason: said.to_owned() },
            }),
        };
        if outcome.is_ok() {
            for (key, value) in world.writes {
                match value {
                    Some(value) => self.state.insert(key, value),
                    None => self.state.remove(&key),
                };
            }
        }
        self.lines.extend(world.lines);
        outcome
    }

    /// Gives a processor these events twice, as one batch and one by one, and compares: how events are cut into batches must not
    /// show in the state. It goes on with the state that came of it.
    ///
    /// # Errors
    /// What the processor answered to the whole batch, where that is not success. One by one is not tried then.
    ///
    /// # Panics
    /// When the two ways lead to different states.
    pub fn apply_however_cut<P: Processor>(
        &mut self,
        events: impl IntoIterator<Item = impl Into<TestEvent>>,
    ) -> Result<(), Failure> {
        let events: Vec<TestEvent> = events.into_iter().map(Into::into).collect();
        let mut alone = self.clone();
        self.apply::<P>(events.clone())?;
        for event in events {
            let outcome = alone.apply::<P>([event.clone()]);
            assert_eq!(outcome, Ok(()), "the batch was applied, and this event alone was not: {event:?}");
        }
        assert_eq!(
            self.state, alone.state,
            "the state differs between one batch (left) and one event at a time (right)"
        );
        Ok(())
    }

    /// The whole state.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, Value> {
        &self.state
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.state.get(key)
    }

    /// The text under a key; none if there is none, or if it is bytes.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.state.get(key)? {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }

    /// The lines of all calls so far.
    #[must_use]
    pub fn lines(&self) -> &[(log::Level, String)] {
        &self.lines
    }

    /// What the last call asked of the host's state, in order: each crossing costs, so fewer are quicker.
    #[must_use]
    pub fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }
}

fn failed(failure: types::Failure, events: usize) -> Failure {
    match failure {
        types::Failure::Reject(reject) => {
            let index = usize::try_from(reject.index).ok().filter(|index| *index < events);
            Failure::Rejected { index, reason: reject.reason }
        }
        types::Failure::Retry(retry) => {
            Failure::Retry { after: Duration::from_millis(retry.after_ms), reason: retry.reason }
        }
        types::Failure::Halt(reason) => Failure::Halted { reason },
    }
}
