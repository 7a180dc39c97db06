//! `parked list`, `show`, `retry` and `drop`: the events that were put aside.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use serde::Serialize;
use tidemill_pipeline::{EventKey, Metadata, ParkedEvent, ProcessorId, ProcessorName};
use tidemill_store::{Parked, RequestKind};

use super::{
    ask::{ask, id, known},
    consent::agreed,
};
use crate::{
    cli::{ParkedCommand, ParkedDropArgs, ParkedListArgs, ParkedOne, ParkedSome},
    config::Config,
    exit::Exit,
    host::Reader,
    output::{Named, Table, complain, guest_frames, one_line, print, print_json, safe, shorten},
};

/// Events that are in memory at once: each may have a payload of megabytes.
const PAGE: usize = 16;
/// Rows of a table. More are for programs, and `--json`.
const ROWS_MAX: usize = 1_000;
/// Events in one request: a host is asked again for the rest.
const ASKED_MAX: usize = 100;
/// The longest reason in a table, in characters.
const REASON_CHARS_MAX: usize = 60;

/// The longest key in a table, in characters.
const KEY_CHARS_MAX: usize = 32;

/// Shows or settles.
pub(super) async fn execute(command: ParkedCommand, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    match command {
        ParkedCommand::List(args) => list(&args, &config.data),
        ParkedCommand::Show(args) => show(&args, &config.data),
        // Those that wait follow the first of their key by themselves.
        ParkedCommand::Retry(args) => {
            let numbers = numbers(&args, true, &config.data)?;
            settle(&args, &config, &numbers, |parked| RequestKind::RetryParked { parked }).await
        }
        ParkedCommand::Drop(args) => drop_parked(&args, &config).await,
    }
}

/// A parked event in JSON, without what may be large.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Summary<'a> {
    number: i64,
    processor: &'a str,
    feed: &'a str,
    partition: &'a str,
    span_from: Option<&'a str>,
    digest: String,
    copies: u32,
    /// Its key, where order is kept by key.
    key: Option<&'a str>,
    /// The number of the event that it waits for: the first of its key.
    waits_for: Option<i64>,
    since: &'a str,
    cause: &'a str,
    reason: &'a str,
    component: Option<String>,
}

/// All of it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    #[serde(flatten)]
    payload: Named<'a>,
    metadata: Option<About<'a>>,
    backtrace: Option<&'a str>,
}

/// What the publisher said about an event.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct About<'a> {
    headers: BTreeMap<&'a str, &'a str>,
    id: Option<&'a str>,
    kind: Option<&'a str>,
    key: Option<&'a str>,
    occurred_at_us: Option<i64>,
}

impl<'a> Summary<'a> {
    fn of(parked: &'a Parked) -> Self {
        let ParkedEvent { id, copies, key, cause, reason, component, .. } = &parked.event;
        Self {
            number: parked.number,
            processor: parked.processor.name.as_str(),
            feed: id.key.feed.as_str(),
            partition: id.key.partition.as_str(),
            span_from: id.span_from.cursor().map(tidemill_pipeline::Cursor::as_str),
            digest: id.payload.to_string(),
            copies: *copies,
            key: key.as_ref().map(tidemill_pipeline::EventKey::as_str),
            waits_for: parked.waits_for,
            since: &parked.parked_at,
            cause,
            reason,
            component: component.map(|digest| digest.to_string()),
        }
    }
}

impl<'a> About<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        Self {
            headers: metadata.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
            id: metadata.id.as_deref(),
            kind: metadata.kind.as_deref(),
            key: metadata.key.as_deref(),
            occurred_at_us: metadata.occurred_at_us,
        }
    }
}

fn whole(parked: &Parked) -> Whole<'_> {
    let event = &parked.event;
    Whole {
        summary: Summary::of(parked),
        payload: Named { name: "payload", name_base64: "payload-base64", value: event.payload.as_ref() },
        metadata: event.metadata.as_ref().map(About::of),
        backtrace: event.backtrace.as_deref(),
    }
}

/// Gives every parked event to a function, page after page, until it says that it has enough.
fn each(
    reader: &Reader,
    processor: Option<&ProcessorId>,
    mut take: impl FnMut(&Parked) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = reader.parked_list(processor, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for parked in &page {
            if !take(parked)? {
                return Ok(());
            }
        }
    }
}

fn list(args: &ParkedListArgs, data: &Path) -> anyhow::Result<Exit> {
    let reader = match &args.processor {
        Some(processor) => known(data, processor)?.0,
        None => Reader::open(data)?,
    };
    let processor = args.processor.as_ref().map(id);
    if args.json {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        each(&reader, processor.as_ref(), |parked| {
            serde_json::to_writer(&mut stdout, &Summary::of(parked)).map_err(io::Error::from)?;
            stdout.write_all(b"\n")?;
            Ok(true)
        })?;
        stdout.flush()?;
        return Ok(Exit::Done);
    }
    let (table, rows, more) = table(&reader, processor.as_ref())?;
    if rows == 0 {
        complain("No event is parked.");
    } else {
        print(&format!("{table}\n"))?;
    }
    if more {
        complain(&format!("Only the first {ROWS_MAX} are shown; `--json` prints all."));
    }
    Ok(Exit::Done)
}

