//! The status for people.

use std::fmt::Write as _;

use tidemill_pipeline::{Quota, Stored};

use super::document::{Document, Partition, Processor, Quotas, Stretch};
use crate::{
    host::Trouble,
    output::{Table, guest_frames, safe, shorten},
};

/// The longest cursor that is shown whole, in characters.
const CURSOR_CHARS_MAX: usize = 32;

/// All of it.
pub(super) fn text(document: &Document) -> String {
    let host = match &document.host.owner {
        Some(owner) => format!("A host runs: {}.\n", safe(owner)),
        None => "No host runs.\n".to_owned(),
    };
    let mut text = if document.processors.is_empty() {
        format!("{host}No processor has run yet.\n")
    } else {
        format!("{host}\n{}\n", processors(document))
    };
    for Processor { name, .. } in document.processors.iter().filter(|processor| !processor.configured) {
        let left = format!(
            "Processor `{name}` is not configured: what it keeps stays, until `tidemill reset {name}` removes it."
        );
        add(&mut text, &format!("\n{}", safe(&left)));
    }
    if let Some(quotas) = quotas(document) {
        add(&mut text, &format!("\n{quotas}"));
    }
    if partitions_of(document).next().is_some() {
        add(&mut text, &format!("\n{}", partitions(document)));
    }
    for (processor, partition) in partitions_of(document) {
        if let Some(trouble) = trouble(processor, partition) {
            add(&mut text, &format!("\n{}", safe(&trouble)));
        }
    }
    for trouble in &document.troubles {
        add(&mut text, &format!("\n{}", safe(&waiting(trouble))));
    }
    if partitions_of(document).any(|(_, partition)| computed(partition).next().is_some()) {
        add(&mut text, &format!("\n{}", lineage(document)));
    }
    text
}

fn add(text: &mut String, lines: &str) {
    writeln!(text, "{lines}").expect("a string can always be written to");
}

fn partitions_of(document: &Document) -> impl Iterator<Item = (&Processor, &Partition)> {
    document
        .processors
        .iter()
        .flat_map(|processor| processor.partitions.iter().map(move |partition| (processor, partition)))
}

fn processors(document: &Document) -> Table {
    let mut table = Table::new(["processor", "component", "keys", "bytes", "parked"]);
    for processor in &document.processors {
        table.row([
            processor.name.clone(),
            processor.component.as_deref().map_or_else(|| "-".to_owned(), short),
            processor.state.rows.to_string(),
            processor.state.bytes.to_string(),
            match processor.held_keys {
                0 => processor.parked.to_string(),
                1 => format!("{} (1 key held)", processor.parked),
                keys => format!("{} ({keys} keys held)", processor.parked),
            },
        ]);
    }
    table
}

/// What processors keep beside what they may keep; none if none has a quota.
fn quotas(document: &Document) -> Option<Table> {
    let mut table = Table::new(["processor", "quota", "used", "of", "share"]);
    let mut any = false;
    for processor in &document.processors {
        let Quotas { stored_rows, stored_bytes } = processor.quotas;
        let quota = Quota { rows_max: stored_rows, bytes_max: stored_bytes };
        for share in quota.shares(Stored { rows: processor.stored.rows, bytes: processor.stored.bytes }) {
            any = true;
            let warning = match share.percent() {
                100.. => ", full",
                _ if share.is_nearly_used() => ", nearly full",
                _ => "",
            };
            table.row([
                processor.name.clone(),
                share.setting.to_owned(),
                share.used.to_string(),
                share.max.to_string(),
                format!("{} %{warning}", share.percent()),
            ]);
        }
    }
    any.then_some(table)
}

fn partitions(document: &Document) -> Table {
    let mut table =
        Table::new(["processor", "feed", "partition", "status", "events", "lag", "cursor", "generation", "updated"]);
    for (processor, partition) in partitions_of(document) {
        let place = match (&partition.cursor, partition.start) {
            (Some(cursor), _) => shorten(cursor, CURSOR_CHARS_MAX).into_owned(),
            (None, start) => format!("({})", start.unwrap_or("first")),
        };
        table.row([
            processor.name.clone(),
            partition.feed.clone(),
            partition.partition.clone(),
            if partition.configured { partition.status } else { "not configured" }.to_owned(),
            partition.position.to_string(),
            partition.lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string()),
            place,
            partition.generation.to_string(),
            partition.updated_at.clone(),
        ]);
    }
    table
}

/// Why a partition stopped, and what can be done.
fn trouble(processor: &Processor, partition: &Partition) -> Option<String> {
    let error = partition.last_error.as_ref()?;
    let Partition { feed, partition: number, status, .. } = partition;
    let title = format!(
        "Processor `{}`, feed `{feed}`, partition {number} is {status} ({} at {}):",
        processor.name, error.kind, error.stage
    );
    let mut lines = vec![title, error.cause.clone()];
    lines.extend(error.backtrace.iter().flat_map(|backtrace| {
        let frames = guest_frames(backtrace);
        frames.lines().map(|frame| format!("  {frame}")).collect::<Vec<_>>()
    }));
    lines.extend(error.hint.as_ref().map(|hint| format!("hint: {hint}")));
    if let Some(event) = &error.event {
        let from =
            event.span_from.as_ref().map_or_else(|| "the beginning".to_owned(), |cursor| format!("cursor `{cursor}`"));
        lines.push(format!("event: {} after {from}", short(&event.payload)));
    }
    for decision in &partition.resolutions {
        lines.push(format!("decided: {} event {}", decision.policy, short(&decision.event.payload)));
    }
    lines.extend(error.reproduce.as_ref().map(|command| format!("again: {command}")));
    Some(lines.join("\n  "))
}

/// Why something waits although it runs.
fn waiting(trouble: &Trouble) -> String {
    let Trouble { processor, feed, partition, kind, cause, hint, since } = trouble;
    let who = match (processor, feed, partition) {
        (Some(processor), Some(feed), Some(partition)) => {
            format!("Processor `{processor}`, feed `{feed}`, partition {partition} waits")
        }
        (Some(processor), _, _) => format!("Processor `{processor}` is in trouble"),
        (None, feed, _) => format!("Feed `{}` cannot be discovered", feed.as_deref().unwrap_or("?")),
    };
    let mut lines = vec![format!("{who} ({kind}, since {since}):"), cause.clone()];
    lines.extend(hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines.join("\n  ")
}

/// The stretches that have an event: after a reset the last component waits for its first one.
fn computed(partition: &Partition) -> impl Iterator<Item = &Stretch> {
    partition.lineage.iter().filter(|stretch| stretch.to_position > stretch.from_position)
}

fn lineage(document: &Document) -> Table {
    let mut table =
        Table::new(["processor", "feed", "partition", "events", "by component", "config", "instances", "since"]);
    for (processor, partition) in partitions_of(document) {
        for stretch in computed(partition) {
            table.row([
                processor.name.clone(),
                partition.feed.clone(),
                partition.partition.clone(),
                format!("{} to {}", stretch.from_position + 1, stretch.to_position),
                short(&stretch.component),
                short(&stretch.config),
                stretch.instances.to_owned(),
                stretch.since.clone(),
            ]);
        }
    }
    table
}

/// A digest for people.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
