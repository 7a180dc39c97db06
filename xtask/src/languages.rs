//! Measures what a processor costs in each language, and writes it into `docs/languages.md`: `cargo xtask languages`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use duct::cmd;
use serde_json::Value as Json;

use crate::guests::{self, Language};
use crate::project::{cargo, root, target};
use crate::test::{self, PACKAGES};

const BEGIN: &str = "<!-- measured: `cargo xtask languages` writes what follows -->";
const END: &str = "<!-- end of what was measured -->";

/// Builds, measures and writes.
pub(crate) fn run() -> Result<()> {
    guests::build(&[])?;
    test::build()?;
    let mut rows = Vec::new();
    for language in Language::value_variants() {
        eprintln!("measuring {}", language.name());
        rows.push(Row::measure(*language)?);
    }
    let page = root().join("docs/languages.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).context("docs/languages.md has no place for the table")?;
    let (_, after) = rest.split_once(END).context("docs/languages.md has no end of the table")?;
    fs::write(&page, format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(&rows)?))?;
    Ok(())
}

/// What was measured of one language.
struct Row {
    language: String,
    tools: String,
    build: Duration,
    restart: Duration,
    bench: Json,
}

impl Row {
    fn measure(language: Language) -> Result<Self> {
        let folder = language.name();
        let file = target().join(format!("guests/{folder}/totals.wasm"));
        let build = warm_build(language)?;
        let inspection = cmd!(program(), "inspect", "--json", &file).read()?;
        let inspection: Json = serde_json::from_str(&inspection)?;
        let words = |name: &str| {
            let words = inspection.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
            words.collect::<Vec<_>>().join(", ")
        };
        // The profile of the tests, in which wasmtime is optimised: what is compiled from the component is the same in release.
        let bench = cmd(
            cargo(),
            ["bench", "--quiet", "--profile", "dev", "--bench", "guests"]
                .iter()
                .chain(&PACKAGES)
                .map(ToString::to_string)
                .chain(["--".to_owned(), file.display().to_string()]),
        )
        .dir(root())
        .read()
        .context("the benchmark failed")?;
        let bench = serde_json::from_str(bench.trim())?;
        Ok(Self { language: folder.to_owned(), tools: words("tools"), build, restart: restart(&file)?, bench })
    }

    fn number(&self, name: &str) -> f64 {
        self.bench.get(name).and_then(Json::as_f64).unwrap_or(f64::NAN)
    }
}

/// How long a build takes after a source has changed, the tools and what never changes being there.
fn warm_build(language: Language) -> Result<Duration> {
    let folder = language.name();
    touch(&root().join("guest-examples").join(folder).join("totals"))?;
    // What says that there is nothing to build. Cargo looks at the sources' times instead.
    let stamp = target().join("guest-tools").join(folder).join("totals.inputs");
    if stamp.exists() {
        fs::remove_file(stamp)?;
    }
    let begun = Instant::now();
    guests::build(&[language])?;
    Ok(begun.elapsed())
}

/// Makes every source newer than what was built of it.
fn touch(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name == "src" {
            touch(&path)?;
        } else if path.is_file() {
            fs::File::options().append(true).open(&path)?.set_modified(SystemTime::now())?;
        }
    }
    Ok(())
}

/// From starting the program to the end of `run --until-idle`, with the component's code in the cache and one new event.
fn restart(component: &Path) -> Result<Duration> {
    let directory = tempfile_directory()?;
    let configuration = format!(
        "[feeds.events]\nurl = \"file:events.ndjson\"\n\n[processors.totals]\ncomponent = \"{}\"\nfeeds = [\"events\"]\n\n\
         [processors.totals.limits]\nmemory = \"256MiB\"\nfuel-per-call = 100_000_000_000\ncall-time = \"1m\"\n",
        component.display()
    );
    fs::write(directory.join("tidemill.toml"), configuration)?;
    let mut events = String::new();
    let mut best = Duration::MAX;
    for round in 0..4 {
        events.push_str("{\"user\":\"ada\",\"amount\":1}\n");
        fs::write(directory.join("events.ndjson"), &events)?;
        let begun = Instant::now();
        cmd!(program(), "run", "--until-idle", "--log-level", "warn").dir(&directory).run()?;
        // The first round compiles.
        if round > 0 {
            best = best.min(begun.elapsed());
        }
    }
    let total = cmd!(program(), "state", "get", "totals", "total/ada").dir(&directory).read()?;
    ensure!(total == "4", "four events were applied, and the total is {total}");
    fs::remove_dir_all(directory)?;
    Ok(best)
}

/// A directory for one measurement.
fn tempfile_directory() -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("tidemill-languages-{}", std::process::id()));
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// The program as the tests have it.
fn program() -> PathBuf {
    target().join("debug/tidemill")
}

fn table(rows: &[Row]) -> Result<String> {
    let mut text = format!("{}\n\n", machine()?);
    text += "| language | made by | component | build, warm | compile | load from the cache | first start | best start | restart |\n";
    text += "|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {:.1} s | {:.0} ms | {:.1} ms | {:.0} µs | {:.0} µs | {:.0} ms |",
            row.language,
            row.tools,
            size(row.number("bytes")),
            row.build.as_secs_f64(),
            row.number("compile-ms"),
            row.number("load-ms"),
            row.number("first-us"),
            row.number("best-us"),
            row.restart.as_secs_f64() * 1e3,
        )?;
    }
    text += "\n| language | ns an event, fresh | reused | fuel an event, fresh | reused | memory |\n|---|--:|--:|--:|--:|--:|\n";
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.language,
            grouped(row.number("fresh-ns")),
            grouped(row.number("reused-ns")),
            grouped(row.number("fresh-fuel")),
            grouped(row.number("reused-fuel")),
            size(row.number("memory-bytes")),
        )?;
    }
    Ok(text)
}

/// The machine, as it calls itself.
fn machine() -> Result<String> {
    let description = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = description.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    Ok(format!("Measured on {model}, {cores} cores."))
}

/// Bytes, for people.
fn size(bytes: f64) -> String {
    if bytes >= 1024.0 * 1024.0 {
        format!("{:.1} MiB", bytes / 1024.0 / 1024.0)
    } else {
        format!("{:.0} KiB", bytes / 1024.0)
    }
}

/// A whole number with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
