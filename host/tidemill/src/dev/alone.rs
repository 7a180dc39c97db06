//! Alone: an event that failed is kept in a file, and a command is given that shows the failure again with it alone.

use std::{fs, path::PathBuf};

use tidemill_pipeline::{ParkedEvent, ProcessorName, Value};

/// Keeps events that failed.
#[derive(Clone, Debug)]
pub(crate) struct Alone {
    /// Where they are kept.
    directory: PathBuf,
    /// What stands between the program's name and the command: the configuration, if it is not the usual one.
    options: String,
}

impl Alone {
    pub(crate) fn new(directory: PathBuf, options: String) -> Self {
        Self { directory, options }
    }

    /// Keeps an event, and gives the command. None if it cannot be kept as a line of a file.
    pub(crate) fn command(&self, processor: &ProcessorName, event: &ParkedEvent) -> Option<String> {
        let Value::Text(payload) = &event.payload else { return None };
        if payload.contains('\n') {
            return None;
        }
        let file = self.directory.join(format!("{}.ndjson", event.id.payload.short()));
        let written = fs::create_dir_all(&self.directory).and_then(|()| fs::write(&file, format!("{payload}\n")));
        match written {
            Ok(()) => Some(format!("tidemill{} replay {processor} --events {}", self.options, file.display())),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the event that failed cannot be kept in a file");
                None
            }
        }
    }
}
