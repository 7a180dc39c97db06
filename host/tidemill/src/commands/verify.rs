//! `verify`: replays events in several ways, and says whether they come to the same. Nothing is committed.

mod parting;
mod shown;
mod trials;
mod way;

use std::{mem, path::Path};

use tidemill_pipeline::{PartitionKey, Span};

use self::{
    shown::Shown,
    trials::{Trials, prefix},
    way::Way,
};
use super::replay::{configured, given};
use crate::{
    cases::{CaseDefaults, Workbench},
    cli::VerifyArgs,
    config::{Config, ProcessorConfig},
    exit::Exit,
};

/// Verifies. Fails if something parts.
pub(super) fn execute(args: &VerifyArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let processor = configured(&config, &args.processor)?;
    let mut spans = read(args, &config, processor)?;
    let workbench = Workbench::of_the_user()?;
    let file = args.component.as_deref().unwrap_or(&processor.component);
    let component = workbench.load_file(file, &processor.limits)?;
    let settings = CaseDefaults::exactly(processor);
    let trials = Trials {
        name: &args.processor,
        data: &config.data,
        state: args.state,
        layout: processor.state,
        workbench: &workbench,
        component: &component,
        settings: &settings,
    };

    let mut shown = Shown::new(args.json, &args.processor);
    // Event by event: where the component asks to stop, it stops in every other way too, with more or less before it.
    let mut alone = trials.run(Way::ALONE, &spans)?;
    if let Some(end) = alone.end.take() {
        spans = prefix(&spans, end.events_before);
        shown.ends(&end);
    }
    let way = Way::reference(&settings);
    let reference = trials.run(way, &spans)?;
    shown.begin(way, &reference);
    for way in Way::others(&settings) {
        let tried = if way == Way::ALONE { mem::take(&mut alone) } else { trials.run(way, &spans)? };
        let parting = match reference.parts_from(&tried) {
            None => None,
            Some(_) => Some(parting::find(&trials, way, &spans)?),
        };
        shown.way(way, &tried, parting);
    }
    shown.finish()
}

/// The events that are meant: of a file, of a feed, or of all the processor's feeds.
fn read(args: &VerifyArgs, config: &Config, processor: &ProcessorConfig) -> anyhow::Result<Vec<(PartitionKey, Span)>> {
    if let Some(file) = &args.file {
        return given::of_file(file, processor)?.collect();
    }
    let events = args.stretch.count.unwrap_or(given::EVENTS);
    let feeds = match &args.stretch.feed {
        Some(feed) => std::slice::from_ref(feed),
        None => processor.feeds.as_slice(),
    };
    let mut spans = Vec::new();
    for feed in feeds {
        spans.extend(given::of_feed(config, feed, &args.stretch, events)?);
    }
    Ok(spans)
}
