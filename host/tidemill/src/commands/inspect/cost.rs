//! What events cost in a component, by kind: each alone, over the state that those before it left.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use tidemill_pipeline::{
    FeedName, PartitionId, PartitionKey, ProcessorName, Refusal, Rehearsal, RehearsalEnd, RehearsedState, RejectPolicy,
};

use crate::{
    cases::{CaseDefaults, FileEvents, Workbench},
    cli::InspectArgs,
    config::{Config, Limits},
    costs::{Costs, EventCost, HEADINGS, KindRow, kind_of},
    exit::{Exit, Misuse},
    output::{Table, complain, print, print_json, safe},
};

/// What it comes to, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    component: String,
    kinds: Vec<KindRow<'a>>,
    granted: Granted,
}

/// What the limits grant.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Granted {
    fuel_per_call: u64,
    fuel_per_event: u64,
    fuel_per_byte: u64,
    memory_bytes: usize,
    write_bytes: usize,
}

impl Granted {
    fn of(limits: &Limits) -> Self {
        Self {
            fuel_per_call: limits.fuel_per_call,
            fuel_per_event: limits.fuel_per_event,
            fuel_per_byte: limits.fuel_per_byte,
            memory_bytes: limits.memory_bytes_max,
            write_bytes: limits.writes.bytes_max,
        }
    }

    fn words(&self) -> String {
        let Self { fuel_per_call, fuel_per_event, fuel_per_byte, memory_bytes, write_bytes } = self;
        let size = |bytes: &usize| bytesize::ByteSize(*bytes as u64);
        format!(
            "Each event was a call of its own, the start of the instance included.\n\
             The limits grant: fuel {fuel_per_call} a call, {fuel_per_event} for each event and {fuel_per_byte} for each byte of it; \
             memory {}; writes {} a batch.\n",
            size(memory_bytes),
            size(write_bytes)
        )
    }
}

/// Runs the events and shows what they cost.
pub(super) fn execute(args: &InspectArgs, events: &Path, config: &Path) -> anyhow::Result<Exit> {
    let settings = settings(args, config)?;
    // Every kind is to be seen, whatever an event before it came to.
    let settings = CaseDefaults { on_reject: RejectPolicy::Skip, ..settings };
    let workbench = Workbench::of_the_user()?;
    let component = workbench.load_file(&args.file, &settings.limits)?;
    let name = args.processor.clone().unwrap_or_else(|| ProcessorName::new("inspect"));
    let (processor, heard) = workbench.processor(&component, &name, &settings);
    let mut rehearsal = Rehearsal::new(processor, RehearsedState::of(BTreeMap::new()), settings.rehearsal());
    let key = PartitionKey { feed: FeedName::new("events"), partition: PartitionId::new("0") };
    let mut costs = Costs::default();
    let mut stopped = None;
    let mut events_run = 0_u64;
    let mut refused = None;
    'events: for next in FileEvents::open(events, &key)? {
        let (key, span) = next?;
        for place in 0..span.len() {
            let mut ended = false;
            workbench.wait_for(rehearsal.run(&key, vec![span.part(place..place + 1)], |batch| {
                events_run += 1;
                if let (None, Some(first)) = (&refused, batch.rejected.first()) {
                    let reason = first.event.reason.lines().next().unwrap_or_default().to_owned();
                    refused = Some(format!("event {events_run}: {}: {reason}", first.event.cause));
                }
                for event in batch.batch.events() {
                    costs.add(&kind_of(event, args.kind_of.as_deref()), EventCost::of(&batch));
                }
                ended = batch.end.is_some();
                stopped = batch.end;
            }))?;
            heard.take();
            if ended {
                break 'events;
            }
        }
    }
    let granted = Granted::of(&settings.limits);
    if args.json {
        let kinds = costs.kinds().map(|(kind, costs)| KindRow::new(kind, costs)).collect();
        print_json(&Document { component: component.digest().to_string(), kinds, granted })?;
    } else {
        let mut table = Table::new(HEADINGS);
        for (kind, costs) in costs.kinds() {
            table.row(KindRow::new(kind, costs).cells());
        }
        let refused = refused.map(|first| {
            format!(
                "Rejected events have no cost. The first is {first}; `tidemill replay` shows each with its backtrace.\n"
            )
        });
        print(&format!("{table}\n\n{}{}", safe(&refused.unwrap_or_default()), granted.words()))?;
    }
    let Some(end) = stopped else { return Ok(Exit::Done) };
    complain(&safe(&format!("error: {}\n  hint: the events after that one were not run", why(&end))));
    Ok(Exit::Failed)
}

/// Why it went no further, as a sentence.
fn why(end: &RehearsalEnd) -> String {
    match end {
        RehearsalEnd::Rejected => "an event was rejected".to_owned(),
        RehearsalEnd::Refused(Refusal::Retry { reason, .. }) => {
            format!("the component asks to be called again: {reason}")
        }
        RehearsalEnd::Refused(Refusal::Halt { reason }) => format!("the component asks for a person: {reason}"),
        RehearsalEnd::Refused(Refusal::Overtime { limit }) => {
            format!("a call took longer than its {limit:?} (limits.call-time)")
        }
        RehearsalEnd::Refused(Refusal::Host(failure)) => failure.cause.clone(),
        RehearsalEnd::Refused(Refusal::Rejected(rejection)) => rejection.reason.clone(),
    }
}

fn settings(args: &InspectArgs, config: &Path) -> anyhow::Result<CaseDefaults> {
    let Some(name) = &args.processor else { return Ok(CaseDefaults::default()) };
    let config = Config::load(config)?;
    let processor = config.processors.get(name).ok_or_else(|| Misuse {
        message: format!("the configuration has no processor `{name}`"),
        hint: "without `--processor` the defaults hold".to_owned(),
    })?;
    Ok(CaseDefaults::exactly(processor))
}
