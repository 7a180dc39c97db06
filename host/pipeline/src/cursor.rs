//! The cursor: a publisher's opaque name for a place in a partition.

use std::{fmt, sync::Arc};

/// The longest cursor that is accepted, in bytes. It travels in a URL, and 8 KiB is what servers accept there.
pub const CURSOR_BYTES_MAX: usize = 8 * 1024;

/// A place in a partition as its publisher names it. Opaque: equal or not equal, never ordered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(Arc<str>);

/// Why some text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// An empty cursor is accepted by one publisher and means the beginning to another.
    #[error("the cursor is empty")]
    Empty,
    /// More than [`CURSOR_BYTES_MAX`].
    #[error("the cursor is longer than {CURSOR_BYTES_MAX} bytes")]
    TooLong,
    /// The protocols allow printable ASCII only.
    #[error("the cursor has a character that is not printable ASCII")]
    NotPrintable,
    /// `_first` and `_last` are questions, not places: stored, they would read the feed again or skip it.
    #[error("`_first` and `_last` are not cursors")]
    Reserved,
}

impl Cursor {
    /// Checks and wraps a cursor.
    ///
    /// # Errors
    /// When it is empty, too long, not printable ASCII, or one of the reserved words.
    pub fn new(text: &str) -> Result<Self, CursorError> {
        match text {
            "" => Err(CursorError::Empty),
            "_first" | "_last" => Err(CursorError::Reserved),
            _ if text.len() > CURSOR_BYTES_MAX => Err(CursorError::TooLong),
            _ if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Err(CursorError::NotPrintable),
            _ => Ok(Self(text.into())),
        }
    }

    /// The cursor as the publisher wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where to read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// From the beginning of the feed.
    First,
    /// From somewhere around now.
    Last,
    /// From behind everything before this cursor.
    After(Cursor),
}

impl ReadFrom {
    /// The cursor, where there is one.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::After(cursor) => Some(cursor),
            Self::First | Self::Last => None,
        }
    }
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("the beginning"),
            Self::Last => f.write_str("now"),
            Self::After(cursor) => write!(f, "cursor `{cursor}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_read_the_feed_again_is_no_cursor() {
        for (text, error) in [
            ("", CursorError::Empty),
            ("_first", CursorError::Reserved),
            ("_last", CursorError::Reserved),
            ("a\nb", CursorError::NotPrintable),
            ("å", CursorError::NotPrintable),
        ] {
            assert_eq!(Cursor::new(text), Err(error), "{text:?}");
        }
        assert_eq!(Cursor::new(&"x".repeat(CURSOR_BYTES_MAX + 1)), Err(CursorError::TooLong));
        assert!(Cursor::new(&"x".repeat(CURSOR_BYTES_MAX)).is_ok());
    }
}
