//! A project directory with a `tidemill.toml`, and the real program run in it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// No wait of a test is longer.
const DEADLINE: Duration = Duration::from_mins(2);

/// The program, as it was built with the test, which lies in `deps`, or with the program that tests.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join("tidemill")).find(|program| program.exists());
    found.unwrap_or_else(|| {
        panic!("tidemill is not built beside {}\nhint: cargo build --workspace --all-targets", test.display())
    })
}

/// Waits for a condition, and fails with what was waited for.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of a log in JSON that have a message.
#[must_use]
pub fn log_lines(log: &str, message: &str) -> Vec<Json> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// A directory with a configuration and components. Removed when dropped.
#[derive(Debug)]
pub struct Project {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Project {
    /// A project with this `tidemill.toml`.
    #[must_use]
    pub fn new(configuration: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("tidemill-test-").tempdir().unwrap();
        fs::write(directory.path().join("tidemill.toml"), configuration).unwrap();
        Self { directory, environment: Vec::new() }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// From now on the program finds this variable in its environment; none takes it away.
    pub fn set_environment(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Puts a file there as compilers should: whole, by rename.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let new = self.path().join(format!("{name}.new"));
        fs::write(&new, bytes).unwrap();
        fs::rename(new, self.path().join(name)).unwrap();
    }

    /// The program with arguments, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null()).env_remove("TIDEMILL_LOG");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    #[must_use]
    pub fn tidemill(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program to its end, which must be with this code, and gives what it complained of.
    #[expect(clippy::must_use_candidate, reason = "how it ends is checked here")]
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.tidemill(arguments);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "tidemill {arguments:?}\n{stdout}\n{stderr}");
        stderr.into_owned()
    }

    /// Runs the program to its end, which must be good, and gives what it printed.
    #[expect(clippy::must_use_candidate, reason = "how it ends is checked here")]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.tidemill(arguments);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tidemill {arguments:?}: {}\n{stdout}\n{stderr}", output.status);
        stdout.into_owned()
    }

    /// `tidemill restore --force`, and deletes the database that was replaced: whoever restores often does not keep them all.
    pub fn restore(&self, backup: &str) {
        self.ok(&["restore", backup, "--force"]);
        for entry in fs::read_dir(self.path().join("data")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("tidemill.db.replaced") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// Starts `tidemill run`, with a log line for each step of the line.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Host {
        let log = ["run", "--log-format", "json", "--log-level", "debug"];
        let mut command = self.command(&[&log, arguments].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Log::default()));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || lines.lines().map_while(Result::ok).for_each(|line| log.lock().unwrap().read(&line))
        });
        Host { child, log, reader: Some(reader) }
    }

    /// `tidemill run`, and waits until a processor has begun: from then on there is a database.
    #[must_use]
    pub fn start(&self) -> Host {
        let mut host = self.run(&[]);
        host.wait_for("the processor starts", 1);
        host
    }

    /// `tidemill run --until-idle`, which must end well.
    pub fn run_until_idle(&self) {
        let mut host = self.run(&["--until-idle"]);
        let status = host.wait();
        assert!(status.success(), "{status}\n{}\n{:#}", host.complaints(), self.status());
    }

    /// `tidemill run --until-idle`, which must end with 1: something stopped or was put aside. Gives its log.
    #[expect(clippy::must_use_candidate, reason = "how it ends is checked here")]
    pub fn run_until_stopped(&self) -> String {
        let mut host = self.run(&["--until-idle"]);
        let status = host.wait();
        assert_eq!(status.code(), Some(1), "{}", host.complaints());
        host.complaints()
    }

    /// Writes another `tidemill.toml`.
    pub fn configure(&self, configuration: &str) {
        self.put("tidemill.toml", configuration.as_bytes());
    }

    /// What `status --json` says of a partition of a processor; null if it was never opened.
    #[must_use]
    pub fn partition(&self, processor: &str, partition: &str) -> Json {
        let status = self.status();
        let processors = status["processors"].as_array().unwrap().iter();
        let partitions = processors
            .filter(|found| found["name"] == processor)
            .flat_map(|found| found["partitions"].as_array().unwrap());
        partitions.into_iter().find(|found| found["partition"] == partition).cloned().unwrap_or_default()
    }

    /// A processor's whole state, of the shared key space, as `tidemill state scan` prints it.
    #[must_use]
    pub fn state(&self, processor: &str) -> BTreeMap<String, String> {
        let entry = |line: &str| {
            let entry: Json = serde_json::from_str(line).unwrap();
            (entry["key"].as_str().unwrap().to_owned(), entry["value"].as_str().unwrap().to_owned())
        };
        self.ok(&["state", "scan", processor, "--json"]).lines().map(entry).collect()
    }

    /// The document that `tidemill status --json` prints.
    #[must_use]
    pub fn status(&self) -> Json {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }
}

