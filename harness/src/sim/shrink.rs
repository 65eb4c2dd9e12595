//! From a failing scenario to the smallest one found that fails in the same way: delta debugging
//! (Zeller and Hildebrandt 2002) over the schedule as data. It never looks at the system, only at the
//! judge's verdict; and what it returns has been run.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::run::{Run, RunOptions};
use super::system::System;
use crate::scenario::{
    Anchor, Contact, Fault, FaultKind, Scenario, ScriptedOperation, Target, Unsynced,
};

/// How large a scenario is, as its reader feels it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Servers.
    pub servers: u64,
    /// Clients.
    pub clients: u64,
    /// Client operations that were started.
    pub operations: usize,
    /// Faults.
    pub faults: usize,
    /// Simulated milliseconds to the end.
    pub end_at_ms: u64,
}

impl Size {
    fn of(scenario: &Scenario, run: &Run) -> Size {
        Size {
            servers: scenario.servers,
            clients: scenario.workload.clients,
            operations: run.script.len(),
            faults: scenario.faults.len(),
            end_at_ms: scenario.end_at_ms,
        }
    }
}

/// What shrinking came to.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest scenario found.
    pub scenario: Scenario,
    /// Its run.
    pub run: Run,
    /// How large the scenario was.
    pub before: Size,
    /// How large it is now.
    pub after: Size,
    /// How many runs it took.
    pub runs: u64,
    /// Whether nothing smaller was left to try; else the budget ran out.
    pub minimal: bool,
}

/// Shrinks a scenario whose run breaks a property, keeping the property. At most so many runs; `None`
/// if the scenario does not fail. `progress` sees every run.
pub fn shrink(
    system: System,
    scenario: &Scenario,
    runs: u64,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, Size),
) -> Option<Shrunk> {
    let first = (system.run)(scenario, RunOptions::default());
    let signature = first.violation.as_ref()?.property.clone();
    let before = Size::of(scenario, &first);
    let mut search = Search {
        system,
        signature,
        best: (scenario.clone(), first),
        left: runs,
        spent: 1,
        stop,
        progress,
    };
    search.write_down_the_script();
    let mut minimal = false;
    while !minimal && !search.is_over() {
        let at_start = search.best.0.clone();
        for pass in PASSES {
            pass(&mut search);
        }
        minimal = search.best.0 == at_start && !search.is_over();
    }
    let (scenario, run) = search.best;
    let after = Size::of(&scenario, &run);
    Some(Shrunk {
        scenario,
        run,
        before,
        after,
        runs: search.spent,
        minimal,
    })
}

