//! From a seed to a scenario: each seed draws the cluster, its settings, and nemeses, which say which faults strike and when.
//! Others may be put in their place ([`instead`]).

use crate::scenario::{
    Contact, Fault, FaultKind, Judges, Reads, SCENARIO_VERSION, Scenario, Settings, Skew, Tier,
    Workload, WorkloadKind,
};
use crate::sim::seams::random::Stream;

mod data;
mod expand;
mod kinds;
mod spec;
mod swarm;
#[cfg(test)]
mod tests;

pub use data::{Nemesis, beyond, instead};
use swarm::faults;

/// How long a generated run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// How long faults strike, simulated milliseconds.
    pub faults_ms: u64,
    /// How long the healed cluster is watched.
    pub healed_ms: u64,
}

impl Length {
    /// Ten seconds of faults, six of health.
    pub const SHORT: Length = Length {
        faults_ms: 10_000,
        healed_ms: 6_000,
    };
    /// A minute of faults.
    pub const LONG: Length = Length {
        faults_ms: 54_000,
        healed_ms: 6_000,
    };
}

/// After healing, a leader and a commit are due within this time: reconnecting takes a link at most
/// 1.1 s (silence noticed, reconnected), then a few elections of at most 0.3 s each.
pub const LIVE_WITHIN_MS: u64 = 4_000;

/// The scenario of a seed.
#[must_use]
pub fn generate(seed: u64, length: Length, tier: Tier) -> Scenario {
    let mut draw = Stream::derive(seed, "scenario", 0);
    let servers = if draw.chance(0.6) { 3 } else { 5 };
    let workload = workload(seed, &mut draw);
    let mut settings = settings(seed, &mut draw, servers);
    if workload.reads == Reads::Lease {
        // Who asks for reads by lease has leases, as a rule, and what they need.
        settings.leases |= draw.chance(0.7);
        settings.stickiness |= draw.chance(0.7);
    }
    let faults = faults(seed, tier, servers, &settings, length.faults_ms);
    let changes = |fault: &Fault| matches!(fault.what, FaultKind::Membership { .. });
    if faults.iter().any(changes) {
        // A server that was removed while it was away does not know it: without this, it would stand
        // for election for ever and depose every leader (dissertation §4.2.3).
        settings.pre_vote = true;
        settings.first_voters = 1 + draw.below(servers);
    }
    let heal_at_ms = length.faults_ms;
    let end_at_ms = heal_at_ms + length.healed_ms;
    Scenario {
        plumb_scenario: SCENARIO_VERSION,
        tier,
        judges: Judges::All,
        seed,
        servers,
        workload,
        settings,
        faults,
        heal_at_ms,
        live_within_ms: LIVE_WITHIN_MS.min(length.healed_ms),
        clients_until_ms: end_at_ms - length.healed_ms / 4,
        end_at_ms,
    }
}

/// What clients do. Half of the seeds are about single keys as strings, since these are checked most sharply.
fn workload(seed: u64, draw: &mut Stream) -> Workload {
    let kind = if draw.chance(0.7) {
        WorkloadKind::Register
    } else {
        WorkloadKind::Append
    };
    let (clients, keys) = (2 + draw.below(4), 1 + draw.below(5));
    let think_ms = 5 + draw.below(60);
    let reads = [Reads::Leader, Reads::Lease, Reads::Anywhere][draw.index(3)];
    // Of a stream of its own, so that what else a seed draws does not change with the kinds that there are.
    let mut draw = Stream::derive(seed, "scenario.workload", 0);
    let other = draw.chance(0.5).then(|| {
        use WorkloadKind::{Bank, Counter, Queue, Set, Txn};
        [Txn, Txn, Bank, Set, Counter, Queue][draw.index(6)]
    });
    let kind = other.unwrap_or(kind);
    // And of one more, for the same reason.
    let mut requests = Stream::derive(seed, "scenario.requests", 0);
    Workload {
        kind,
        clients,
        keys: if kind == WorkloadKind::Bank {
            keys + 1
        } else {
            keys
        },
        reads,
        think_ms,
        skew: [Skew::Uniform, Skew::Uniform, Skew::Zipf, Skew::Hot][draw.index(4)],
        contact: [
            Contact::Last,
            Contact::Last,
            Contact::Pinned,
            Contact::Roaming,
        ][draw.index(4)],
        deaths_permille: [0, 0, 10, 100][draw.index(4)],
        returns_permille: [0, 500, 1_000][requests.index(3)],
        repeats_permille: [0, 0, 20, 200][requests.index(4)],
        script: None,
    }
}

fn settings(seed: u64, draw: &mut Stream, servers: u64) -> Settings {
    let slowest_latency = [2, 5, 15][draw.index(3)];
    let slowest_sync = [500, 3_000, 20_000][draw.index(3)];
    // Of a stream of its own: what else a seed draws stays what it was before there were these bounds.
    let mut draw_bytes = Stream::derive(seed, "scenario.bytes", 0);
    let bytes = [0, 1].map(|_| [40, 2_000, 64 << 20][draw_bytes.index(3)]);
    let drift = [0, 500, 20_000, 100_000, 100_000][draw.index(5)];
    Settings {
        latency_ms: (1, slowest_latency),
        sync_us: (100, slowest_sync),
        // A narrow range lets the next election come as early as it may.
        election_ms: [(150, 300), (150, 300), (150, 200)][draw.index(3)],
        heartbeat_ms: 50,
        clock_ppm: clocks(draw, servers, drift),
        sector_bytes: [16, 64, 512, 4096][draw.index(4)],
        segment_bytes: [1 << 10, 8 << 10, 1 << 20][draw.index(3)],
        max_entries_per_append: [1, 4, 64][draw.index(3)],
        first_voters: servers,
        snapshot_every: [0, 10, 50, 300][draw.index(4)],
        retained_entries: [0, 5, 100][draw.index(3)],
        snapshot_chunk_bytes: [40, 500, 100_000][draw.index(3)],
        max_in_flight_entries: [1, 4, 4096][draw.index(3)],
        max_in_flight_bytes: bytes[0],
        max_uncommitted_bytes: bytes[1],
        pre_vote: draw.chance(0.7),
        check_quorum: draw.chance(0.7),
        stickiness: draw.chance(0.7),
        leases: draw.chance(0.5),
    }
}

/// How far from the truth each clock runs, in parts per million, at most `drift`: each somewhere between, or one
/// at one bound and all others at the other, where rules on time are tightest.
fn clocks(draw: &mut Stream, servers: u64, drift: u64) -> Vec<i32> {
    let bound = i32::try_from(drift).expect("small");
    let alone = draw.below(servers);
    let (one, others) = match draw.below(4) {
        0 => (-bound, bound),
        1 => (bound, -bound),
        _ => {
            let any = |_| i32::try_from(draw.below(2 * drift + 1)).expect("small") - bound;
            return (0..servers).map(any).collect();
        }
    };
    (0..servers)
        .map(|id| if id == alone { one } else { others })
        .collect()
}
