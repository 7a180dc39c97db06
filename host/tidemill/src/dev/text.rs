//! Entries as text for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::entry::{Batch, Cell, Change, Entry, Failure, FirstEvent, Flood, Reloaded, Summary};
use crate::{
    costs::{HEADINGS, KindRow},
    output::{Table, guest_frames, middle, safe, safe_but_coloured},
};

/// Characters of a value, and of an event.
const VALUE_CHARS_MAX: usize = 60;
const EVENT_CHARS_MAX: usize = 110;
/// Events of a batch that are shown.
const EVENTS_SHOWN: usize = 3;

const PLAIN: Style = Style::new();
const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();
const NAME: Style = AnsiColor::Cyan.on_default();

/// Writes an entry as lines.
pub(crate) fn lines(entry: &Entry) -> String {
    let mut text = String::new();
    match entry {
        Entry::BuildStarted { command, files } => building(&mut text, command, files),
        // Compilers colour their lines, and quote what somebody else wrote.
        Entry::BuildOutput { line } => {
            add(&mut text, &[(FAINT, "  │ "), (PLAIN, &safe_but_coloured(line)), (FAINT, "")]);
        }
        Entry::BuildEnded { ok: true, took_ms, .. } => {
            add(&mut text, &[(GOOD, "✓ built"), (FAINT, &format!(" in {}", time(*took_ms)))]);
        }
        Entry::BuildEnded { how, .. } => {
            add(&mut text, &[(BAD, "✗ the build failed"), (PLAIN, &format!(" ({how}); what runs goes on"))]);
        }
        Entry::Compiling { message } => add(&mut text, &[(BOLD, "⚙ "), (PLAIN, &safe(message))]),
        Entry::Started { processor, component } => {
            add(&mut text, &[(GOOD, "▶ "), (NAME, processor), (PLAIN, " runs component "), (PLAIN, component)]);
        }
        Entry::Reloaded(reloaded) => reload(&mut text, reloaded),
        Entry::Unchanged { processor } => {
            add(&mut text, &[(FAINT, "= "), (NAME, processor), (FAINT, " has the same component as before")]);
        }
        Entry::Refused { processor, reason } => {
            add(
                &mut text,
                &[(BAD, "✗ "), (NAME, processor), (BAD, " was not reloaded"), (PLAIN, "; what runs goes on")],
            );
            indented(&mut text, reason, PLAIN);
        }
        Entry::FirstEvent(first) => first_event(&mut text, first),
        Entry::Batch(found) => batch(&mut text, found),
        Entry::Flood(found) => flood(&mut text, found),
        Entry::Failure(found) => failure(&mut text, found),
        Entry::Recovered { processor, feed, partition, payload } => {
            let place = safe(&format!("{feed}/{partition}")).into_owned();
            add(
                &mut text,
                &[
                    (GOOD, "✓ "),
                    (NAME, processor),
                    (PLAIN, " "),
                    (PLAIN, &place),
                    (GOOD, "  what failed before is applied now"),
                ],
            );
            if *payload != Cell::None {
                add(&mut text, &[(PLAIN, "    "), (PLAIN, &value(payload, EVENT_CHARS_MAX))]);
            }
        }
        Entry::Log { level, processor, feed, partition, line } => {
            let style = style_of(level);
            let place = safe(&format!("  {processor} {feed}/{partition} ")).into_owned();
            add(&mut text, &[(style, &format!("{level:>5}")), (FAINT, &place), (PLAIN, &safe(line))]);
        }
        Entry::Warning { level, message } => {
            add(&mut text, &[(style_of(level), &format!("{level:>5}  ")), (PLAIN, &safe(message))]);
        }
        Entry::Idle => add(&mut text, &[(FAINT, "· every event is processed; waiting for more (Ctrl-C ends)")]),
        Entry::Summary(found) => summary(&mut text, found),
    }
    text
}

fn add(text: &mut String, pieces: &[(Style, &str)]) {
    for (style, piece) in pieces {
        write!(text, "{style}{piece}{style:#}").expect("a string can always be written to");
    }
    text.push('\n');
}

fn indented(text: &mut String, lines: &str, style: Style) {
    for line in safe(lines).lines() {
        add(text, &[(PLAIN, "    "), (style, line)]);
    }
}

