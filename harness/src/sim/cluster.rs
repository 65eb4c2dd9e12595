//! What a scenario says of its servers and its operator, for whichever world they live in.

use std::collections::BTreeSet;
use std::time::Duration;

use plumb_raft::core::{CoreConfig, ReadMode, lease_duration};
use plumb_raft::types::NodeId;

use crate::scenario::{FaultKind, Reads, Scenario};
use crate::workload::Task;

/// A server's core settings.
pub(super) fn core_config(scenario: &Scenario, id: NodeId) -> CoreConfig {
    let settings = &scenario.settings;
    let voters = if id.0 <= settings.first_voters {
        (1..=settings.first_voters).map(NodeId).collect()
    } else {
        BTreeSet::new()
    };
    let mut core = CoreConfig::new(id, voters);
    core.max_entries_per_append = settings.max_entries_per_append;
    core.max_in_flight_entries = settings.max_in_flight_entries;
    core.max_in_flight_bytes = settings.max_in_flight_bytes;
    core.max_uncommitted_bytes = settings.max_uncommitted_bytes;
    core.retained_entries = settings.retained_entries;
    core.snapshot_chunk_bytes = settings.snapshot_chunk_bytes;
    core.pre_vote = settings.pre_vote;
    core.check_quorum = settings.check_quorum;
    core.stickiness = settings.stickiness;
    if settings.leases {
        let least = Duration::from_millis(settings.election_ms.0);
        core.lease = lease_duration(least, max_drift_ppm(scenario));
    }
    core
}

/// How far a clock of this scenario runs from the truth at most.
fn max_drift_ppm(scenario: &Scenario) -> u32 {
    let drifts = scenario
        .settings
        .clock_ppm
        .iter()
        .map(|ppm| ppm.unsigned_abs());
    drifts.max().unwrap_or(0)
}

/// How this scenario's clients read.
pub(super) fn read_mode(scenario: &Scenario) -> ReadMode {
    match scenario.workload.reads {
        Reads::Leader => ReadMode::Leader,
        Reads::Lease => ReadMode::Lease,
        Reads::Anywhere => ReadMode::Anywhere,
    }
}

/// What the schedule asks an operator to do and when, in order.
pub(super) fn tasks(scenario: &Scenario) -> Vec<(Duration, Task)> {
    let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
    scenario
        .faults
        .iter()
        .filter_map(|fault| {
            let task = match &fault.what {
                FaultKind::Transfer { to } => Task::Transfer(NodeId(*to)),
                FaultKind::Membership { voters, learners } => {
                    Task::Membership(ids(voters), ids(learners))
                }
                _ => return None,
            };
            Some((Duration::from_millis(fault.at_ms), task))
        })
        .collect()
}
