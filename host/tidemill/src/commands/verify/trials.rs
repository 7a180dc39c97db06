//! Trials: a processor's events replayed in one way, and what it came to.

use std::{collections::BTreeMap, mem, path::Path};

use anyhow::bail;
use tidemill_engine::{Component, ComponentProcessor};
use tidemill_pipeline::{
    BatchBounds, Digest, PartitionKey, ProcessorName, Refusal, Rehearsal, RehearsalEnd, RehearsalSettings, Rehearsed,
    RehearsedState, RejectPolicy, Span, StateSpace, Value,
};

use super::way::Way;
use crate::{
    cases::{CaseDefaults, Workbench},
    cli::ReplayState,
    commands::ask::id,
    config::StateLayout,
    host::Reader,
};

/// What a trial needs.
pub(super) struct Trials<'a> {
    pub(super) name: &'a ProcessorName,
    pub(super) data: &'a Path,
    pub(super) state: ReplayState,
    pub(super) layout: StateLayout,
    pub(super) workbench: &'a Workbench,
    pub(super) component: &'a Component,
    pub(super) settings: &'a CaseDefaults,
}

/// A key of a state: the partition that it belongs to, where each has its own.
pub(super) type Place = (Option<PartitionKey>, String);

/// What a trial came to.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// How many batches there were.
    pub(super) batches: u64,
    /// How many events they had.
    pub(super) events: u64,
    /// A hash of every batch's write set, in their order; none if there was no batch.
    pub(super) writes: Option<Digest>,
    /// Every key that is another one than at the beginning, and its value.
    pub(super) state: BTreeMap<Place, Option<Value>>,
    /// The events that were rejected, by their place from 1, and why in a word.
    pub(super) rejected: BTreeMap<u64, String>,
    /// Where the component asked to stop, if it did.
    pub(super) end: Option<End>,
    before: BTreeMap<Place, Option<Value>>,
}

/// Where a component asked to stop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The events that were applied before.
    pub(super) events_before: u64,
    /// What it asked for, for people.
    pub(super) asked: String,
}

type Rehearsals = BTreeMap<Option<PartitionKey>, Rehearsal<ComponentProcessor>>;

impl Trials<'_> {
    /// Replays the spans in this way, from the state that was asked for.
    pub(super) fn run(&self, way: Way, spans: &[(PartitionKey, Span)]) -> anyhow::Result<Tried> {
        let mut rehearsals = Rehearsals::new();
        let mut tried = Tried::default();
        for run in spans.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((key, _)) = run.first() else { continue };
            let space = (self.layout == StateLayout::Partitioned).then(|| key.clone());
            if !rehearsals.contains_key(&space) {
                rehearsals.insert(space.clone(), self.rehearsal(way, space.as_ref())?);
            }
            let Some(rehearsal) = rehearsals.get_mut(&space) else { continue };
            let mut outcome = Ok(());
            let run = run.iter().flat_map(|(_, span)| pieces(span, way.events_max)).collect();
            self.workbench.wait_for(rehearsal.run(key, run, |batch| {
                if outcome.is_ok() {
                    outcome = tried.add(space.as_ref(), &batch);
                }
            }))?;
            outcome?;
            if tried.end.is_some() {
                break;
            }
        }
        tried.settle();
        Ok(tried)
    }

    fn rehearsal(&self, way: Way, space: Option<&PartitionKey>) -> anyhow::Result<Rehearsal<ComponentProcessor>> {
        let settings = CaseDefaults {
            instances: way.instances,
            batch: BatchBounds { events_max: way.events_max, ..self.settings.batch },
            // A halt would hide what comes after it.
            on_reject: RejectPolicy::Skip,
            ..self.settings.clone()
        };
        let (processor, _heard) = self.workbench.processor(self.component, self.name, &settings);
        let state = match self.state {
            ReplayState::Empty => RehearsedState::of(BTreeMap::new()),
            ReplayState::Current => {
                let space = space.cloned().map_or(StateSpace::Shared, StateSpace::Partition);
                RehearsedState::over(Reader::open(self.data)?.into_snapshot(&id(self.name), &space)?)
            }
        };
        let settings: RehearsalSettings = settings.rehearsal();
        Ok(Rehearsal::new(processor, state, settings))
    }
}