fn building(text: &mut String, command: &str, files: &[String]) {
    let names: Vec<_> = files.iter().filter_map(|file| file.rsplit('/').next()).take(3).map(safe).collect();
    let because = match names.as_slice() {
        [] => String::new(),
        names if names.len() < files.len() => {
            format!(" ({} and {} more changed)", names.join(", "), files.len() - names.len())
        }
        names => format!(" ({} changed)", names.join(", ")),
    };
    add(
        text,
        &[(BOLD, "⚙ building"), (FAINT, &because), (FAINT, "  "), (FAINT, &middle(&safe(command), VALUE_CHARS_MAX))],
    );
}

fn reload(text: &mut String, reloaded: &Reloaded) {
    let Reloaded { processor, was, is, since_edit_ms, build_ms, compiling_ms, swapping_ms, rest_ms } = reloaded;
    let was = was.as_deref().unwrap_or("nothing");
    let mut times = Vec::new();
    times.extend(build_ms.map(|build| format!("build {}", time(build))));
    times.push(format!("compile {}", time(*compiling_ms)));
    times.extend(rest_ms.map(|rest| format!("all else {}", time(rest))));
    let since = since_edit_ms.map(|since| format!(" {} after the edit", time(since))).unwrap_or_default();
    add(
        text,
        &[
            (GOOD, "↻ "),
            (NAME, processor),
            (GOOD, " reloaded"),
            (PLAIN, &since),
            (FAINT, &format!("  ({}; swapped in {})  {was} → {is}", times.join(", "), time(*swapping_ms))),
        ],
    );
}

fn first_event(text: &mut String, first: &FirstEvent) {
    let when = format!("{} after the edit", time(first.since_edit_ms));
    let after = format!(", {} after the reload", time(first.since_reload_ms));
    add(
        text,
        &[
            (GOOD, "↻ "),
            (NAME, &first.processor),
            (PLAIN, "'s new code processed its first event "),
            (PLAIN, &when),
            (FAINT, &after),
        ],
    );
}

fn batch(text: &mut String, batch: &Batch) {
    let Batch { processor, feed, partition, to, events, payloads, writes, changes, parked, skipped, fuel, .. } = batch;
    let what = format!("  {}, {}", many(*events, "event"), many(*writes, "write"));
    let cost = format!(
        "  {} fuel, {}, {} + {} commit  → {}",
        amount(*fuel),
        size(batch.memory_bytes),
        time(batch.applying_ms),
        time(batch.committing_ms),
        middle(to, 24)
    );
    add(
        text,
        &[
            (NAME, processor),
            (PLAIN, " "),
            (PLAIN, &safe(&format!("{feed}/{partition}"))),
            (BOLD, &what),
            (FAINT, &cost),
        ],
    );
    for payload in payloads.iter().take(EVENTS_SHOWN) {
        add(text, &[(FAINT, "    "), (FAINT, &value(payload, EVENT_CHARS_MAX))]);
    }
    let more = events.saturating_sub(payloads.len().min(EVENTS_SHOWN) as u64);
    if more > 0 {
        add(text, &[(FAINT, &format!("    … and {}", more_of(more)))]);
    }
    for Change { key, before, after } in changes {
        let key = middle(&safe(key), VALUE_CHARS_MAX).into_owned();
        let (before, after) = (value(before, VALUE_CHARS_MAX), value(after, VALUE_CHARS_MAX));
        add(text, &[(PLAIN, "  "), (PLAIN, &key), (PLAIN, "  "), (FAINT, &before), (FAINT, " → "), (GOOD, &after)]);
    }
    let more = writes.saturating_sub(changes.len() as u64);
    if more > 0 {
        add(text, &[(FAINT, &format!("  … and {}", more_of(more)))]);
    }
    for event in parked {
        add(text, &[(WARN, "  put aside  "), (PLAIN, &value(&event.payload, EVENT_CHARS_MAX))]);
        indented(text, &format!("{}: {}", event.cause, event.reason), WARN);
    }
    if *skipped > 0 {
        add(text, &[(WARN, &format!("  {} left out", many(*skipped, "event")))]);
    }
}

fn flood(text: &mut String, flood: &Flood) {
    let Flood { batches, events, writes, fuel, missed_batches, missed_events } = flood;
    let mut what = format!(
        "… {} more {} with {}, {} and {} fuel",
        amount(*batches),
        if *batches == 1 { "batch" } else { "batches" },
        many(*events, "event"),
        many(*writes, "write"),
        amount(*fuel)
    );
    if *missed_batches > 0 {
        let missed = (amount(*missed_batches), many(*missed_events, "event"));
        what.extend(["; and ", &missed.0, " batches with ", &missed.1, " unseen"]);
    }
    add(text, &[(FAINT, &what)]);
}

