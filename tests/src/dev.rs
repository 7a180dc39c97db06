//! `tidemill dev --json` as a process, and what it shows.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::project::{Project, wait_until};

/// No wait of a test is longer.
const DEADLINE: Duration = Duration::from_mins(2);

/// The loop in a project. Killed when dropped.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    entries: Arc<Mutex<Vec<Json>>>,
    threads: Vec<JoinHandle<()>>,
    complaints: Arc<Mutex<String>>,
}

impl Dev {
    /// Starts it with arguments.
    #[must_use]
    pub fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut command = project.command(&[&["dev", "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let entries = Arc::new(Mutex::new(Vec::new()));
        let read = {
            let entries = Arc::clone(&entries);
            move || {
                for line in lines.lines().map_while(Result::ok) {
                    let entry = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
                    entries.lock().unwrap().push(entry);
                }
            }
        };
        let complaints = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().unwrap();
        let complain = {
            let complaints = Arc::clone(&complaints);
            move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).unwrap();
                complaints.lock().unwrap().push_str(&text);
            }
        };
        let threads = vec![std::thread::spawn(read), std::thread::spawn(complain)];
        Self { child, entries, threads, complaints }
    }

    /// Everything that it has shown.
    #[must_use]
    pub fn entries(&self) -> Vec<Json> {
        self.entries.lock().unwrap().clone()
    }

    /// The entries of a type.
    #[must_use]
    pub fn of_type(&self, kind: &str) -> Vec<Json> {
        self.entries().into_iter().filter(|entry| entry["type"] == kind).collect()
    }

    /// Waits for an entry of a type that is like this, and gives it.
    #[track_caller]
    pub fn wait_for(&mut self, kind: &str, like: impl Fn(&Json) -> bool) -> Json {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = self.of_type(kind).into_iter().find(|entry| like(entry)) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            let shown = || self.entries().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(
                ended.is_none(),
                "it ended without `{kind}`: {ended:?}\n{}{}",
                shown(),
                self.complaints.lock().unwrap()
            );
            assert!(Instant::now() < deadline, "`{kind}` was not shown\n{}", shown());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The value that a key has after the last shown batch that wrote it.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let batches = self.of_type("batch");
        let changes = batches.iter().flat_map(|batch| batch["changes"].as_array().unwrap());
        let mut values = changes.filter(|change| change["key"] == key);
        values.next_back().and_then(|change| Some(change["after"].as_str()?.to_owned()))
    }

    /// Sends it Ctrl-C, and waits for its end. What it complained of is given too.
    #[must_use]
    pub fn interrupt(mut self) -> (ExitStatus, Vec<Json>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut status = None;
        wait_until("the end of the loop", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let complaints = self.complaints.lock().unwrap().clone();
        (status.unwrap(), self.entries(), complaints)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
