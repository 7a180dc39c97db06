//! Last words: what a component said of an error before its call ended, so that a trap is told by more than its name.

use crate::log_lines::cut;

/// How much is kept, in bytes.
const BYTES_MAX: usize = 1024;

/// The last error line that a call logged, or the end of what it wrote to its standard error output, whichever came later.
///
/// They are kept whatever the log level is and however many lines were logged before: the reason of a rejection is a function
/// of the call.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    text: String,
    printed: bool,
}

impl LastWords {
    /// A call begins.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.printed = false;
    }

    /// A line was logged as an error. It stands for itself.
    pub(crate) fn logged(&mut self, line: &str) {
        self.clear();
        self.text.push_str(cut(line, BYTES_MAX));
    }

    /// A line was written to the standard error output. A panic's message has several, so they are kept together.
    pub(crate) fn printed(&mut self, line: &str) {
        if !self.printed || self.text.len() + line.len() > BYTES_MAX {
            self.clear();
        }
        self.printed = true;
        self.text.push_str(cut(line, BYTES_MAX));
        self.text.push('\n');
    }

    /// What was said; empty if it was nothing.
    pub(crate) fn text(&self) -> &str {
        self.text.trim_end()
    }
}
