//! `tidemill feed serve` as a process.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use crate::project::Project;

/// A file of a project as a feed. Killed when dropped.
#[derive(Debug)]
pub struct Served {
    process: Child,
    url: String,
}

impl Served {
    /// Serves a file in so many partitions, on a port that is free.
    #[must_use]
    pub fn start(project: &Project, file: &str, partitions: usize) -> Self {
        let partitions = partitions.to_string();
        let arguments = ["feed", "serve", file, "--partitions", &partitions, "--listen", "127.0.0.1:0"];
        let mut process = project.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().expect("it says where it listens").to_owned();
        Self { process, url }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
