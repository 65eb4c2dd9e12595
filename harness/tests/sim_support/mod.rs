//! Scenarios for tests that put their own faults in.

use plumb_harness::nemesis::{Length, generate};
use plumb_harness::scenario::{Fault, Scenario, Tier, WorkloadKind};

/// Three healthy servers with a register, and these faults.
pub fn healthy(tier: Tier, faults: Vec<Fault>) -> Scenario {
    let mut scenario = generate(1, Length::SHORT, tier);
    scenario.servers = 3;
    let workload = &mut scenario.workload;
    (workload.kind, workload.clients, workload.think_ms) = (WorkloadKind::Register, 3, 10);
    (workload.deaths_permille, workload.repeats_permille) = (0, 0);
    let settings = &mut scenario.settings;
    settings.first_voters = 3;
    settings.clock_ppm = vec![0; 3];
    (settings.latency_ms, settings.sync_us) = ((1, 2), (100, 500));
    (settings.pre_vote, settings.check_quorum) = (true, true);
    (settings.stickiness, settings.leases) = (false, false);
    scenario.faults = faults;
    scenario
}
