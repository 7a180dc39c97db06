//! Names of feeds and processors: what they may look like.

use tidemill_pipeline::{FeedName, ProcessorName};

const NAME_BYTES_MAX: usize = 63;

/// What is wrong with a name, if anything is.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = name.bytes().next().is_some_and(plain);
    let rest = name.bytes().all(|byte| plain(byte) || byte == b'_' || byte == b'-');
    let good = first && rest && name.len() <= NAME_BYTES_MAX;
    (!good).then_some("a name has 1 to 63 characters of `a-z`, `0-9`, `_` and `-`, and begins with a letter or a digit")
}

/// A feed's name, from the file or the command line.
///
/// # Errors
/// What a name must look like.
pub fn feed_name(name: &str) -> Result<FeedName, &'static str> {
    name_problem(name).map_or_else(|| Ok(FeedName::new(name)), Err)
}

/// A processor's name, from the file or the command line.
///
/// # Errors
/// What a name must look like.
pub fn processor_name(name: &str) -> Result<ProcessorName, &'static str> {
    name_problem(name).map_or_else(|| Ok(ProcessorName::new(name)), Err)
}
