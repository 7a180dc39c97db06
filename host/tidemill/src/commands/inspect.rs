//! `inspect`: what a component is, and what it can and cannot do. Nothing is compiled and nothing is run, unless what events
//! cost in it is asked for.

mod cost;

use std::{fmt::Write as _, fs, io::Read as _, path::Path};

use serde::Serialize;
use tidemill_engine::{Description, Kind};

use crate::{
    cli::InspectArgs,
    exit::Exit,
    host::unreadable,
    output::{print, print_json, safe},
};

/// The largest file that is looked at. Loading has a limit of its own, for each processor.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The description in JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Inspection<'a> {
    digest: String,
    bytes: usize,
    kind: &'static str,
    languages: &'a [String],
    tools: &'a [String],
    exports: &'a [String],
    imports: &'a [String],
    can: &'a [String],
    cannot: &'a [String],
    fits: bool,
    misfits: Vec<Misfit<'a>>,
}

/// In what it does not fit the contract.
#[derive(Serialize)]
struct Misfit<'a> {
    name: &'a str,
    problem: &'a str,
}

/// Describes the file. Fails if it does not fit the contract.
pub(super) fn execute(args: &InspectArgs, config: &Path) -> anyhow::Result<Exit> {
    if let Some(events) = &args.events {
        return cost::execute(args, events, config);
    }
    let file = read(&args.file)?;
    let description = Description::read(&file)
        .map_err(|error| anyhow::anyhow!("{} is nothing that a processor can run: {error}\n  hint: give a WebAssembly component, or a core module with the contract's metadata", args.file.display()))?;
    if args.json {
        print_json(&inspection(&description))?;
    } else {
        print(&safe(&words(&description)))?;
    }
    Ok(if description.misfits.is_empty() { Exit::Done } else { Exit::Failed })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    anyhow::ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "{} is larger than 1 GiB: is it the right file?",
        path.display()
    );
    Ok(bytes)
}

fn inspection(description: &Description) -> Inspection<'_> {
    Inspection {
        digest: description.digest.to_string(),
        bytes: description.bytes,
        kind: match description.kind {
            Kind::Component => "component",
            Kind::CoreModule => "core-module",
        },
        languages: &description.languages,
        tools: &description.tools,
        exports: &description.exports,
        imports: &description.imports,
        can: &description.can,
        cannot: &description.cannot,
        fits: description.misfits.is_empty(),
        misfits: description
            .misfits
            .iter()
            .map(|misfit| Misfit { name: &misfit.name, problem: &misfit.problem })
            .collect(),
    }
}

fn words(description: &Description) -> String {
    let mut text = format!(
        "digest    {}\nsize      {} bytes\nkind      {}\n",
        description.digest, description.bytes, description.kind
    );
    if description.kind == Kind::CoreModule {
        text.push_str("          it is made a component when it is loaded\n");
    }
    for (title, words) in [("language", &description.languages), ("made by", &description.tools)] {
        if !words.is_empty() {
            line(&mut text, format_args!("{title:<10}{}", words.join(", ")));
        }
    }
    for (title, lines) in [
        ("exports", &description.exports),
        ("imports", &description.imports),
        ("It can", &description.can),
        ("It cannot", &description.cannot),
    ] {
        if !lines.is_empty() {
            list(&mut text, title, lines.iter().map(String::as_str));
        }
    }
    if description.misfits.is_empty() {
        text.push_str("\nBy its names it fits the contract.\n");
    } else {
        let misfits: Vec<_> =
            description.misfits.iter().map(|misfit| format!("{}: {}", misfit.name, misfit.problem)).collect();
        list(&mut text, "It does not fit the contract", misfits.iter().map(String::as_str));
    }
    text
}

fn list<'a>(text: &mut String, title: &str, lines: impl Iterator<Item = &'a str>) {
    line(text, format_args!("\n{title}"));
    for entry in lines {
        line(text, format_args!("  {entry}"));
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string can always be written to");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_described_in_words_and_in_json() {
        let description = Description::read(include_bytes!("../demo/totals.wasm")).unwrap();
        let description =
            Description { digest: tidemill_pipeline::Digest::of(b""), bytes: 7, tools: Vec::new(), ..description };
        insta::assert_snapshot!("words", words(&description));
        insta::assert_json_snapshot!("json", inspection(&description));
    }
}