impl Tried {
    fn add(&mut self, space: Option<&PartitionKey>, rehearsed: &Rehearsed) -> anyhow::Result<()> {
        if let Some(end) = &rehearsed.end {
            self.end = Some(End { events_before: self.events, asked: asked(end)? });
            return Ok(());
        }
        let mut written = self.writes.map(|writes| writes.as_bytes().to_vec()).unwrap_or_default();
        for change in &rehearsed.changes {
            // Lengths go before what they are of, so that no two write sets look alike.
            written.extend((change.key.len() as u64).to_le_bytes());
            written.extend(change.key.as_bytes());
            let (kind, bytes) = match &change.after {
                None => (0_u8, &[][..]),
                Some(Value::Text(text)) => (1, text.as_bytes()),
                Some(Value::Bytes(bytes)) => (2, bytes.as_ref()),
            };
            written.push(kind);
            written.extend((bytes.len() as u64).to_le_bytes());
            written.extend(bytes);
            let place = (space.cloned(), change.key.clone());
            self.before.entry(place.clone()).or_insert_with(|| change.before.clone());
            self.state.insert(place, change.after.clone());
        }
        self.writes = Some(Digest::of(&written));
        for rejected in &rehearsed.rejected {
            self.rejected.insert(self.events + rejected.index as u64 + 1, rejected.event.cause.clone());
        }
        self.batches += 1;
        self.events += rehearsed.batch.len() as u64;
        Ok(())
    }

    /// Forgets keys that are in the end what they were in the beginning.
    fn settle(&mut self) {
        let before = mem::take(&mut self.before);
        self.state.retain(|place, after| before.get(place) != Some(after));
    }
}

/// A span in pieces, each of which becomes a batch or a part of one: unlike a host, which commits only whole spans, a
/// verification may look into one.
fn pieces(span: &Span, events_max: usize) -> Vec<Span> {
    if span.len() <= events_max {
        return vec![span.clone()];
    }
    let begins = (0..span.len()).step_by(events_max);
    begins.map(|begin| span.part(begin..span.len().min(begin + events_max))).collect()
}

/// The first events, the last span cut if it has more.
pub(super) fn prefix(spans: &[(PartitionKey, Span)], events: u64) -> Vec<(PartitionKey, Span)> {
    let mut left = usize::try_from(events).unwrap_or(usize::MAX);
    let mut taken = Vec::new();
    for (key, span) in spans {
        let part = span.len().min(left);
        taken.push((key.clone(), if part == span.len() { span.clone() } else { span.part(0..part) }));
        left -= part;
        if left == 0 {
            break;
        }
    }
    taken
}

/// What the component asked for.
fn asked(end: &RehearsalEnd) -> anyhow::Result<String> {
    Ok(match end {
        RehearsalEnd::Refused(Refusal::Retry { reason, .. }) => format!("to be called again later: {reason}"),
        RehearsalEnd::Refused(Refusal::Halt { reason }) => format!("for a halt: {reason}"),
        RehearsalEnd::Refused(Refusal::Overtime { limit }) => bail!(
            "a call took longer than its {limit:?}, which depends on the machine and verifies nothing\n  \
             hint: raise limits.call-time, or lower batch-events"
        ),
        RehearsalEnd::Refused(Refusal::Host(failure)) => bail!("{}", failure.cause),
        RehearsalEnd::Refused(Refusal::Rejected(rejection)) => format!("for a halt: {}", rejection.reason),
        RehearsalEnd::Rejected => "for a halt".to_owned(),
    })
}