type Pass = fn(&mut Search<'_>);

/// The passes, those that make runs shorter first.
const PASSES: [Pass; 8] = [
    |search| search.cut_the_end(),
    |search| search.drop_faults(),
    |search| search.drop_operations(),
    |search| search.drop_clients_and_keys(),
    |search| search.bring_forward(),
    |search| search.drop_servers(),
    |search| search.simplify_settings(),
    |search| search.simplify_faults(),
];

struct Search<'a> {
    system: System,
    signature: String,
    best: (Scenario, Run),
    left: u64,
    spent: u64,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(u64, Size),
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.left == 0 || self.stop.load(Ordering::Relaxed)
    }

    /// Keeps a candidate if it fails in the same way.
    fn accept(&mut self, candidate: Scenario) -> bool {
        if self.is_over() || candidate == self.best.0 || candidate.check().is_err() {
            return false;
        }
        self.left -= 1;
        self.spent += 1;
        let result = (self.system.run)(&candidate, RunOptions::default());
        let fails = result
            .violation
            .as_ref()
            .is_some_and(|v| v.property == self.signature);
        if fails {
            self.best = (candidate, result);
        }
        (self.progress)(self.spent, Size::of(&self.best.0, &self.best.1));
        fails
    }

    /// Tries a change of the best scenario.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.0.clone();
        change(&mut candidate);
        self.accept(candidate)
    }

    /// The operations as data, which gives the same run.
    fn write_down_the_script(&mut self) {
        let script = self.best.1.script.clone();
        self.attempt(|scenario| scenario.workload.script = Some(script));
    }

    /// What comes after the violation has no part in it.
    fn cut_the_end(&mut self) {
        let (scenario, run) = &self.best;
        let history = run.history.events().last().map_or(0, |event| event.time_ns);
        let Some(violation) = &run.violation else {
            return;
        };
        let of_the_whole =
            ["Liveness", "Availability", "Convergence"].contains(&self.signature.as_str());
        if of_the_whole {
            // Healing may come as soon as the last fault is over.
            let faults_end = scenario
                .faults
                .iter()
                .map(Fault::over_by_ms)
                .max()
                .unwrap_or(0);
            let earlier = scenario.heal_at_ms - faults_end.min(scenario.heal_at_ms);
            self.attempt(|scenario| {
                scenario.heal_at_ms -= earlier;
                scenario.clients_until_ms -= earlier;
                scenario.end_at_ms -= earlier;
            });
            return;
        }
        let seen_at_ns = if self.signature == "Linearizability" {
            history
        } else {
            violation.at_ns
        };
        let end = seen_at_ns / 1_000_000 + 1;
        self.attempt(|scenario| {
            if end >= scenario.end_at_ms {
                return;
            }
            scenario.end_at_ms = end;
            scenario.clients_until_ms = end;
            scenario.heal_at_ms = end;
            scenario.live_within_ms = 0;
            scenario.faults.retain(|fault| fault.at_ms < end);
            for fault in &mut scenario.faults {
                fault.for_ms = fault.for_ms.min(end - fault.at_ms);
            }
            let end_us = end * 1_000;
            scenario
                .workload
                .script
                .iter_mut()
                .for_each(|s| s.retain(|o| o.at_us < end_us));
        });
    }

    fn drop_faults(&mut self) {
        let faults = self.best.0.faults.clone();
        self.minimize(faults, |scenario, faults| scenario.faults = faults);
    }

    fn drop_operations(&mut self) {
        let Some(script) = self.best.0.workload.script.clone() else {
            return;
        };
        self.minimize(script, |scenario, script| {
            scenario.workload.script = Some(script);
        });
    }

    /// Delta debugging: drops ever smaller parts of a list until no single item can go.
    fn minimize<T: Clone>(&mut self, mut items: Vec<T>, put: fn(&mut Scenario, Vec<T>)) {
        if items.is_empty() || self.attempt(|scenario| put(scenario, Vec::new())) {
            return;
        }
        let mut size = items.len().div_ceil(2);
        loop {
            let mut at = 0;
            let mut dropped = false;
            while at < items.len() && !self.is_over() {
                let mut rest = items[..at].to_vec();
                rest.extend_from_slice(&items[(at + size).min(items.len())..]);
                let candidate = rest.clone();
                if self.attempt(|scenario| put(scenario, candidate)) {
                    items = rest;
                    dropped = true;
                } else {
                    at += size;
                }
            }
            if size == 1 && !dropped || self.is_over() {
                return;
            }
            size = if dropped && size == 1 {
                1
            } else {
                size.div_ceil(2).max(1)
            };
        }
    }

    /// Clients and keys that nobody uses any more; the others keep their order.
    fn drop_clients_and_keys(&mut self) {
        let Some(script) = self.best.0.workload.script.clone() else {
            return;
        };
        let renumber = |of: fn(&ScriptedOperation) -> u64| {
            let mut used: Vec<u64> = script.iter().map(of).collect();
            used.sort_unstable();
            used.dedup();
            used
        };
        let (clients, keys) = (renumber(|o| o.client), renumber(|o| o.key));
        let place = |used: &[u64], number: u64| used.partition_point(|one| *one < number) as u64;
        self.attempt(|scenario| {
            scenario.workload.clients = (clients.len() as u64).max(1);
            for operation in scenario.workload.script.iter_mut().flatten() {
                operation.client = place(&clients, operation.client);
            }
        });
        self.attempt(|scenario| {
            scenario.workload.keys = (keys.len() as u64).max(1);
            for operation in scenario.workload.script.iter_mut().flatten() {
                operation.key = place(&keys, operation.key);
            }
        });
    }

    /// Waits in which nothing begins are shortened, the longest first: halved as often as that holds.
    fn bring_forward(&mut self) {
        let mut floor = u64::MAX;
        while let Some((from_ms, gap_ms)) = longest_gap(&self.best.0, floor) {
            let mut by_ms = gap_ms / 2;
            let mut shorter = false;
            while by_ms > GAP_MS / 2 && !self.is_over() {
                if self.attempt(|scenario| earlier(scenario, from_ms, by_ms)) {
                    shorter = true;
                    break;
                }
                by_ms /= 2;
            }
            // A gap that must stay is passed over; others may still give.
            floor = if shorter { floor } else { gap_ms };
            if self.is_over() {
                return;
            }
        }
    }

    fn drop_servers(&mut self) {
        while self.best.0.servers > 1 {
            let fewer = self.best.0.servers - 1;
            let smaller = self.attempt(|scenario| {
                scenario.servers = fewer;
                scenario.settings.clock_ppm.truncate(fewer as usize);
                scenario.settings.first_voters = scenario.settings.first_voters.min(fewer);
                scenario
                    .faults
                    .retain_mut(|fault| keep_within(fault, fewer));
            });
            if !smaller {
                return;
            }
        }
    }

    fn simplify_settings(&mut self) {
        let changes: [fn(&mut Scenario); 16] = [
            |s| s.settings.clock_ppm.fill(0),
            |s| s.settings.latency_ms.1 = s.settings.latency_ms.0,
            |s| s.settings.sync_us.1 = s.settings.sync_us.0,
            |s| s.settings.sector_bytes = 4096,
            |s| s.settings.segment_bytes = 1 << 20,
            |s| s.settings.max_entries_per_append = 64,
            |s| s.settings.snapshot_every = 0,
            |s| s.settings.pre_vote = false,
            |s| s.settings.check_quorum = false,
            |s| s.settings.stickiness = false,
            |s| s.settings.retained_entries = 100,
            |s| s.settings.snapshot_chunk_bytes = 100_000,
            |s| s.settings.first_voters = s.servers,
            |s| s.workload.contact = Contact::Last,
            |s| {
                for operation in s.workload.script.iter_mut().flatten() {
                    operation.repeats_after_us = None;
                }
            },
            |s| {
                for operation in s.workload.script.iter_mut().flatten() {
                    (operation.dies_after_us, operation.returns_after_us) = (None, None);
                }
            },
        ];
        for change in changes {
            self.attempt(change);
        }
    }

    fn simplify_faults(&mut self) {
        for number in 0..self.best.0.faults.len() {
            while self.best.0.faults[number].for_ms > 1
                && self.attempt(|scenario| scenario.faults[number].for_ms /= 2)
            {}
            if let Some(anchor) = self.best.0.faults[number].when {
                let at_once = Anchor { skip: 0, ..anchor };
                self.attempt(|scenario| scenario.faults[number].when = Some(at_once));
            }
            let changes: [fn(&mut FaultKind); 6] = [
                |what| {
                    if let FaultKind::SlowDisk { slower_ms, .. } = what {
                        slower_ms.0 = slower_ms.1;
                    }
                },
                |what| {
                    if let FaultKind::Noise { drop_permille, .. } = what {
                        *drop_permille = 0;
                    }
                },
                |what| {
                    if let FaultKind::Noise {
                        duplicate_permille, ..
                    } = what
                    {
                        *duplicate_permille = 0;
                    }
                },
                |what| {
                    if let FaultKind::Noise {
                        delay_permille,
                        delay_ms,
                        ..
                    } = what
                    {
                        (*delay_permille, *delay_ms) = (0, 1);
                    }
                },
                |what| {
                    if let FaultKind::PowerLoss { unsynced } | FaultKind::Crash { unsynced, .. } =
                        what
                    {
                        *unsynced = Unsynced::Lost;
                    }
                },
                |what| {
                    if let FaultKind::PowerLoss { unsynced } = *what {
                        *what = FaultKind::Crash {
                            target: Target::Leader,
                            unsynced,
                        };
                    }
                },
            ];
            for change in changes {
                self.attempt(|scenario| change(&mut scenario.faults[number].what));
            }
        }
    }
}

