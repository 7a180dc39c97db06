//! What is shown of a replay: each batch with its events, its writes and what went wrong.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tidemill_pipeline::{Change, Refusal, RehearsalEnd, Rehearsed, RejectPolicy, Rejected, Value};

use crate::{
    cases::LogLine,
    exit::Exit,
    output::{Named, guest_frames, one_line, safe, shorten},
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// Events of a batch that are shown; the others are counted.
const EVENTS_MAX: usize = 20;
/// The longest payload and value, in characters.
const CHARS_MAX: usize = 120;

/// Shows batch after batch.
pub(super) struct Shown {
    json: bool,
    batches: u64,
    events: u64,
    changes: u64,
    rejected: u64,
    fuel: u64,
    ended: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Batch<'a> {
    #[serde(rename = "batch")]
    number: u64,
    feed: &'a str,
    partition: &'a str,
    /// Null: the beginning.
    from: Option<&'a str>,
    to: &'a str,
    /// The place of the first event, from 1.
    first_event: u64,
    events: usize,
    changes: Vec<Written<'a>>,
    rejected: Vec<Wrong<'a>>,
    log: Vec<Said<'a>>,
    fuel: u64,
    memory_bytes: u64,
    end: Option<End<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    key: &'a str,
    #[serde(flatten)]
    before: Option<Named<'a>>,
    #[serde(flatten)]
    after: Option<Named<'a>>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    event: u64,
    policy: &'static str,
    cause: &'a str,
    reason: &'a str,
    digest: String,
    #[serde(flatten)]
    payload: Named<'a>,
    backtrace: Option<&'a str>,
}

#[derive(Serialize)]
struct Said<'a> {
    level: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct End<'a> {
    kind: &'static str,
    reason: &'a str,
    after_ms: Option<u128>,
}

impl Shown {
    pub(super) fn new(json: bool) -> Self {
        Self { json, batches: 0, events: 0, changes: 0, rejected: 0, fuel: 0, ended: false }
    }

    /// The next event has so many before it.
    pub(super) fn begin_at(&mut self, events: u64) {
        self.events = events;
    }

