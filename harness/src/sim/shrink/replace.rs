//! One fault in the place of several: a long one for short ones of its kind, or a cut of the leader for two cuts.

use super::search::Search;
use crate::scenario::{Fault, FaultKind, Scenario, Target};

impl Search<'_> {
    /// Two faults become one, wherever that still fails.
    pub(super) fn merge_faults(&mut self) {
        // More pairs than this are a matter for dropping.
        const MOST: usize = 12;
        while self.best().faults.len() > 1 && self.best().faults.len() <= MOST && !self.is_over() {
            let candidates = merged(self.best());
            let tries = self.tries().min(4);
            if self.first_of(&candidates, tries).is_none() {
                return;
            }
        }
    }
}

/// Every pair of faults as one that lasts from the first's beginning to the last's end.
fn merged(scenario: &Scenario) -> Vec<Scenario> {
    let faults = &scenario.faults;
    let mut all = Vec::new();
    for (i, one) in faults.iter().enumerate() {
        for (j, other) in faults.iter().enumerate().skip(i + 1) {
            for joined in joined(one, other) {
                let mut candidate = scenario.clone();
                candidate.faults[i] = joined;
                candidate.faults.remove(j);
                all.push(candidate);
            }
        }
    }
    all
}

/// What may stand for both.
fn joined(one: &Fault, other: &Fault) -> Vec<Fault> {
    let from_ms = one.at_ms.min(other.at_ms);
    let to_ms = one.over_by_ms().max(other.over_by_ms());
    let lasting = |what: FaultKind| Fault::at(from_ms, to_ms.saturating_sub(from_ms), what);
    let mut all = Vec::new();
    if lasts(&one.what) {
        all.push(lasting(one.what.clone()));
    }
    if is_cut(&one.what) && is_cut(&other.what) {
        all.push(lasting(other.what.clone()));
        all.push(lasting(FaultKind::Isolate {
            target: Target::Leader,
        }));
    }
    all
}

fn is_cut(what: &FaultKind) -> bool {
    matches!(
        what,
        FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Links { .. }
            | FaultKind::Stall { .. }
            | FaultKind::Isolate { .. }
    )
}

fn lasts(what: &FaultKind) -> bool {
    is_cut(what)
        || matches!(
            what,
            FaultKind::Pause { .. }
                | FaultKind::Crash { .. }
                | FaultKind::SlowDisk { .. }
                | FaultKind::Slow { .. }
                | FaultKind::Noise { .. }
                | FaultKind::SnapshotStorm { .. }
        )
}