/// Shorter waits than this disturb no reader.
const GAP_MS: u64 = 100;

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

/// Takes servers that are gone out of a fault; whether anything is left of it.
fn keep_within(fault: &mut Fault, servers: u64) -> bool {
    match &mut fault.what {
        FaultKind::Partition { side }
        | FaultKind::OneWay { from: side }
        | FaultKind::Stall { from: side }
        | FaultKind::Slow { from: side, .. } => {
            side.retain(|id| *id <= servers);
            !side.is_empty() && (side.len() as u64) < servers
        }
        FaultKind::SnapshotStorm { servers: on, .. } => {
            on.retain(|id| *id <= servers);
            !on.is_empty()
        }
        FaultKind::Links { cut } => {
            cut.retain(|(from, to)| *from <= servers && *to <= servers);
            !cut.is_empty()
        }
        FaultKind::Isolate { target }
        | FaultKind::Crash { target, .. }
        | FaultKind::Pause { target }
        | FaultKind::Jump { target, .. }
        | FaultKind::Rot { target }
        | FaultKind::Lie { target, .. }
        | FaultKind::Reset { target }
        | FaultKind::SlowDisk { target, .. }
        | FaultKind::Disk { target, .. } => match target {
            Target::Server(id) => *id <= servers,
            Target::Leader | Target::Subject => true,
        },
        FaultKind::Transfer { to } => *to <= servers,
        FaultKind::Membership { voters, learners } => {
            voters.retain(|id| *id <= servers);
            learners.retain(|id| *id <= servers);
            !voters.is_empty()
        }
        FaultKind::PowerLoss { .. } | FaultKind::Noise { .. } | FaultKind::Replace => true,
    }
}
