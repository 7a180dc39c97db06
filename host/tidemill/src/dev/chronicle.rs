//! The chronicle: makes of the news what is shown, and keeps it readable however much happens.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tidemill_pipeline::{Committed, Digest, Failed, PartitionKey, ProcessorName, Value};

use super::{
    alone::Alone,
    entry::{self, Batch, Cell, Change, Entry, Flood, Summary, ms},
    lookout::Lookout,
    news::{News, Reload},
    reloads::{Reloads, Times},
};
use crate::{
    costs::{EventCost, kind_of},
    exit::with_hint,
    host::Reloaded,
    logging::{COMPILING_TARGET, GUEST_TARGET, Said},
};

/// Batches that are shown whole in one second; the others are summed up.
const BATCHES_A_SECOND: u32 = 5;
/// Log lines of components that are shown in one second.
const LINES_A_SECOND: u32 = 100;
/// Events and writes of a batch that are shown.
const SHOWN_MAX: usize = 20;
/// The kind of events that came in a batch with others.
const SEVERAL: &str = "(several kinds in a batch)";
/// How long a warning that comes again is not said again.
const SAID_TIME: Duration = Duration::from_secs(30);

/// What keeps a partition from going on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stuck {
    reason: String,
    event: Option<Digest>,
    component: Option<Digest>,
}

/// Makes entries of news.
pub(crate) struct Chronicle {
    began: Instant,
    alone: Alone,
    lookout: Arc<Lookout>,
    summary: Summary,
    reloads: Reloads,
    stuck: BTreeMap<(ProcessorName, PartitionKey), Stuck>,
    flood: Flood,
    batches: u32,
    lines: u32,
    lines_left_out: u64,
    warned: BTreeMap<String, Instant>,
    /// Where in a payload its kind stands, if not in the envelope.
    kind_of: Option<String>,
}

impl Chronicle {
    pub(crate) fn new(alone: Alone, lookout: Arc<Lookout>, kind_of: Option<String>) -> Self {
        Self {
            began: Instant::now(),
            alone,
            lookout,
            summary: Summary::default(),
            reloads: Reloads::default(),
            stuck: BTreeMap::new(),
            flood: Flood::default(),
            batches: 0,
            lines: 0,
            lines_left_out: 0,
            warned: BTreeMap::new(),
            kind_of,
        }
    }

    /// What is to be shown of some news, in order.
    pub(crate) fn tell(&mut self, news: News) -> Vec<Entry> {
        let mut entries = Vec::new();
        if !matches!(news, News::Committed(..) | News::Output(_)) {
            self.flush(&mut entries);
        }
        match news {
            News::Building { command, edit } => {
                let files = edit.into_iter().flat_map(|edit| edit.files);
                let files = files.map(|file| file.display().to_string()).take(SHOWN_MAX).collect();
                entries.push(Entry::BuildStarted { command, files });
            }
            News::Output(line) => entries.push(Entry::BuildOutput { line }),
            News::Built(ended) => {
                entries.push(Entry::BuildEnded { ok: ended.ok, how: ended.how, took_ms: ms(ended.took) });
            }
            News::Unbuilt(how) => entries.push(Entry::BuildEnded { ok: false, how, took_ms: 0.0 }),
            News::Started(processor, component) => {
                entries.push(Entry::Started { processor: processor.to_string(), component: component.short() });
            }
            News::Reloaded(reload) => self.reloaded(*reload, &mut entries),
            News::Committed(committed, at) => {
                self.lookout.taken(&committed);
                self.committed(&committed, at, &mut entries);
            }
            News::Failed(failed) => self.failed(&failed, &mut entries),
            News::Said(said) => self.said(said, &mut entries),
            News::Idle => entries.push(Entry::Idle),
            News::Configured(file) => entries.push(Entry::Warning {
                level: "warn".to_owned(),
                message: format!("{} changed; start `tidemill dev` again to use it", file.display()),
            }),
            News::Looping(file) => entries.push(Entry::Warning {
                level: "warn".to_owned(),
                message: format!(
                    "the build writes {} each time, which does not start another one; say with `sources` what it is built of",
                    file.display()
                ),
            }),
            News::Tick => (self.batches, self.lines) = (0, 0),
        }
        entries
    }

