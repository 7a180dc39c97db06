//! `state get` and `state scan`: what processors have computed.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
};

use serde::Serialize;
use tidemill_pipeline::{PartitionKey, ProcessorId, ProcessorName, StateSpace, Value};

use super::ask::{id, known};
use crate::{
    cli::{StateCommand, StateGetArgs, StateScanArgs},
    config::Config,
    exit::{Exit, Misuse},
    host::Reader,
    output::{Named, one_line, print_json, safe},
};

/// Entries that are in memory at once.
const PAGE: usize = 64;

/// An entry in JSON.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    #[serde(flatten)]
    value: Named<'a>,
}

impl<'a> Entry<'a> {
    fn new(key: &'a str, value: &'a Value) -> Self {
        Self { key, value: Named { name: "value", name_base64: "value-base64", value: value.as_ref() } }
    }
}

/// Reads the state.
pub(super) fn execute(command: StateCommand, config: &Path) -> anyhow::Result<Exit> {
    let data = Config::load(config)?.data;
    match command {
        StateCommand::Get(args) => get(&args, &data),
        StateCommand::Scan(args) => {
            let (reader, _) = known(&data, &args.processor)?;
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            scan(&reader, &args, &mut stdout)?;
            stdout.flush()?;
            Ok(Exit::Done)
        }
    }
}

fn get(args: &StateGetArgs, data: &Path) -> anyhow::Result<Exit> {
    let (reader, _) = known(data, &args.processor)?;
    let processor = id(&args.processor);
    let space = space(&reader, &processor, args.partition.key())?;
    let Some(value) = reader.get(&processor, &space, &args.key)? else {
        anyhow::bail!(
            "the state of processor `{}` has no key `{}`\n  hint: see its keys with `tidemill state scan {}`",
            args.processor,
            safe(&args.key),
            args.processor
        )
    };
    if args.json {
        print_json(&Entry::new(&args.key, &value))?;
        return Ok(Exit::Done);
    }
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        match &value {
            Value::Text(text) => writeln!(stdout, "{}", safe(text))?,
            Value::Bytes(_) => writeln!(stdout, "{}", one_line(value.as_ref()))?,
        }
    } else {
        stdout.write_all(value.as_ref().as_bytes())?;
        if matches!(value, Value::Text(_)) {
            stdout.write_all(b"\n")?;
        }
    }
    stdout.flush()?;
    Ok(Exit::Done)
}

/// Page after page: a key that is written meanwhile is seen if it lies ahead.
fn scan(reader: &Reader, args: &StateScanArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let processor = id(&args.processor);
    let space = space(reader, &processor, args.partition.key())?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut after: Option<String> = None;
    while left > 0 {
        let limit = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = reader.scan(&processor, &space, &args.prefix, after.as_deref(), limit)?;
        for (key, value) in &page {
            if args.json {
                serde_json::to_writer(&mut *out, &Entry::new(key, value)).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            } else {
                writeln!(out, "{}\t{}", one_line(tidemill_pipeline::ValueRef::Text(key)), one_line(value.as_ref()))?;
            }
        }
        left -= page.len() as u64;
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => break,
        }
    }
    Ok(())
}

/// The key space that is meant.
fn space(reader: &Reader, processor: &ProcessorId, key: Option<PartitionKey>) -> anyhow::Result<StateSpace> {
    let spaces = reader.spaces(processor)?;
    let partitions: Vec<&PartitionKey> = spaces
        .iter()
        .filter_map(|space| match space {
            StateSpace::Partition(key) => Some(key),
            StateSpace::Shared => None,
        })
        .collect();
    match key {
        Some(key) if partitions.is_empty() && !spaces.is_empty() => Err(Misuse {
            message: format!(
                "the state of processor `{}` is shared by all partitions; there is none of {key} alone",
                processor.name
            ),
            hint: "leave `--feed` and `--partition` out".to_owned(),
        }
        .into()),
        Some(key) => Ok(StateSpace::Partition(key)),
        None => match partitions.first() {
            Some(first) if !spaces.contains(&StateSpace::Shared) => Err(partitioned(&processor.name, first).into()),
            Some(_) | None => Ok(StateSpace::Shared),
        },
    }
}

fn partitioned(processor: &ProcessorName, first: &PartitionKey) -> Misuse {
    Misuse {
        message: format!("the state of processor `{processor}` is kept for each partition by itself"),
        hint: format!("say which, as in `--feed {} --partition {}`", first.feed, first.partition),
    }
}