fn table(reader: &Reader, processor: Option<&ProcessorId>) -> anyhow::Result<(Table, usize, bool)> {
    let (mut rows, mut more, mut keyed) = (Vec::new(), false, false);
    each(reader, processor, |parked| {
        if rows.len() == ROWS_MAX {
            more = true;
            return Ok(false);
        }
        keyed |= parked.event.key.is_some();
        rows.push(row(parked));
        Ok(true)
    })?;
    let count = rows.len();
    Ok((if keyed { table_with_keys(rows) } else { table_without_keys(rows) }, count, more))
}

fn table_with_keys(rows: Vec<[String; 10]>) -> Table {
    let names = ["number", "processor", "feed", "partition", "since", "copies", "cause", "reason", "key", "waits for"];
    let mut table = Table::new(names);
    for row in rows {
        table.row(row);
    }
    table
}

/// Where order is not kept by key there is nothing to say about keys.
fn table_without_keys(rows: Vec<[String; 10]>) -> Table {
    let mut table = Table::new(["number", "processor", "feed", "partition", "since", "copies", "cause", "reason"]);
    for [number, processor, feed, partition, since, copies, cause, reason, ..] in rows {
        table.row([number, processor, feed, partition, since, copies, cause, reason]);
    }
    table
}

/// An event in the table, and at the end what is said of its key.
fn row(parked: &Parked) -> [String; 10] {
    let event = &parked.event;
    let text = |text: &str, chars| shorten(&one_line(tidemill_pipeline::ValueRef::Text(text)), chars).into_owned();
    let nothing = || "-".to_owned();
    [
        parked.number.to_string(),
        parked.processor.name.to_string(),
        event.id.key.feed.to_string(),
        event.id.key.partition.to_string(),
        parked.parked_at.clone(),
        event.copies.to_string(),
        event.cause.clone(),
        text(&event.reason, REASON_CHARS_MAX),
        event.key.as_ref().map_or_else(nothing, |key| text(key.as_str(), KEY_CHARS_MAX)),
        parked.waits_for.map_or_else(nothing, |number| number.to_string()),
    ]
}

fn show(args: &ParkedOne, data: &Path) -> anyhow::Result<Exit> {
    let (reader, _) = known(data, &args.processor)?;
    let parked = find(&reader, &args.processor, args.number)?;
    if args.json {
        print_json(&whole(&parked))?;
    } else {
        print(&words(&parked))?;
    }
    Ok(Exit::Done)
}

fn find(reader: &Reader, processor: &ProcessorName, number: i64) -> anyhow::Result<Parked> {
    let parked = reader.parked(number)?.filter(|parked| parked.processor == id(processor));
    parked.ok_or_else(|| {
        anyhow::anyhow!("processor `{processor}` has no parked event {number}\n  hint: see them with `tidemill parked list {processor}`")
    })
}

fn words(parked: &Parked) -> String {
    let event = &parked.event;
    let mut text = format!(
        "number     {}\nprocessor  {}\nfrom       {}, after {}\nsince      {}\ncopies     {}\ndigest     {}\n",
        parked.number,
        parked.processor.name,
        event.id.key,
        event.id.span_from,
        parked.parked_at,
        event.copies,
        event.id.payload
    );
    if let Some(key) = &event.key {
        let waits = parked.waits_for.map_or_else(
            || "the first of its key: those behind it wait for it".to_owned(),
            |first| format!("waits for {first}, the first of its key"),
        );
        line(&mut text, format_args!("queue      {key}\n           {waits}"));
    }
    if let Some(component) = event.component {
        line(&mut text, format_args!("component  {component}"));
    }
    line(&mut text, format_args!("cause      {}\nreason     {}", event.cause, event.reason));
    if let Some(metadata) = &event.metadata {
        for (name, value) in [("id", &metadata.id), ("kind", &metadata.kind), ("key", &metadata.key)] {
            if let Some(value) = value {
                line(&mut text, format_args!("{name:<11}{value}"));
            }
        }
        for (name, value) in &metadata.headers {
            line(&mut text, format_args!("header     {name}: {value}"));
        }
    }
    if let Some(backtrace) = &event.backtrace {
        line(&mut text, format_args!("\nBacktrace (whole with --json)\n{}", guest_frames(backtrace)));
    }
    let payload = match &event.payload {
        tidemill_pipeline::Value::Text(text) => text.clone(),
        tidemill_pipeline::Value::Bytes(_) => one_line(event.payload.as_ref()),
    };
    line(&mut text, format_args!("\nPayload\n{payload}"));
    let (processor, number) = (&parked.processor.name, parked.number);
    // One that waits has not been tried: nobody knows yet whether it fails.
    let alone = if parked.waits_for.is_some() { "Try it alone" } else { "See it fail alone" };
    line(&mut text, format_args!("\n{alone}\ntidemill replay {processor} --parked {number}"));
    safe(&text).into_owned()
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string can always be written to");
}

