//! The README's tour, typed as it stands there, in every language.
//!
//! Blocks of `sh` are commands, all for one shell. A block of `text` is what the commands before it print, where `…` stands for
//! anything. A block of `diff` is an edit of the file whose name is the last word in backquotes before it. A block of another language
//! is what stands in such a file. The part about other languages has their edits, each after the name of its language.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use e2e::guest_build;
use rustix::process::{Pid, Signal, kill_process_group};

/// How long what is printed may take to become what the README says: large components are compiled meanwhile.
const DEADLINE: Duration = Duration::from_mins(3);

/// The project that the tour makes.
const PROJECT: &str = "payments";

/// How the tour builds, in Rust, and how it says that the other languages do.
const BUILD: (&str, &str) = ("cargo build --release --target wasm32-unknown-unknown", "./build.sh");

/// A fenced block, with its language and the line of prose before it.
struct Block {
    language: String,
    before: String,
    text: String,
}

impl Block {
    /// The file that it is about.
    fn file(&self) -> &str {
        self.before.rsplit('`').nth(1).expect("a file is named before its block")
    }
}

/// The blocks of a part of a page, from one heading to another.
fn blocks(document: &str, from: &str, to: &str) -> Vec<Block> {
    let rest = document.split_once(&format!("\n{from}\n")).unwrap_or_else(|| panic!("there is no heading {from:?}")).1;
    let section = rest.split_once(&format!("\n{to}\n")).unwrap_or_else(|| panic!("there is no heading {to:?}")).0;
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

/// Edits a file as a person would who reads the diff: looks for what is marked `-` and unmarked, and puts what is marked `+` there.
fn edit(file: &Path, diff: &str) {
    let side = |other: char| -> String {
        let lines = diff.lines().filter(|line| !line.starts_with(other));
        lines.flat_map(|line| [line.get(1..).unwrap_or_default(), "\n"]).collect()
    };
    let (before, after) = (side('+'), side('-'));
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(&before).count(), 1, "{} has, once:\n{before}\n{text}", file.display());
    fs::write(file, text.replace(&before, &after)).unwrap();
}

/// The shell of the tour. What it started ends with it.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Shell {
    fn start(directory: &Path, language: &str) -> Self {
        let errors = directory.join("errors");
        let mut command = Command::new("bash");
        command.arg("-e").current_dir(directory).process_group(0);
        guest_build::prepare(&mut command, language);
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

/// Takes the tour in a language that `--lang` knows by `word` and people by `name`.
fn tour(word: &str, name: &str) {
    let readme = fs::read_to_string(guest_build::root().join("README.md")).unwrap();
    let others = blocks(&readme, "### In another language", "## What is promised");
    let directory = tempfile::Builder::new().prefix("tidemill-tour-").tempdir().unwrap();
    let project = directory.path().join(PROJECT);
    let mut shell = Shell::start(directory.path(), word);
    let (mut typed, mut printed) = (String::new(), String::new());
    let (mut shown, mut edited, mut built) = (0, 0, 0);
    for block in blocks(&readme, "## A tour", "### In another language") {
        match block.language.as_str() {
            // What has to be there before; the test's own environment has it.
            "" => {}
            "sh" => {
                typed = block.text.replace("--lang rust", &format!("--lang {word}"));
                built += typed.matches(BUILD.0).count();
                if word != "rust" {
                    typed = typed.replace(BUILD.0, BUILD.1);
                }
                printed = shell.run(&typed);
                if word == "rust" && typed.contains("tidemill new") {
                    guest_build::warm_rust(&project);
                }
            }
            "text" => {
                let deadline = Instant::now() + DEADLINE;
                while !matches(&block.text, &printed) {
                    assert!(
                        Instant::now() < deadline,
                        "the README says that\n{typed}prints\n{}and it prints\n{printed}\n{}",
                        block.text,
                        fs::read_to_string(&shell.errors).unwrap()
                    );
                    // Only questions are asked again: the host works while the shell goes on.
                    let question = |line: &str| line.starts_with("tidemill st");
                    assert!(typed.lines().all(question), "{typed}prints\n{printed}");
                    std::thread::sleep(Duration::from_millis(50));
                    printed = shell.run(&typed);
                }
                shown += 1;
            }
            "diff" if word == "rust" => {
                edit(&project.join(block.file()), &block.text);
                edited += 1;
            }
            "diff" => {
                let own = others.iter().find(|other| other.language == "diff" && other.before.starts_with(name));
                let own = own.unwrap_or_else(|| panic!("the README does not say how to repair it in {name}"));
                edit(&project.join(own.file()), &own.text);
                edited += 1;
            }
            _ if word == "rust" => {
                let file = fs::read_to_string(project.join(block.file())).unwrap();
                assert!(file.contains(&block.text), "{} is not what the README shows:\n{file}", block.file());
            }
            _ => {}
        }
    }
    assert_eq!((shown, edited, built), (3, 1, 2), "the tour shows what it prints, and repairs and builds what it runs");
}

#[test]
fn the_readmes_tour_works_as_it_stands_there() {
    tour("rust", "Rust");
}

#[test]
fn the_readmes_tour_works_in_python() {
    tour("python", "Python");
}

#[test]
fn the_readmes_tour_works_in_typescript() {
    tour("ts", "TypeScript");
}

#[test]
fn the_readmes_tour_works_in_javascript() {
    tour("js", "JavaScript");
}

#[test]
fn the_readmes_tour_works_in_go() {
    tour("go", "Go");
}

#[test]
fn the_readmes_tour_works_in_c() {
    tour("c", "C");
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