fn failure(text: &mut String, failure: &Failure) {
    let place = safe(&format!(" {}/{}", failure.feed, failure.partition)).into_owned();
    let after = failure.from.as_ref().map_or_else(|| "the beginning".to_owned(), |from| format!("cursor `{from}`"));
    let what = match failure.event {
        Some(event) => format!("  stopped at event {event} after {after}"),
        None if failure.kind == "unavailable" => format!("  waits at {after}, and tries again"),
        None => format!("  {} at {after}", failure.kind),
    };
    add(text, &[(BAD, "✗ "), (NAME, &failure.processor), (PLAIN, &place), (BAD, &what)]);
    if failure.payload != Cell::None {
        add(text, &[(FAINT, "  event  "), (PLAIN, &value(&failure.payload, EVENT_CHARS_MAX))]);
    }
    let cause = failure.cause.as_deref().map(|cause| format!("{cause}: ")).unwrap_or_default();
    indented(text, &format!("{cause}{}", failure.reason), BAD);
    if let Some(backtrace) = &failure.backtrace {
        indented(text, &guest_frames(backtrace), PLAIN);
    }
    if let Some(alone) = &failure.alone {
        add(text, &[(FAINT, "  alone  "), (PLAIN, &safe(alone))]);
    }
    if let Some(hint) = &failure.hint {
        add(text, &[(FAINT, "  hint: "), (PLAIN, &safe(hint))]);
    }
    if failure.event.is_some() {
        add(text, &[(FAINT, "  It waits for other code, and tries again with it.")]);
    }
}

fn summary(text: &mut String, summary: &Summary) {
    let Summary { seconds, events, batches, writes, parked, skipped, failures, fuel, memory_bytes, reloads, costs } =
        summary;
    let mut what = format!(
        "{} in {}, {} in {seconds:.1} s",
        many(*events, "event"),
        if *batches == 1 { "1 batch".to_owned() } else { format!("{} batches", amount(*batches)) },
        many(*writes, "write")
    );
    for (number, word) in [(parked, "put aside"), (skipped, "left out")] {
        if *number > 0 {
            write!(what, ", {} {word}", amount(*number)).expect("a string can always be written to");
        }
    }
    if *failures > 0 {
        write!(what, ", {}", many(*failures, "failure")).expect("a string can always be written to");
    }
    text.push('\n');
    add(text, &[(BOLD, &what)]);
    if *events > 0 {
        let each = format!("{} fuel an event, {} memory at most", amount(fuel / events), size(*memory_bytes));
        add(text, &[(PLAIN, &each)]);
    }
    // A single kind says what stands above already.
    if costs.kinds().nth(1).is_some() {
        let mut table = Table::new(HEADINGS);
        for (kind, costs) in costs.kinds() {
            table.row(KindRow::new(&safe(kind), costs).cells());
        }
        add(text, &[(PLAIN, &table.to_string())]);
    }
    for reloaded in reloads.iter().rev().take(10).rev() {
        reload(text, reloaded);
    }
}

/// A value on one line.
fn value(cell: &Cell, chars_max: usize) -> String {
    match cell {
        Cell::None => "-".to_owned(),
        Cell::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Cell::Text(text) => {
            let line = safe(text).replace('\n', "\\n").replace('\t', "\\t");
            middle(&line, chars_max).into_owned()
        }
        Cell::Base64(base64) => middle(&format!("base64:{base64}"), chars_max).into_owned(),
    }
}

fn style_of(level: &str) -> Style {
    match level {
        "error" => BAD,
        "warn" => WARN,
        _ => FAINT,
    }
}

fn many(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", amount(number)) }
}

fn more_of(number: u64) -> String {
    format!("{} more", amount(number))
}

/// A number with three digits that count.
fn amount(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = |unit: u64| number as f64 / unit as f64;
    for (unit, letter) in [(1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")] {
        if number >= unit {
            let scaled = scaled(if letter == "k" { 1_000 } else { unit });
            let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
            return format!("{scaled:.digits$}{letter}");
        }
    }
    number.to_string()
}

fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// A time for people, from milliseconds.
fn time(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1_000.0),
    }
}