/// Forgets. All of them only if that is meant.
async fn drop_parked(args: &ParkedDropArgs, config: &Config) -> anyhow::Result<Exit> {
    let which = &args.which;
    // What is parked while the question stands is not what was asked about.
    let numbers = numbers(which, false, &config.data)?;
    if which.all && !args.yes {
        let events =
            if numbers.len() == 1 { "1 parked event".to_owned() } else { format!("{} parked events", numbers.len()) };
        let question = format!("Forget {events} of processor `{}`? They are never applied then.", which.processor);
        if !numbers.is_empty() && !agreed(&question)? {
            return Ok(Exit::Failed);
        }
    }
    settle(which, config, &numbers, |parked| RequestKind::DropParked { parked }).await
}

async fn settle(
    args: &ParkedSome,
    config: &Config,
    numbers: &[i64],
    kind: impl Fn(Vec<i64>) -> RequestKind,
) -> anyhow::Result<Exit> {
    if numbers.is_empty() {
        let with = args.key.as_ref().map(|key| format!(" with the key `{key}`")).unwrap_or_default();
        complain(&format!("Processor `{}` has no parked event{with}.", args.processor));
        return Ok(Exit::Done);
    }
    let kinds = numbers.chunks(ASKED_MAX).map(|some| kind(some.to_vec())).collect();
    ask(config, &args.processor, kinds).await
}

/// The numbers that are meant, of a queue perhaps only the first one. Each is there, at this moment.
fn numbers(args: &ParkedSome, firsts: bool, data: &Path) -> anyhow::Result<Vec<i64>> {
    let (reader, _) = known(data, &args.processor)?;
    let key = args.key.as_deref().and_then(EventKey::new);
    if args.all || key.is_some() {
        let mut numbers = Vec::new();
        each(&reader, Some(&id(&args.processor)), |parked| {
            let meant = args.all || parked.event.key == key;
            if meant && !(firsts && parked.waits_for.is_some()) {
                numbers.push(parked.number);
            }
            Ok(true)
        })?;
        return Ok(numbers);
    }
    for number in &args.numbers {
        find(&reader, &args.processor, *number)?;
    }
    let mut numbers = args.numbers.clone();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use tidemill_pipeline::{Digest, FeedName, ParkedId, PartitionId, PartitionKey, ReadFrom, Value};

    use super::*;

    fn parked(payload: Value) -> Parked {
        let metadata =
            Metadata { headers: vec![("ce_type".into(), "paid".into())], id: Some("e7".into()), ..Metadata::default() };
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("2") };
        let event = ParkedEvent {
            id: ParkedId { key, span_from: ReadFrom::First, payload: Digest::of(b"poison") },
            copies: 1,
            key: None,
            payload,
            metadata: Some(metadata),
            cause: "trap".to_owned(),
            reason: "unreachable\u{1b}[2J".to_owned(),
            backtrace: Some("0: process\n1: main\n".to_owned()),
            component: Some(Digest::of(b"component")),
        };
        let processor = id(&ProcessorName::new("totals"));
        Parked { number: 7, processor, parked_at: "2026-01-02T12:00:00.000Z".to_owned(), waits_for: None, event }
    }

    #[test]
    fn everything_that_is_known_of_a_parked_event_is_shown() {
        insta::assert_snapshot!(words(&parked(Value::from("{\"user\": 1}"))));
    }

    #[test]
    fn of_an_event_with_a_key_it_is_shown_what_it_waits_for() {
        let mut parked = parked(Value::from("{\"user\": 1}"));
        parked.event.key = EventKey::new("ada");
        let first = words(&parked);
        assert!(first.contains("ada") && first.contains("those behind it wait for it"), "{first}");
        parked.waits_for = Some(3);
        let waits = words(&parked);
        assert!(waits.contains("waits for 3, the first of its key"), "{waits}");
        assert!(first.contains("See it fail alone\n") && waits.contains("Try it alone\n"), "{waits}");
        let json = serde_json::to_value(Summary::of(&parked)).unwrap();
        assert_eq!((json["key"].as_str(), json["waits-for"].as_i64()), (Some("ada"), Some(3)));
    }

    #[test]
    fn bytes_and_text_of_a_parked_event_are_told_apart_in_json() {
        insta::assert_json_snapshot!(whole(&parked(Value::Bytes(vec![0xff, 0]))));
        let text = serde_json::to_value(whole(&parked(Value::from("text")))).unwrap();
        assert_eq!(text["payload"], "text");
    }
}
