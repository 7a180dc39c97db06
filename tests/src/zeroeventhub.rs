//! The Python package `zeroeventhub` as processes: its server as a publisher and its client as a reader.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value as Json;

/// The texts of `tests/interop/publisher.py` as Python writes them into JSON.
const NOTES: [&str; 7] = [
    r#""plain""#,
    r#""a \"quote\" and a \\""#,
    r#""<b>&</b>""#,
    r#""bl\u00e5b\u00e6rsyltet\u00f8y""#,
    r#""\u96e8 \u2028 \ud83c\udf0a""#,
    r#""tab\tnewline\n""#,
    r#""""#,
];

/// The payload at a place of a partition, byte for byte as the package sends it.
#[must_use]
pub fn payload(partition: usize, index: usize) -> String {
    format!(
        "{{\"user\": \"{}\", \"amount\": {}, \"partition\": {partition}, \"index\": {index}, \"note\": {}, \"ratio\": {}}}",
        user(partition, index),
        amount(partition, index),
        NOTES[(index + partition) % NOTES.len()],
        ratio(index),
    )
}

/// The payload's field `user`.
#[must_use]
pub fn user(partition: usize, index: usize) -> String {
    format!("user-{}", (index * 7 + partition) % 50)
}

/// The payload's field `amount`.
#[must_use]
pub fn amount(partition: usize, index: usize) -> i64 {
    i64::try_from((index * 31 + partition * 17) % 201).unwrap() - 100
}

/// An eighth of the index as Python writes it.
fn ratio(index: usize) -> String {
    let eighths = ["0", "125", "25", "375", "5", "625", "75", "875"];
    format!("{}.{}", index / 8, eighths[index % 8])
}

/// A publisher: FastAPI and the package's handler. It ends when dropped.
#[derive(Debug)]
pub struct Publisher {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl Publisher {
    /// Starts it with arguments that its `--help` explains.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let mut process = python("publisher.py").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let ready = answer(&mut answers);
        let url = ready["url"].as_str().unwrap_or_else(|| panic!("the publisher says {ready}")).to_owned();
        Self { process, commands, answers, url }
    }

    /// Where its feed is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives it a command that its documentation explains, and waits for the answer.
    pub fn obey(&mut self, command: &str) -> Json {
        writeln!(self.commands, "{command}").unwrap();
        let answer = answer(&mut self.answers);
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the package's own client reads of a feed to its end, one JSON object a line.
#[must_use]
pub fn read(url: &str, partitions: usize, headers: Option<&str>) -> Vec<Json> {
    let mut command = python("reader.py");
    command.args(["--url", url, "--partitions", &partitions.to_string(), "--page-size", "170"]);
    command.args(headers.iter().flat_map(|headers| ["--headers", headers]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "the package's client: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn answer(answers: &mut BufReader<ChildStdout>) -> Json {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the publisher said `{line}`: {error}"))
}

/// A program of `tests/interop`, which complains where the test does.
fn python(program: &str) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python: PathBuf = tests.join("../target/interop-venv/bin/python");
    assert!(python.exists(), "{} is not there\nhint: cargo xtask interop", python.display());
    let mut command = Command::new(python);
    command.arg(tests.join("interop").join(program)).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::inherit());
    command
}
