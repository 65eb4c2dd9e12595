//! Fewer clients, keys and servers.

use super::search::Search;
use crate::scenario::{Fault, FaultKind, Scenario, ScriptedOperation, Target};

impl Search<'_> {
    /// Clients and keys that nobody uses go; then operations of one are given to another.
    pub(super) fn drop_clients_and_keys(&mut self) {
        self.attempt(|scenario| renumber(scenario, &mut |o| &mut o.client));
        self.attempt(|scenario| renumber(scenario, &mut |o| &mut o.key));
        for key in (1..self.best().workload.keys).rev() {
            self.attempt(|scenario| join(scenario, key, &mut |o| &mut o.key));
        }
        for client in (1..self.best().workload.clients).rev() {
            self.attempt(|scenario| join(scenario, client, &mut |o| &mut o.client));
        }
    }

    pub(super) fn drop_servers(&mut self) {
        while self.best().servers > 1 {
            let fewer = self.best().servers - 1;
            if !self.attempt(|scenario| keep_servers(scenario, fewer)) {
                return;
            }
        }
    }
}

type Part<'a> = &'a mut dyn FnMut(&mut ScriptedOperation) -> &mut u64;

/// Numbers without gaps, in the same order, and no more of them than are used.
fn renumber(scenario: &mut Scenario, part: Part<'_>) {
    let Some(script) = &mut scenario.workload.script else {
        return;
    };
    let mut used: Vec<u64> = script.iter_mut().map(|o| *part(o)).collect();
    used.sort_unstable();
    used.dedup();
    for operation in script.iter_mut() {
        let number = part(operation);
        *number = used.partition_point(|one| *one < *number) as u64;
    }
    count_again(scenario);
}

/// What belonged to one number belongs to the one before it.
fn join(scenario: &mut Scenario, number: u64, part: Part<'_>) {
    for operation in scenario.workload.script.iter_mut().flatten() {
        let own = part(operation);
        if *own >= number {
            *own -= 1;
        }
    }
    count_again(scenario);
}

/// As many clients and keys as the script names; a bank has two accounts at least.
fn count_again(scenario: &mut Scenario) {
    let script = scenario.workload.script.as_deref().unwrap_or_default();
    let least = match scenario.workload.kind {
        crate::scenario::WorkloadKind::Bank => 2,
        _ => 1,
    };
    let clients = script.iter().map(|o| o.client + 1).max().unwrap_or(1);
    let keys = script.iter().map(|o| o.key + 1).max().unwrap_or(1);
    scenario.workload.clients = clients;
    scenario.workload.keys = keys.max(least);
}

/// The first servers stay.
pub(super) fn keep_servers(scenario: &mut Scenario, fewer: u64) {
    scenario.servers = fewer;
    scenario.settings.clock_ppm.truncate(fewer as usize);
    scenario.settings.first_voters = scenario.settings.first_voters.min(fewer);
    scenario
        .faults
        .retain_mut(|fault| keep_within(fault, fewer));
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
        FaultKind::Transfer { to } => *to <= servers,
        FaultKind::Membership { voters, learners } => {
            voters.retain(|id| *id <= servers);
            learners.retain(|id| *id <= servers);
            !voters.is_empty()
        }
        what => match what.target() {
            Some(Target::Server(id)) => id <= servers,
            Some(Target::Leader | Target::Subject) | None => true,
        },
    }
}
