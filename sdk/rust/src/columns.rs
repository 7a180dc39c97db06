//! The columns of a batch that crossed as a few large pieces, row by row.

use crate::contract::{BulkBatch, Column};

/// The text of an event in a column. Nothing is copied.
#[inline]
pub(crate) fn text(column: &Column, index: usize) -> &str {
    // A text begins behind the line feed of the one before it.
    let start = index.checked_sub(1).map_or(0, |before| column.ends[before] as usize + 1);
    &column.lines[start..column.ends[index] as usize]
}

/// The text of an event in a column that may be missing.
pub(crate) fn text_of(column: Option<&Column>, index: usize) -> Option<&str> {
    column.map(|column| text(column, index))
}

/// How many events there are.
pub(crate) fn len(batch: &BulkBatch) -> usize {
    batch.data.ends.len()
}
