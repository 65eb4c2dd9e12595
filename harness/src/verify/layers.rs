//! The layers of `plumb verify`, each an ordinary command's work with its figures gathered.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{Layer, Order, simulation, specification};
use crate::cli::CliError;

/// A layer's work; one command may fill several rows of the table.
pub(super) type Work = fn(&Order, &AtomicBool) -> Result<Vec<Layer>, CliError>;

/// All layers, in the order in which a failure is cheapest to understand.
pub(super) const ALL: [Work; 6] = [
    specification::specification,
    specification::ablations,
    super::core::exhaustive,
    super::storage::torture,
    simulation::bare_simulation,
    simulation::simulation,
];

/// So many of a layer's slowest things are named.
const SLOWEST: usize = 5;

/// The rule that a scope breaks in which what it is for never happens.
pub(super) const VACUOUS: &str = "A scope reaches what it is for";

/// The slowest of what was done, by name, in seconds.
pub(super) fn slowest(times: impl Iterator<Item = (String, Duration)>) -> Vec<(String, f64)> {
    let mut times: Vec<(String, f64)> = times
        .map(|(name, time)| (name, time.as_secs_f64()))
        .collect();
    times.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    times.truncate(SLOWEST);
    times
}
