//! `parked list`, `show`, `retry` and `drop`: the events that were put aside.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use serde::Serialize;
use tidemill_pipeline::{Metadata, ParkedEvent, ProcessorId, ProcessorName};
use tidemill_store::{Parked, RequestKind};

use super::ask::{ask, id, known};
use crate::{
    cli::{ParkedCommand, ParkedListArgs, ParkedOne, ParkedSome},
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

/// Shows or settles.
pub(super) async fn execute(command: ParkedCommand, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    match command {
        ParkedCommand::List(args) => list(&args, &config.data),
        ParkedCommand::Show(args) => show(&args, &config.data),
        ParkedCommand::Retry(args) => settle(&args, &config, |parked| RequestKind::RetryParked { parked }).await,
        ParkedCommand::Drop(args) => settle(&args, &config, |parked| RequestKind::DropParked { parked }).await,
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
        let ParkedEvent { id, copies, cause, reason, component, .. } = &parked.event;
        Self {
            number: parked.number,
            processor: parked.processor.name.as_str(),
            feed: id.key.feed.as_str(),
            partition: id.key.partition.as_str(),
            span_from: id.span_from.cursor().map(tidemill_pipeline::Cursor::as_str),
            digest: id.payload.to_string(),
            copies: *copies,
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
    let mut table = Table::new(["number", "processor", "feed", "partition", "since", "copies", "cause", "reason"]);
    let (mut rows, mut more) = (0, false);
    each(reader, processor, |parked| {
        if rows == ROWS_MAX {
            more = true;
            return Ok(false);
        }
        rows += 1;
        let event = &parked.event;
        table.row([
            parked.number.to_string(),
            parked.processor.name.to_string(),
            event.id.key.feed.to_string(),
            event.id.key.partition.to_string(),
            parked.parked_at.clone(),
            event.copies.to_string(),
            event.cause.clone(),
            shorten(&one_line(tidemill_pipeline::ValueRef::Text(&event.reason)), REASON_CHARS_MAX).into_owned(),
        ]);
        Ok(true)
    })?;
    Ok((table, rows, more))
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
    line(&mut text, format_args!("\nSee it fail alone\ntidemill replay {processor} --parked {number}"));
    safe(&text).into_owned()
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string can always be written to");
}

async fn settle(args: &ParkedSome, config: &Config, kind: impl Fn(Vec<i64>) -> RequestKind) -> anyhow::Result<Exit> {
    let numbers = numbers(args, &config.data)?;
    if numbers.is_empty() {
        complain(&format!("Processor `{}` has no parked event.", args.processor));
        return Ok(Exit::Done);
    }
    let kinds = numbers.chunks(ASKED_MAX).map(|some| kind(some.to_vec())).collect();
    ask(config, &args.processor, kinds).await
}

/// The numbers that are meant. Each is there, at this moment.
fn numbers(args: &ParkedSome, data: &Path) -> anyhow::Result<Vec<i64>> {
    let (reader, _) = known(data, &args.processor)?;
    if args.all {
        let mut numbers = Vec::new();
        each(&reader, Some(&id(&args.processor)), |parked| {
            numbers.push(parked.number);
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
            payload,
            metadata: Some(metadata),
            cause: "trap".to_owned(),
            reason: "unreachable\u{1b}[2J".to_owned(),
            backtrace: Some("0: process\n1: main\n".to_owned()),
            component: Some(Digest::of(b"component")),
        };
        let processor = id(&ProcessorName::new("totals"));
        Parked { number: 7, processor, parked_at: "2026-01-02T12:00:00.000Z".to_owned(), event }
    }

    #[test]
    fn everything_that_is_known_of_a_parked_event_is_shown() {
        insta::assert_snapshot!(words(&parked(Value::from("{\"user\": 1}"))));
    }

    #[test]
    fn bytes_and_text_of_a_parked_event_are_told_apart_in_json() {
        insta::assert_json_snapshot!(whole(&parked(Value::Bytes(vec![0xff, 0]))));
        let text = serde_json::to_value(whole(&parked(Value::from("text")))).unwrap();
        assert_eq!(text["payload"], "text");
    }
}