    /// The end: what is left to say, and the summary.
    pub(crate) fn end(mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.flush(&mut entries);
        self.summary.seconds = (self.began.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        entries.push(Entry::Summary(self.summary));
        entries
    }

    /// Says what was only counted.
    fn flush(&mut self, entries: &mut Vec<Entry>) {
        let (batches, events) = self.lookout.missed();
        self.flood.missed_batches += batches;
        self.flood.missed_events += events;
        self.summary.batches += batches;
        self.summary.events += events;
        if self.flood.batches > 0 || self.flood.missed_batches > 0 {
            entries.push(Entry::Flood(std::mem::take(&mut self.flood)));
        }
        if self.lines_left_out > 0 {
            let message = format!("{} more log lines of components were left out", self.lines_left_out);
            entries.push(Entry::Warning { level: "info".to_owned(), message });
            self.lines_left_out = 0;
        }
    }

    fn reloaded(&mut self, reload: Reload, entries: &mut Vec<Entry>) {
        let Reload { processor, reloaded, edit, build, at } = reload;
        let name = processor.to_string();
        match reloaded {
            Reloaded::Unchanged => entries.push(Entry::Unchanged { processor: name }),
            Reloaded::Refused(error) => entries.push(Entry::Refused { processor: name, reason: with_hint(&error) }),
            Reloaded::Swapped { was, is, compiling, swapping } => {
                let times = Times { build, compiling };
                let since_edit = edit.as_ref().map(|edit| at.saturating_duration_since(edit.at));
                let shown = entry::Reloaded {
                    processor: name,
                    was: was.map(|was| was.short()),
                    is: is.short(),
                    since_edit_ms: since_edit.map(ms),
                    build_ms: build.map(ms),
                    compiling_ms: ms(compiling),
                    swapping_ms: ms(swapping),
                    rest_ms: since_edit.map(|since| ms(times.rest(since))),
                };
                self.summary.reloads.push(shown.clone());
                entries.push(Entry::Reloaded(shown));
                let first = edit.and_then(|edit| self.reloads.reloaded(&processor, is, edit.at, at));
                entries.extend(first.map(Entry::FirstEvent));
            }
        }
    }

    fn committed(&mut self, committed: &Committed, at: Instant, entries: &mut Vec<Entry>) {
        if committed.batch.is_empty() {
            return;
        }
        let first = committed.component.and_then(|is| self.reloads.committed(&committed.processor, is, at));
        let recovered = self.recovered(committed);
        self.count_costs(committed);
        let summary = &mut self.summary;
        let (events, writes) = (committed.batch.len() as u64, committed.changes.len() as u64);
        summary.batches += 1;
        summary.events += events;
        summary.writes += writes;
        summary.parked += committed.parked.iter().map(|parked| u64::from(parked.copies)).sum::<u64>();
        summary.skipped += committed.skipped;
        summary.fuel += committed.cost.fuel;
        summary.memory_bytes = summary.memory_bytes.max(committed.cost.memory_bytes);
        let telling = first.is_some() || recovered.is_some() || !committed.parked.is_empty();
        if self.batches < BATCHES_A_SECOND || telling {
            self.batches += 1;
            self.flush(entries);
            entries.extend(recovered);
            entries.push(Entry::Batch(batch(committed)));
        } else {
            self.flood.batches += 1;
            self.flood.events += events;
            self.flood.writes += writes;
            self.flood.fuel += committed.cost.fuel;
        }
        entries.extend(first.map(Entry::FirstEvent));
    }

    /// Gives each event its share of what its batch cost. A batch of several kinds says nothing about any of them.
    fn count_costs(&mut self, committed: &Committed) {
        let batch = &committed.batch;
        let mut kinds = batch.events().map(|event| kind_of(event, self.kind_of.as_deref()));
        let Some(first) = kinds.next() else { return };
        let kind = if kinds.all(|kind| kind == first) { first.as_str() } else { SEVERAL };
        let parked = committed.parked.iter().map(|parked| u64::from(parked.copies)).sum::<u64>();
        let applied = (batch.len() as u64).saturating_sub(parked + committed.skipped);
        let share = |whole: u64| whole / applied.max(1);
        let bytes = |change: &tidemill_pipeline::Change| change.key.len() + change.after.as_ref().map_or(0, Value::len);
        let cost = EventCost {
            fuel: share(committed.cost.fuel),
            bytes_written: share(committed.changes.iter().map(bytes).sum::<usize>() as u64),
            memory_bytes: committed.cost.memory_bytes,
        };
        for number in 0..batch.len() as u64 {
            self.summary.costs.add(kind, (number < applied).then_some(cost));
        }
    }

    /// Whether what kept a partition is applied now.
    fn recovered(&mut self, committed: &Committed) -> Option<Entry> {
        let key = committed.batch.key();
        let place = (committed.processor.clone(), key.clone());
        let stuck = self.stuck.get(&place)?;
        let applied = match stuck.event {
            None => None,
            Some(digest) => {
                let found = committed.batch.events().find(|event| Digest::of(event.data().as_bytes()) == digest);
                // What went well before it is committed first.
                Some(found.map(|event| (digest, Cell::of(event.data())))?)
            }
        };
        self.stuck.remove(&place);
        let aside = |digest| committed.skipped > 0 || committed.parked.iter().any(|parked| parked.id.payload == digest);
        let payload = match applied {
            Some((digest, _)) if aside(digest) => return None,
            Some((_, payload)) => payload,
            None => Cell::None,
        };
        Some(Entry::Recovered {
            processor: committed.processor.to_string(),
            feed: key.feed.to_string(),
            partition: key.partition.to_string(),
            payload,
        })
    }

    fn failed(&mut self, failed: &Failed, entries: &mut Vec<Entry>) {
        self.summary.failures += 1;
        let key = failed.batch.key();
        let culprit = failed.culprit.as_ref().map(|rejected| (rejected.index, &rejected.event));
        let stuck = Stuck {
            reason: failed.failure.cause.clone(),
            event: culprit.map(|(_, event)| event.id.payload),
            component: failed.component,
        };
        let place = (failed.processor.clone(), key.clone());
        if self.stuck.get(&place) == Some(&stuck) {
            return;
        }
        self.stuck.insert(place, stuck);
        entries.push(Entry::Failure(entry::Failure {
            processor: failed.processor.to_string(),
            feed: key.feed.to_string(),
            partition: key.partition.to_string(),
            kind: failed.failure.kind.as_str(),
            reason: culprit.map_or_else(|| failed.failure.cause.clone(), |(_, event)| event.reason.clone()),
            hint: failed.failure.hint.clone().filter(|_| culprit.is_none()),
            from: failed.batch.from().cursor().map(ToString::to_string),
            event: culprit.map(|(index, _)| index as u64 + 1),
            payload: culprit.map_or(Cell::None, |(_, event)| Cell::of(event.payload.as_ref())),
            cause: culprit.map(|(_, event)| event.cause.clone()),
            backtrace: culprit.and_then(|(_, event)| event.backtrace.clone()),
            alone: culprit.and_then(|(_, event)| self.alone.command(&failed.processor, event)),
            component: failed.component.map(|component| component.short()),
        }));
    }

    fn said(&mut self, said: Said, entries: &mut Vec<Entry>) {
        let level = said.level.to_string().to_lowercase();
        if said.target == GUEST_TARGET {
            self.lines += 1;
            if self.lines > LINES_A_SECOND {
                self.lines_left_out += 1;
                return;
            }
            let Said { processor, feed, partition, message, .. } = said;
            entries.push(Entry::Log { level, processor, feed, partition, line: message });
            return;
        }
        if said.target == COMPILING_TARGET {
            entries.push(Entry::Compiling { message: said.message });
            return;
        }
        let message = said.sentence();
        self.warned.retain(|_, at| at.elapsed() < SAID_TIME);
        if self.warned.insert(message.clone(), Instant::now()).is_none() {
            entries.push(Entry::Warning { level, message });
        }
    }
}

fn batch(committed: &Committed) -> Batch {
    let key = committed.batch.key();
    let change = |change: &tidemill_pipeline::Change| Change {
        key: change.key.clone(),
        before: Cell::maybe(change.before.as_ref()),
        after: Cell::maybe(change.after.as_ref()),
    };
    let parked = |parked: &tidemill_pipeline::ParkedEvent| entry::Parked {
        payload: Cell::of(parked.payload.as_ref()),
        cause: parked.cause.clone(),
        reason: parked.reason.clone(),
    };
    Batch {
        processor: committed.processor.to_string(),
        feed: key.feed.to_string(),
        partition: key.partition.to_string(),
        from: committed.batch.from().cursor().map(ToString::to_string),
        to: committed.batch.to().to_string(),
        events: committed.batch.len() as u64,
        payloads: committed.batch.events().take(SHOWN_MAX).map(|event| Cell::of(event.data())).collect(),
        writes: committed.changes.len() as u64,
        changes: committed.changes.iter().take(SHOWN_MAX).map(change).collect(),
        parked: committed.parked.iter().take(SHOWN_MAX).map(parked).collect(),
        skipped: committed.skipped,
        component: committed.component.map(|component| component.short()),
        fuel: committed.cost.fuel,
        memory_bytes: committed.cost.memory_bytes,
        applying_ms: ms(committed.applying),
        committing_ms: ms(committed.committing),
    }
}
