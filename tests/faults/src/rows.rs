//! The rows of the matrix, in the order of the page.

mod hostile;
mod kill_random;

use crate::row::Row;

/// All rows.
pub(crate) const ROWS: &[&Row] = &[&kill_random::ROW, &hostile::rejected::ROW, &hostile::overtime::ROW];
