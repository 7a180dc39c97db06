//! The README's tour, typed as it stands there.
//!
//! Blocks of `sh` are commands, all for one shell. A block of another language is a file, whose name is the word in
//! backquotes before it. A block of `text` is what the commands before it print, where `…` stands for anything.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use e2e::project::program;
use rustix::process::{Pid, Signal, kill_process_group};

/// How long what is printed may take to become what the README says.
const DEADLINE: Duration = Duration::from_mins(1);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A fenced block, with its language and the line of prose before it.
struct Block {
    language: String,
    before: String,
    text: String,
}

/// The blocks under a heading and the smaller ones below it.
fn blocks(document: &str, heading: &str) -> Vec<Block> {
    let from = document.split_once(&format!("\n{heading}\n")).expect("the heading is there").1;
    let section = from.split_once("\n## ").map_or(from, |(section, _)| section);
    let (mut blocks, mut before) = (Vec::new(), String::new());
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let mut text = String::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                text += line;
                text.push('\n');
            }
            blocks.push(Block { language: language.to_owned(), before: std::mem::take(&mut before), text });
        } else if !line.is_empty() {
            line.clone_into(&mut before);
        }
    }
    blocks
}

/// Whether a text is what was expected, with `…` for anything.
fn matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.trim().split('…').map(str::trim);
    let Some(mut rest) = parts.next().and_then(|first| found.trim().strip_prefix(first)) else { return false };
    let mut open = false;
    for part in parts {
        open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

/// The shell of the tour. What it started ends with it.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Shell {
    fn start(directory: &Path) -> Self {
        let errors = directory.join("errors");
        let tools = program().parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command.arg("-e").current_dir(directory).process_group(0);
        command.env("PATH", format!("{}:{path}", tools.display())).env("TIDEMILL", root());
        // A guest is built as its author would: without what cargo told this test, and with what was downloaded for the examples.
        for name in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "TIDEMILL_LOG", "TIDEMILL_CONFIG"] {
            command.env_remove(name);
        }
        command.env("CARGO_NET_OFFLINE", "true");
        for (name, value) in toolchain() {
            command.env(name, value);
        }
        let stderr = fs::File::create(&errors).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, errors }
    }

    /// Types commands, all of which must end well, and gives what was printed meanwhile.
    fn run(&mut self, commands: &str) -> String {
        const END: &str = "the end of a block";
        writeln!(self.input, "{commands}\necho '{END}'").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let bytes = self.output.read_line(&mut line).unwrap();
            assert!(
                bytes > 0,
                "a command failed:\n{commands}\n{printed}\n{}",
                fs::read_to_string(&self.errors).unwrap()
            );
            if line.trim() == END {
                return printed;
            }
            printed += &line;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The group may be gone already.
        kill_process_group(Pid::from_child(&self.child), Signal::TERM).ok();
        drop(self.child.wait());
    }
}

/// What the compiler for wasm32 needs, as `cargo xtask guests` finds it.
fn toolchain() -> Vec<(String, String)> {
    let output = Command::new("bash").arg(root().join("xtask/rust-wasm-toolchain.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exports = String::from_utf8(output.stdout).unwrap();
    let pairs = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Prepares what makes building the guest quick and free of the network; it changes nothing that the tour shows.
fn warm(guest: &Path) {
    fs::create_dir_all(guest).unwrap();
    fs::copy(root().join("guest-examples/rust/Cargo.lock"), guest.join("Cargo.lock")).unwrap();
    let built = root().join("target/guests-build/tour");
    fs::create_dir_all(&built).unwrap();
    symlink(built, guest.join("target")).unwrap();
}

#[test]
fn the_readmes_tour_works_as_it_stands_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let directory = tempfile::Builder::new().prefix("tidemill-tour-").tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    warm(&directory.path().join("totals"));
    let mut shell = Shell::start(directory.path());
    let (mut typed, mut shown) = (String::new(), 0);
    let mut printed = String::new();
    for block in blocks(&readme, "## A tour") {
        let text = block.text.replace("127.0.0.1:8080", &free);
        match block.language.as_str() {
            // What has to be there before; the test's own environment has it.
            "" => {}
            "sh" => {
                printed = shell.run(&text);
                typed = text;
            }
            "text" => {
                let deadline = Instant::now() + DEADLINE;
                while !matches(&text, &printed) {
                    assert!(
                        Instant::now() < deadline,
                        "the README says that\n{typed}prints\n{text}and it prints\n{printed}\n{}",
                        fs::read_to_string(&shell.errors).unwrap()
                    );
                    // Only questions are asked again: the host works while the shell goes on.
                    assert!(typed.lines().all(|line| line.starts_with("tidemill st")), "{typed}prints\n{printed}");
                    std::thread::sleep(Duration::from_millis(50));
                    printed = shell.run(&typed);
                }
                shown += 1;
            }
            _ => {
                let name = block.before.split('`').nth(1).expect("a file is named before its block");
                fs::write(directory.path().join(name), text).unwrap();
            }
        }
    }
    assert_eq!(shown, 3, "the tour shows what it prints");
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    for (expected, found, same) in [
        ("a\nb", "a\nb\n", true),
        ("a …\nc", "a b\nb\nc", true),
        ("a …", "a b\nc", true),
        ("a …\nc", "a b\nc d", false),
        ("a … c", "b c", false),
        ("a", "a b", false),
    ] {
        assert_eq!(matches(expected, found), same, "{expected:?} {found:?}");
    }
}
