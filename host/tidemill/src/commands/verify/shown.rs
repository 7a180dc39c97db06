//! What is shown of a verification.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tidemill_pipeline::{Instances, ProcessorName};

use super::{
    parting::Parting,
    trials::{End, Tried},
    way::Way,
};
use crate::{
    exit::Exit,
    output::{grouped, safe},
};

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// What is shown, also as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shown {
    #[serde(skip)]
    json: bool,
    processor: String,
    events: u64,
    batches: u64,
    batch_events: usize,
    rejected: usize,
    /// Hash of all write sets of the reference.
    writes: String,
    ended: Option<Ended>,
    ways: Vec<Compared>,
}

#[derive(Serialize)]
struct Ended {
    event: u64,
    asked: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Compared {
    #[serde(skip)]
    words: String,
    instances: &'static str,
    batch_events: usize,
    batches: u64,
    same: bool,
    parted: Option<Parted>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Parted {
    event: u64,
    feed: String,
    partition: String,
    digest: String,
    difference: String,
}

impl Shown {
    pub(super) fn new(json: bool, processor: &ProcessorName) -> Self {
        let processor = processor.to_string();
        Self {
            json,
            processor,
            events: 0,
            batches: 0,
            batch_events: 0,
            rejected: 0,
            writes: String::new(),
            ended: None,
            ways: Vec::new(),
        }
    }

    /// The component asked to stop: what comes after is not verified.
    pub(super) fn ends(&mut self, end: &End) {
        self.ended = Some(Ended { event: end.events_before + 1, asked: end.asked.clone() });
    }

    /// What the others are compared with.
    pub(super) fn begin(&mut self, way: Way, reference: &Tried) {
        self.batch_events = way.events_max;
        self.events = reference.events;
        self.batches = reference.batches;
        self.rejected = reference.rejected.len();
        self.writes = reference.writes.map(|writes| writes.to_string()).unwrap_or_default();
    }

    /// One way, and where it parts from the reference if it does.
    pub(super) fn way(&mut self, way: Way, tried: &Tried, parting: Option<Parting>) {
        self.ways.push(Compared {
            words: way.to_string(),
            instances: way.instances.as_str(),
            batch_events: way.events_max,
            batches: tried.batches,
            same: parting.is_none(),
            parted: parting.map(|parting| Parted {
                event: parting.event,
                feed: parting.key.feed.to_string(),
                partition: parting.key.partition.to_string(),
                digest: parting.payload.to_string(),
                difference: parting.difference.to_string(),
            }),
        });
    }

    /// Prints it.
    pub(super) fn finish(self) -> anyhow::Result<Exit> {
        let parted = self.ways.iter().any(|way| !way.same);
        let mut out = anstream::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &self)?;
            writeln!(out)?;
        } else {
            self.words(&mut out)?;
        }
        out.flush()?;
        Ok(if parted || self.events == 0 { Exit::Failed } else { Exit::Done })
    }

    fn words(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        if let Some(Ended { event, asked }) = &self.ended {
            writeln!(out, "At event {event} the component asks {}.", safe(asked))?;
            writeln!(out, "What comes before it is verified.\n")?;
        }
        if self.events == 0 {
            return writeln!(out, "There were no events to verify with.");
        }
        let rejected = match self.rejected {
            0 => String::new(),
            rejected => format!(", {} rejected", grouped(rejected as u64)),
        };
        writeln!(
            out,
            "{BOLD}{} events in {} of fresh instances{rejected}{BOLD:#}, write sets {}",
            grouped(self.events),
            counted(self.batches),
            self.writes.get(..12).unwrap_or_default()
        )?;
        for way in &self.ways {
            let batches = counted(way.batches);
            match &way.parted {
                None => writeln!(out, "  {GOOD}same{GOOD:#}    {}: {batches}", way.words)?,
                Some(parted) => {
                    writeln!(out, "  {BAD}PARTED{BAD:#}  {}: {batches}", way.words)?;
                    let Parted { event, feed, partition, digest, difference } = parted;
                    let short = digest.get(..12).unwrap_or_default();
                    writeln!(out, "          at event {event}, {} of {}/{}:", short, safe(feed), safe(partition))?;
                    writeln!(out, "          {}", safe(difference))?;
                }
            }
        }
        let Some(worst) = self.ways.iter().find(|way| !way.same) else {
            return writeln!(out, "\nThe results depend on the events alone.");
        };
        writeln!(out, "\n{BAD}The results do not depend on the events alone.{BAD:#}")?;
        writeln!(out, "  hint: {}", hint(worst, self.batch_events))
    }
}

/// What to look for.
fn hint(way: &Compared, all: usize) -> &'static str {
    if way.instances == Instances::Reuse.as_str() {
        "the component keeps something from call to call, such as a global variable: keep it in the state"
    } else if way.batch_events == all {
        "the same calls gave something else: that is a defect of Tidemill; please report it with the component"
    } else {
        "a batch is a window that the host chooses: do not count batches, keep what events share in the state, and read it after \
         writing it"
    }
}

fn counted(batches: u64) -> String {
    format!("{} {}", grouped(batches), if batches == 1 { "batch" } else { "batches" })
}
