//! The log: whole lines behind a position, and where it ends by now.

use std::{fmt, io, str::FromStr};

/// A place between two lines. Written as `OFFSET:LINE`, it is the feed's cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The offset of the next line: in bytes in a file.
    pub offset: u64,
    /// How many lines are before it.
    pub line: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.offset, self.line)
    }
}

impl FromStr for Position {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let position = text.split_once(':').and_then(|(offset, line)| {
            let position = Self { offset: number(offset)?, line: number(line)? };
            (position.line <= position.offset).then_some(position)
        });
        position.ok_or_else(|| LogError::Cursor(format!("`{}` is not a cursor of this feed", text.escape_debug())))
    }
}

/// Why a log cannot be read there.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The reader asked from a place that never was one.
    #[error("{0}")]
    Cursor(String),
    /// The reader asked from a place that is no longer there.
    #[error("{0}")]
    Gone(String),
    /// What stands there cannot be published.
    #[error("{0}")]
    Content(String),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Some lines that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Their bytes, line ends included.
    pub bytes: Vec<u8>,
    /// For each line where its bytes end, and the position behind it.
    pub ends: Vec<(usize, Position)>,
}

impl Lines {
    /// Each line without white space around it, with the position behind it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Position)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (end, behind))| (self.bytes.get(start..*end).unwrap_or_default().trim_ascii(), *behind))
    }
}

/// Events in an order that never changes: lines are only ever appended.
///
/// Every function may block.
pub trait Log: Send + Sync + 'static {
    /// What tells it from other logs.
    fn identity(&self) -> String;

    /// The whole lines behind a position, about `bytes_max` of them, but at least one if there is one. A last line
    /// without its end is not yet there.
    ///
    /// # Errors
    /// When the log is shorter than the position by now, has a line that is too long, or cannot be read.
    fn read(&self, from: Position, bytes_max: usize) -> Result<Lines, LogError>;

    /// Whether a reader may begin here.
    ///
    /// # Errors
    /// When no line begins there.
    fn check(&self, position: Position) -> Result<(), LogError>;

    /// The position behind the last whole line.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn end(&self) -> Result<Position, LogError>;
}
