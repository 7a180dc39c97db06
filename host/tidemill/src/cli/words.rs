//! Words of the command line: names, partitions and places in a feed.

use tidemill_pipeline::{Cursor, FeedName, PartitionId, ProcessorName, ReadFrom};

use crate::config;

pub(super) fn feed(word: &str) -> Result<FeedName, &'static str> {
    config::feed_name(word)
}

pub(super) fn processor(word: &str) -> Result<ProcessorName, &'static str> {
    config::processor_name(word)
}

pub(super) fn partition(word: &str) -> Result<PartitionId, &'static str> {
    let short = !word.is_empty() && word.len() <= 200;
    if short && word.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(PartitionId::new(word))
    } else {
        Err("a partition is named by up to 200 printable characters, as `tidemill status` shows it")
    }
}

/// `first`, `last`, or a cursor.
pub(super) fn place(word: &str) -> Result<ReadFrom, String> {
    match word {
        "first" | "_first" => Ok(ReadFrom::First),
        "last" | "_last" => Ok(ReadFrom::Last),
        cursor => Cursor::new(cursor).map(ReadFrom::After).map_err(|error| error.to_string()),
    }
}

/// `first`, or a cursor.
pub(super) fn fixed_place(word: &str) -> Result<ReadFrom, String> {
    match place(word)? {
        ReadFrom::Last => Err("`last` is not a place that can be gone back to: give a cursor or `first`".to_owned()),
        fixed @ (ReadFrom::First | ReadFrom::After(_)) => Ok(fixed),
    }
}

/// The beginning of a digest.
pub(super) fn digest(word: &str) -> Result<String, &'static str> {
    let hexadecimal = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hexadecimal && (8..=64).contains(&word.len()) {
        Ok(word.to_owned())
    } else {
        Err("a digest is 64 hexadecimal digits; at least the first 8 of them are needed")
    }
}

/// A JSON pointer (RFC 6901).
pub(super) fn pointer(word: &str) -> Result<String, &'static str> {
    if word.is_empty() || word.starts_with('/') {
        Ok(word.to_owned())
    } else {
        Err("a JSON pointer begins with a slash, as in `/type` or `/data/kind`")
    }
}