/// What a worker did last, as its log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No step was logged yet.
    Starting,
    /// The last batch was committed; it fetches or waits.
    Fetching,
    /// A component has a batch.
    Processing,
    /// A commit is on its way.
    Committing,
}

#[derive(Debug, Default)]
struct Log {
    stages: BTreeMap<(String, String), Stage>,
    lines: Vec<String>,
    messages: BTreeMap<String, usize>,
    /// Every message with the partition that it is about, if it is about one.
    order: Vec<(String, String)>,
    refused: Vec<RefusedCall>,
}

/// A call of a component that did not go well, as the host's log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCall {
    /// Whose component.
    pub processor: String,
    /// The partition.
    pub partition: String,
    /// The word for what ended it: `fuel`, `overtime`.
    pub why: String,
    /// How long it ran, on its thread.
    pub took: Duration,
}

impl Log {
    fn read(&mut self, line: &str) {
        let Ok(entry) = serde_json::from_str::<Json>(line) else {
            self.lines.push(line.to_owned());
            return;
        };
        let message = entry["message"].as_str().unwrap_or_default().to_owned();
        let field = |name: &str| {
            let spans = entry["spans"].as_array().into_iter().flatten();
            spans.filter_map(|span| span[name].as_str()).next_back().unwrap_or_default().to_owned()
        };
        let worker = || (field("processor"), format!("{}/{}", field("feed"), field("partition")));
        let stage = match message.as_str() {
            "processing" => Some(Stage::Processing),
            "committing" => Some(Stage::Committing),
            "committed" => Some(Stage::Fetching),
            _ => None,
        };
        match stage {
            Some(stage) => drop(self.stages.insert(worker(), stage)),
            None if entry["level"] != "DEBUG" => self.lines.push(line.to_owned()),
            None => {}
        }
        if message == "a call was refused" {
            let (processor, partition) = (field("processor"), field("partition"));
            let why = entry["why"].as_str().unwrap_or_default().to_owned();
            let took = Duration::from_micros(entry["took_us"].as_u64().unwrap());
            self.refused.push(RefusedCall { processor, partition, why, took });
        }
        self.order.push((message.clone(), field("partition")));
        *self.messages.entry(message).or_default() += 1;
    }
}

/// `tidemill run` as a process. Killed when dropped.
#[derive(Debug)]
pub struct Host {
    child: Child,
    log: Arc<Mutex<Log>>,
    reader: Option<JoinHandle<()>>,
}

impl Host {
    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line with this message was logged so often.
    #[track_caller]
    pub fn wait_for(&mut self, message: &str, times: usize) {
        let log = Arc::clone(&self.log);
        let deadline = Instant::now() + DEADLINE;
        while log.lock().unwrap().messages.get(message).copied().unwrap_or(0) < times {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the host ended before it logged `{message}`: {ended:?}\n{}", self.complaints());
            assert!(Instant::now() < deadline, "`{message}` was not logged {times} times\n{}", self.complaints());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How often a message was logged.
    #[must_use]
    pub fn logged(&self, message: &str) -> usize {
        self.log.lock().unwrap().messages.get(message).copied().unwrap_or(0)
    }

    /// The partitions of the lines with `message` after the first line with `begin` and before the next with `end`.
    #[must_use]
    pub fn logged_between(&self, begin: &str, message: &str, end: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let lines = log.order.iter().skip_while(|(line, _)| line != begin).take_while(|(line, _)| line != end);
        lines.filter(|(line, _)| line == message).map(|(_, partition)| partition.clone()).collect()
    }

    /// The calls that it refused so far.
    #[must_use]
    pub fn refused(&self) -> Vec<RefusedCall> {
        self.log.lock().unwrap().refused.clone()
    }

    /// Its log lines of level info and above.
    #[must_use]
    pub fn complaints(&self) -> String {
        self.log.lock().unwrap().lines.join("\n")
    }

    /// The most memory that it had resident, in bytes; none if it has just ended.
    #[must_use]
    pub fn memory_peak(&self) -> Option<u64> {
        let mut status = String::new();
        fs::File::open(format!("/proc/{}/status", self.child.id())).unwrap().read_to_string(&mut status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
    }

    /// Kills it with SIGKILL, wherever it is, and says what its busiest worker was doing.
    #[expect(clippy::must_use_candidate, reason = "as a rule it is the killing that is wanted")]
    pub fn kill(mut self) -> Stage {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "the host ended by itself before it was killed: {status}\n{}",
            self.complaints()
        );
        self.reader.take().unwrap().join().unwrap();
        self.log.lock().unwrap().stages.values().copied().max().unwrap_or(Stage::Starting)
    }

    /// Sends it a signal that asks it to stop.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the host", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status.unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