    /// Whether the partition would have stopped.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Shows a batch.
    pub(super) fn batch(&mut self, rehearsed: &Rehearsed, lines: &[LogLine]) -> io::Result<()> {
        self.batches += 1;
        let mut out = anstream::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &self.document(rehearsed, lines))?;
            writeln!(out)?;
        } else {
            self.words(&mut out, rehearsed, lines)?;
        }
        self.events += rehearsed.batch.len() as u64;
        self.changes += rehearsed.changes.len() as u64;
        self.rejected += rehearsed.rejected.len() as u64;
        self.fuel += rehearsed.cost.fuel;
        self.ended |= rehearsed.end.is_some();
        out.flush()
    }

    fn words(&self, out: &mut impl Write, rehearsed: &Rehearsed, lines: &[LogLine]) -> io::Result<()> {
        let batch = &rehearsed.batch;
        let plural = if batch.len() == 1 { "event" } else { "events" };
        writeln!(
            out,
            "{BOLD}batch {}{BOLD:#}  {} {plural} of {} after {}",
            self.batches,
            batch.len(),
            safe(&batch.key().to_string()),
            safe(&batch.from().to_string())
        )?;
        for (index, event) in batch.range(0..EVENTS_MAX).enumerate() {
            writeln!(out, "  {DIM}{:>5}{DIM:#}  {}", self.place(index), short(&event.data().to_value()))?;
        }
        if batch.len() > EVENTS_MAX {
            writeln!(out, "  {DIM}     … and {} more{DIM:#}", batch.len() - EVENTS_MAX)?;
        }
        let (said, times) = once(lines);
        for line in said {
            writeln!(out, "  {DIM}log{DIM:#} {}", safe(&line.to_string()))?;
        }
        if times > 1 {
            writeln!(out, "  {DIM}… {times} times: the search for the culprit ran it again{DIM:#}")?;
        }
        for Change { key, before, after } in &rehearsed.changes {
            let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), short);
            writeln!(out, "  {}: {BAD}{}{BAD:#} → {GOOD}{}{GOOD:#}", safe(key), value(before), value(after))?;
        }
        for rejected in &rehearsed.rejected {
            let Rejected { index, event, policy } = rejected;
            let done = match policy {
                RejectPolicy::Halt => "the partition stops here",
                RejectPolicy::Park => "put aside",
                RejectPolicy::Skip => "left out",
            };
            let reason = safe(&event.reason).replace('\n', "\n    ");
            writeln!(out, "  {BAD}event {}: {}{BAD:#}, {done}: {reason}", self.place(*index), event.cause)?;
            writeln!(out, "    payload {} {}", event.id.payload.short(), short(&event.payload))?;
            if let Some(backtrace) = &event.backtrace {
                for line in guest_frames(backtrace).lines() {
                    writeln!(out, "    {DIM}{}{DIM:#}", safe(line))?;
                }
            }
        }
        if let Some(End { kind, reason, after_ms }) = end(rehearsed) {
            let after = after_ms.map(|after| format!(" after {after} ms")).unwrap_or_default();
            writeln!(out, "  {BAD}{kind}{after}{BAD:#}: {}", safe(reason).replace('\n', "\n    "))?;
        }
        if rehearsed.cost.fuel == 0 {
            // Nothing was applied: what was tried and thrown away has no price.
            return writeln!(out, "  {DIM}nothing committed{DIM:#}");
        }
        let memory = bytesize::ByteSize(rehearsed.cost.memory_bytes);
        writeln!(out, "  {DIM}fuel {}, memory {memory}, nothing committed{DIM:#}", rehearsed.cost.fuel)
    }

    fn document<'a>(&self, rehearsed: &'a Rehearsed, lines: &'a [LogLine]) -> Batch<'a> {
        let batch = &rehearsed.batch;
        let named = |name, name_base64, value: &'a Option<Value>| {
            value.as_ref().map(|value| Named { name, name_base64, value: value.as_ref() })
        };
        Batch {
            number: self.batches,
            feed: batch.key().feed.as_str(),
            partition: batch.key().partition.as_str(),
            from: batch.from().cursor().map(tidemill_pipeline::Cursor::as_str),
            to: batch.to().as_str(),
            first_event: self.place(0),
            events: batch.len(),
            changes: rehearsed
                .changes
                .iter()
                .map(|change| Written {
                    key: &change.key,
                    before: named("before", "before-base64", &change.before),
                    after: named("after", "after-base64", &change.after),
                })
                .collect(),
            rejected: rehearsed.rejected.iter().map(|rejected| self.wrong(rejected)).collect(),
            log: lines.iter().map(|line| Said { level: line.level.as_str(), text: &line.text }).collect(),
            fuel: rehearsed.cost.fuel,
            memory_bytes: rehearsed.cost.memory_bytes,
            end: end(rehearsed),
        }
    }

    fn wrong<'a>(&self, rejected: &'a Rejected) -> Wrong<'a> {
        let event = &rejected.event;
        Wrong {
            event: self.place(rejected.index),
            policy: rejected.policy.as_str(),
            cause: &event.cause,
            reason: &event.reason,
            digest: event.id.payload.to_string(),
            payload: Named { name: "payload", name_base64: "payload-base64", value: event.payload.as_ref() },
            backtrace: event.backtrace.as_deref(),
        }
    }

    /// The place of an event of the batch that is shown, from 1 over all.
    fn place(&self, index: usize) -> u64 {
        self.events + index as u64 + 1
    }

    /// Says what it came to.
    pub(super) fn finish(self, spans: u64) -> anyhow::Result<Exit> {
        if !self.json {
            let Self { batches, events, changes, rejected, fuel, .. } = &self;
            let mut out = anstream::stdout().lock();
            if spans == 0 {
                writeln!(out, "There were no events.")?;
            } else {
                writeln!(
                    out,
                    "\n{BOLD}{}, up to event {events}, {}, {rejected} rejected{BOLD:#} (fuel {fuel}); nothing was committed",
                    plural(*batches, "batch", "batches"),
                    plural(*changes, "write", "writes")
                )?;
            }
        }
        Ok(if self.rejected == 0 && !self.ended { Exit::Done } else { Exit::Failed })
    }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Lines that a batch said again each time that it was tried, once, and how many times that was.
fn once(lines: &[LogLine]) -> (&[LogLine], usize) {
    let repeats = |len: &usize| lines.chunks(*len).all(|chunk| Some(chunk) == lines.get(..*len));
    let len = (1..=lines.len() / 2).find(repeats).unwrap_or(lines.len());
    (lines.get(..len).unwrap_or(lines), lines.len().checked_div(len).unwrap_or(1))
}

fn end(rehearsed: &Rehearsed) -> Option<End<'_>> {
    let Some(RehearsalEnd::Refused(refusal)) = &rehearsed.end else { return None };
    Some(match refusal {
        Refusal::Retry { after, reason } => End { kind: "retry", reason, after_ms: Some(after.as_millis()) },
        Refusal::Halt { reason } => End { kind: "halted", reason, after_ms: None },
        Refusal::Overtime { .. } => {
            End { kind: "overtime", reason: "a call took longer than limits.call-time", after_ms: None }
        }
        Refusal::Host(failure) => End { kind: failure.kind.as_str(), reason: &failure.cause, after_ms: None },
        Refusal::Rejected(rejection) => End { kind: "rejected", reason: &rejection.reason, after_ms: None },
    })
}

/// A payload or a value on one short line.
fn short(value: &Value) -> String {
    shorten(&one_line(value.as_ref()), CHARS_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use tidemill_engine::LogLevel;

    use super::*;

    fn lines(text: &str) -> Vec<LogLine> {
        text.chars().map(|char| LogLine { level: LogLevel::Info, text: char.to_string() }).collect()
    }

    #[test]
    fn what_every_try_said_is_shown_once_and_counted() {
        for (said, shown, times) in [("", "", 1), ("a", "a", 1), ("ab", "ab", 1), ("aaa", "a", 3), ("abab", "ab", 2)] {
            let said = lines(said);
            assert_eq!(once(&said), (lines(shown).as_slice(), times));
        }
        let uneven = lines("aba");
        assert_eq!(once(&uneven), (uneven.as_slice(), 1));
    }
}
