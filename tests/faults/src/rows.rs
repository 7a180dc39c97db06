//! The rows of the matrix, in the order of the page.

mod backup;
mod clock_jumps;
mod disk_trouble;
mod hostile;
mod hosts;
mod kill_points;
mod kill_random;
mod model;
mod power_cut;
mod reload;
mod reset;
mod slow;
mod statuses;
mod topologies;

use crate::row::Row;

/// All rows.
pub(crate) const ROWS: &[&Row] = &[
    &kill_points::ROW,
    &kill_random::ROW,
    &power_cut::ROW,
    &hosts::ROW,
    &reset::ROW,
    &model::ROW,
    &statuses::ROW,
    &slow::ROW,
    &topologies::ROW,
    &disk_trouble::ROW,
    &clock_jumps::ROW,
    &reload::ROW,
    &backup::ROW,
    &hostile::rejected::ROW,
    &hostile::overtime::ROW,
    &hostile::neighbours::ROW,
    &hostile::files::ROW,
    &hostile::cache::ROW,
];
