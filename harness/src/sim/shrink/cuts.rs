//! What can be cut: the end of a run, its faults, its operations, and the waits between them.

use super::search::Search;
use crate::scenario::{Fault, Scenario};

/// Shorter waits than this disturb no reader.
const GAP_MS: u64 = 100;
/// Of so few items, each is dropped with more than one draw of luck.
const FEW: usize = 32;

impl Search<'_> {
    /// The operations as data, which gives the same run; those that never began are left out.
    pub(super) fn write_down_the_script(&mut self) {
        let mut candidate = self.best().clone();
        candidate.workload.script = Some(self.best_run().script.clone());
        self.first_of(&[candidate], 1);
    }

    /// What comes after the violation has no part in it.
    pub(super) fn cut_the_end(&mut self) {
        self.write_down_the_script();
        let mut candidate = self.best().clone();
        if self.signature.is_of_the_whole() {
            heal_early(&mut candidate);
        } else if let Some(violation) = &self.best_run().violation {
            let history = self.best_run().history.events();
            let seen_at_ns = if self.signature.is("Linearizability") {
                history.last().map_or(0, |event| event.time_ns)
            } else {
                violation.at_ns
            };
            end_at(&mut candidate, seen_at_ns / 1_000_000 + 1);
        }
        self.first_of(&[candidate], 1);
    }

    pub(super) fn drop_faults(&mut self) {
        let faults = self.best().faults.clone();
        self.minimize(faults, |scenario, faults| scenario.faults = faults);
    }

    pub(super) fn drop_operations(&mut self) {
        let Some(script) = self.best().workload.script.clone() else {
            return;
        };
        self.minimize(script, |scenario, script| {
            scenario.workload.script = Some(script);
        });
    }

    /// Delta debugging: drops ever smaller parts of a list until no single item can go.
    fn minimize<T: Clone>(&mut self, mut items: Vec<T>, put: fn(&mut Scenario, Vec<T>)) {
        let without = |search: &Search<'_>, items: &[T], at: usize, size: usize| {
            let mut rest = items[..at].to_vec();
            rest.extend_from_slice(&items[(at + size).min(items.len())..]);
            let mut candidate = search.best().clone();
            put(&mut candidate, rest);
            candidate
        };
        let mut size = items.len();
        while size > 0 {
            let (mut at, mut dropped) = (0, false);
            while at < items.len() && !self.is_over() {
                let places: Vec<usize> = (at..items.len()).step_by(size).collect();
                let candidates: Vec<Scenario> = places
                    .iter()
                    .map(|place| without(self, &items, *place, size))
                    .collect();
                // Where much goes at once, or little is left, luck is worth its runs.
                let few = items.len().div_ceil(size) <= FEW;
                let tries = if few { self.tries() } else { 1 };
                let Some(found) = self.first_of(&candidates, tries) else {
                    break;
                };
                at = places[found];
                items.drain(at..(at + size).min(items.len()));
                dropped = true;
            }
            if self.is_over() {
                return;
            }
            size = match size {
                1 if dropped && !items.is_empty() => 1,
                1 => 0,
                _ => size.min(items.len()).div_ceil(2),
            };
        }
    }

    /// Waits in which nothing begins are shortened, the longest first: halved as often as that holds.
    pub(super) fn bring_forward(&mut self) {
        let mut floor = u64::MAX;
        while let Some((from_ms, gap_ms)) = longest_gap(self.best(), floor) {
            let cuts = std::iter::successors(Some(gap_ms / 2), |by_ms| Some(by_ms / 2));
            let candidates: Vec<Scenario> = cuts
                .take_while(|by_ms| *by_ms > GAP_MS / 2)
                .map(|by_ms| {
                    let mut candidate = self.best().clone();
                    earlier(&mut candidate, from_ms, by_ms);
                    candidate
                })
                .collect();
            let tries = self.tries().min(4);
            // A gap that must stay is passed over; others may still give.
            if candidates.is_empty() || self.first_of(&candidates, tries).is_none() {
                floor = gap_ms;
            }
            if self.is_over() {
                return;
            }
        }
    }
}

/// Healing may come as soon as the last fault is over.
fn heal_early(scenario: &mut Scenario) {
    let faults_end = scenario.faults.iter().map(Fault::over_by_ms).max();
    let by_ms = scenario.heal_at_ms.saturating_sub(faults_end.unwrap_or(0));
    scenario.heal_at_ms -= by_ms;
    scenario.clients_until_ms -= by_ms;
    scenario.end_at_ms -= by_ms;
}

/// Nothing happens from a moment on.
pub(super) fn end_at(scenario: &mut Scenario, end_ms: u64) {
    let end = end_ms.min(scenario.end_at_ms);
    scenario.end_at_ms = end;
    scenario.clients_until_ms = end;
    scenario.heal_at_ms = end;
    scenario.live_within_ms = 0;
    scenario.faults.retain(|fault| fault.at_ms < end);
    for fault in &mut scenario.faults {
        fault.for_ms = fault.for_ms.min(end - fault.at_ms);
    }
    if let Some(script) = &mut scenario.workload.script {
        script.retain(|operation| operation.at_us < end * 1_000);
    }
}

/// The longest wait between beginnings that is shorter than `floor`: when it starts, how long it is.
fn longest_gap(scenario: &Scenario, floor: u64) -> Option<(u64, u64)> {
    let faults = scenario.faults.iter().map(|fault| fault.at_ms);
    let script = scenario.workload.script.iter().flatten();
    let mut moments: Vec<u64> = faults.chain(script.map(|o| o.at_us / 1_000)).collect();
    moments.push(scenario.end_at_ms);
    moments.push(0);
    moments.sort_unstable();
    moments
        .windows(2)
        .map(|pair| (pair[0], pair[1] - pair[0]))
        .filter(|(_, gap)| *gap > GAP_MS && *gap < floor)
        .max_by_key(|(_, gap)| *gap)
}

/// Moves everything behind a moment forward in time.
fn earlier(scenario: &mut Scenario, from_ms: u64, by_ms: u64) {
    let moved = |at: u64, from: u64, by: u64| {
        if at > from {
            at.saturating_sub(by).max(from)
        } else {
            at
        }
    };
    for fault in &mut scenario.faults {
        fault.at_ms = moved(fault.at_ms, from_ms, by_ms);
    }
    for operation in scenario.workload.script.iter_mut().flatten() {
        operation.at_us = moved(operation.at_us, from_ms * 1_000, by_ms * 1_000);
    }
    for end in [
        &mut scenario.heal_at_ms,
        &mut scenario.clients_until_ms,
        &mut scenario.end_at_ms,
    ] {
        *end = moved(*end, from_ms, by_ms);
    }
}
