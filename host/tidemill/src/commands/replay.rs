//! `replay`: what a processor would write for some events, batch by batch. Nothing is committed.

pub(super) mod given;
mod shown;

use std::{collections::BTreeMap, path::Path};

use tidemill_engine::{Component, ComponentProcessor};
use tidemill_pipeline::{PartitionKey, ProcessorName, Rehearsal, RehearsedState, RejectPolicy, Span, StateSpace};

use self::{given::Given, shown::Shown};
use super::ask::id;
use crate::{
    cases::{CaseDefaults, Heard, Workbench},
    cli::{ReplayArgs, ReplayState},
    config::{Config, ProcessorConfig, StateLayout},
    exit::{Exit, Misuse},
    host::{Reader, unseen},
};

/// Shows what would be written. Fails if something would go wrong.
pub(super) fn execute(args: &ReplayArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let processor = configured(&config, &args.processor)?;
    // What was put aside is tried over the state that is there now, as `parked retry` would.
    let current = args.state == ReplayState::Current || args.parked.is_some();
    if current
        && let Some(unseen) =
            unseen(&Reader::open(&config.data)?, &config)?.iter().find(|unseen| unseen.processor() == &args.processor)
    {
        return Err(unseen.misuse().into());
    }
    let given = Given::open(args, &config, processor)?;
    let file = args.component.as_deref().unwrap_or(&processor.component);
    let workbench = Workbench::of_the_user()?;
    let component = workbench.load_file(file, &processor.limits)?;
    let settings = CaseDefaults::exactly(processor);
    let mut replay = Replay {
        name: &args.processor,
        config: &config,
        processor,
        current,
        workbench,
        component,
        settings,
        rehearsals: BTreeMap::new(),
        shown: Shown::new(args.json),
    };
    let spans = replay.all(given)?;
    replay.shown.finish(spans)
}

/// What the configuration says of a processor.
pub(super) fn configured<'a>(config: &'a Config, name: &ProcessorName) -> anyhow::Result<&'a ProcessorConfig> {
    Ok(config.processors.get(name).ok_or_else(|| unknown(config, name))?)
}

fn unknown(config: &Config, name: &ProcessorName) -> Misuse {
    let names: Vec<_> = config.processors.keys().map(|name| format!("`{name}`")).collect();
    let hint = match names.as_slice() {
        [] => "add one under `[processors.NAME]`".to_owned(),
        _ => format!("its processors are {}", names.join(", ")),
    };
    Misuse { message: format!("the configuration has no processor `{name}`"), hint }
}

struct Replay<'a> {
    name: &'a ProcessorName,
    config: &'a Config,
    processor: &'a ProcessorConfig,
    current: bool,
    workbench: Workbench,
    component: Component,
    settings: CaseDefaults,
    /// One for all partitions, or one for each, as the processor's state is.
    rehearsals: BTreeMap<Option<PartitionKey>, (Rehearsal<ComponentProcessor>, Heard)>,
    shown: Shown,
}

impl Replay<'_> {
    /// Goes through the events; says how many spans there were.
    fn all(&mut self, given: Given) -> anyhow::Result<u64> {
        let mut spans = 0;
        let one = given.one;
        let mut waiting: Vec<Span> = Vec::new();
        let mut from: Option<PartitionKey> = None;
        let mut events = 0;
        let mut found = one.is_none();
        for next in given.spans {
            let (key, span) = next?;
            spans += 1;
            if let Some(place) = one.as_ref().and_then(|one| one.place(&span, events)) {
                // Those before it are applied as they would have been, and not shown.
                self.quietly(from.as_ref(), std::mem::take(&mut waiting))?;
                self.quietly(Some(&key), vec![span.part(0..place)])?;
                self.shown.begin_at(events + place as u64);
                self.run(&key, vec![span.part(place..place + 1)], true)?;
                found = true;
                break;
            }
            let full = waiting.len() >= self.settings.batch.events_max;
            if from.as_ref().is_some_and(|from| *from != key) || full {
                let run = std::mem::take(&mut waiting);
                if let (Some(from), None) = (&from, &one) {
                    self.run(from, run, true)?;
                } else {
                    self.quietly(from.as_ref(), run)?;
                }
                if self.shown.ended() {
                    return Ok(spans);
                }
            }
            events += span.len() as u64;
            from = Some(key);
            waiting.push(span);
        }
        if let (Some(from), None) = (&from, &one) {
            self.run(from, waiting, true)?;
        }
        anyhow::ensure!(
            found,
            "there is no such event among the {events} that were read\n  hint: see them all without `--event` and `--payload`"
        );
        Ok(spans)
    }

    /// Applies what comes before the event that is meant: what was rejected then is left out.
    fn quietly(&mut self, key: Option<&PartitionKey>, spans: Vec<Span>) -> anyhow::Result<()> {
        match key {
            Some(key) if spans.iter().any(|span| !span.is_empty()) => self.run(key, spans, false),
            _ => Ok(()),
        }
    }

    fn run(&mut self, key: &PartitionKey, spans: Vec<Span>, show: bool) -> anyhow::Result<()> {
        let space = (self.processor.state == StateLayout::Partitioned).then(|| key.clone());
        if !self.rehearsals.contains_key(&space) {
            let (processor, heard) = self.workbench.processor(&self.component, self.name, &self.settings);
            let rehearsal = Rehearsal::new(processor, self.state(space.as_ref())?, self.settings.rehearsal());
            self.rehearsals.insert(space.clone(), (rehearsal, heard));
        }
        let Some((rehearsal, heard)) = self.rehearsals.get_mut(&space) else { return Ok(()) };
        rehearsal.on_reject(if show { self.settings.on_reject } else { RejectPolicy::Skip });
        let mut written = Ok(());
        let shown = &mut self.shown;
        self.workbench.wait_for(rehearsal.run(key, spans, |batch| {
            let lines = heard.take();
            if show && written.is_ok() {
                written = shown.batch(&batch, &lines);
            }
        }))?;
        Ok(written?)
    }

    fn state(&self, space: Option<&PartitionKey>) -> anyhow::Result<RehearsedState> {
        if !self.current {
            return Ok(RehearsedState::of(BTreeMap::new()));
        }
        let space = space.cloned().map_or(StateSpace::Shared, StateSpace::Partition);
        let snapshot = Reader::open(&self.config.data)?.into_snapshot(&id(self.name), &space)?;
        Ok(RehearsedState::over(snapshot))
    }
}
