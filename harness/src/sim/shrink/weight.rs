//! What shrinking makes smaller. A candidate is kept only if it weighs less, so that passes never undo each other and
//! come to an end.

use crate::scenario::{
    Contact, Fault, FaultKind, Scenario, ScriptedOperation, Settings, Target, Unsynced,
};

/// How much a scenario weighs for its reader; compared from the first figure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    /// What has to be told: a fault has a beginning and an end, an operation is one thing.
    story: u64,
    servers: u64,
    /// Clients and keys.
    clients: u64,
    /// Simulated milliseconds.
    time_ms: u64,
    /// What is out of the ordinary in settings, faults and operations.
    oddities: u64,
    /// How long faults last, and how late things happen, in milliseconds.
    lengths_ms: u64,
}

/// What a fault and an operation weigh.
pub(super) const FAULT: u64 = 2;

impl Weight {
    pub(super) fn of(scenario: &Scenario) -> Weight {
        let script = scenario.workload.script.as_deref();
        // What clients draw for themselves is more than any script.
        let operations = script.map_or(1 << 32, |script| script.len() as u64);
        let faults = &scenario.faults;
        Weight {
            story: FAULT * faults.len() as u64 + operations,
            servers: scenario.servers,
            clients: scenario.workload.clients + scenario.workload.keys,
            time_ms: scenario.end_at_ms,
            oddities: of_settings(scenario)
                + faults.iter().map(of_fault).sum::<u64>()
                + script
                    .unwrap_or_default()
                    .iter()
                    .map(of_operation)
                    .sum::<u64>(),
            lengths_ms: faults
                .iter()
                .map(|fault| fault.at_ms + fault.for_ms)
                .sum::<u64>()
                + script
                    .unwrap_or_default()
                    .iter()
                    .map(|o| o.at_us / 1_000)
                    .sum::<u64>(),
        }
    }

    /// The part of it that the story alone has.
    pub(super) fn story(&self) -> u64 {
        self.story
    }
}

fn count(odd: &[bool]) -> u64 {
    odd.iter().map(|odd| u64::from(*odd)).sum()
}

fn of_settings(scenario: &Scenario) -> u64 {
    let s: &Settings = &scenario.settings;
    count(&[
        s.clock_ppm.iter().any(|ppm| *ppm != 0),
        s.latency_ms.1 != s.latency_ms.0,
        s.sync_us.1 != s.sync_us.0,
        s.sector_bytes != 4096,
        s.segment_bytes != 1 << 20,
        s.max_entries_per_append != 64,
        s.max_in_flight_entries != 4096,
        s.max_in_flight_bytes < 64 << 20,
        s.max_uncommitted_bytes < 64 << 20,
        s.snapshot_every != 0,
        s.pre_vote,
        s.check_quorum,
        s.stickiness,
        s.retained_entries != 100,
        s.snapshot_chunk_bytes != 100_000,
        s.first_voters != scenario.servers,
        scenario.workload.contact != Contact::Last,
    ])
}

fn of_operation(operation: &ScriptedOperation) -> u64 {
    count(&[
        operation.dies_after_us.is_some(),
        operation.returns_after_us.is_some(),
        operation.repeats_after_us.is_some(),
    ])
}

fn of_fault(fault: &Fault) -> u64 {
    let kind = match &fault.what {
        FaultKind::Isolate { .. } => 0,
        FaultKind::SlowDisk { slower_ms, .. } => 1 + count(&[slower_ms.0 != slower_ms.1]),
        FaultKind::Noise {
            drop_permille,
            duplicate_permille,
            delay_permille,
            ..
        } => {
            3 + count(&[
                *drop_permille > 0,
                *duplicate_permille > 0,
                *delay_permille > 0,
            ])
        }
        FaultKind::Crash { unsynced, .. } => count(&[*unsynced != Unsynced::Lost]),
        FaultKind::PowerLoss { unsynced } => 1 + count(&[*unsynced != Unsynced::Lost]),
        FaultKind::Links { cut } => 1 + cut.len() as u64,
        _ => 1,
    };
    let whom = match &fault.what {
        FaultKind::Isolate { target }
        | FaultKind::Crash { target, .. }
        | FaultKind::Pause { target }
        | FaultKind::Reset { target }
        | FaultKind::SlowDisk { target, .. } => count(&[matches!(target, Target::Server(_))]),
        _ => 0,
    };
    let waits = fault.when.map_or(0, |anchor| 1 + anchor.skip);
    kind + whom + waits
}
