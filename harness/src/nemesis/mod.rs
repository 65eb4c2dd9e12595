//! From a seed to a scenario: each seed draws the cluster, its settings, which kinds of faults exist
//! at all (swarm testing, Groce et al. 2012) and when they strike.

use crate::scenario::{
    Anchor, Contact, DiskLie, Fault, FaultKind, HAPPENINGS, Judges, Reads, SCENARIO_VERSION,
    Scenario, Settings, Skew, Target, Tier, Unsynced, Workload, WorkloadKind,
};
use crate::sim::seams::disk::{DiskCall, Errno};
use crate::sim::seams::random::Stream;

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

/// Which kinds exist, and how often each strikes.
struct Swarm {
    kinds: Vec<Kind>,
    pause_ms: u64,
    /// How many faults wait for an event.
    aimed: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    Partition,
    OneWay,
    Stall,
    Isolate,
    Crash,
    PowerLoss,
    Noise,
    Transfer,
    Membership,
    Links,
    Pause,
    Jump,
    Disk,
    Rot,
    Lie,
    Reset,
    Slow,
}

const KINDS: [Kind; 17] = [
    Kind::Partition,
    Kind::OneWay,
    Kind::Stall,
    Kind::Isolate,
    Kind::Crash,
    Kind::PowerLoss,
    Kind::Noise,
    Kind::Transfer,
    Kind::Membership,
    Kind::Links,
    Kind::Pause,
    Kind::Jump,
    Kind::Disk,
    Kind::Rot,
    Kind::Lie,
    Kind::Reset,
    Kind::Slow,
];

fn faults(seed: u64, tier: Tier, servers: u64, settings: &Settings, faults_ms: u64) -> Vec<Fault> {
    let mut draw = Stream::derive(seed, "faults", 0);
    let calm = draw.chance(0.03);
    let chance = if calm { 0.0 } else { 0.5 };
    let allowed = |kind: &Kind| match kind {
        Kind::Disk | Kind::Rot | Kind::Lie => tier == Tier::Full,
        // A clock that jumps breaks the promise that leases and stickiness rest on.
        Kind::Jump => !settings.stickiness && !settings.leases,
        _ => true,
    };
    let swarm = Swarm {
        kinds: KINDS
            .into_iter()
            .filter(|kind| draw.chance(chance) && allowed(kind))
            .collect(),
        pause_ms: 100 + draw.below(1_500),
        aimed: [0.0, 0.5, 0.9][draw.index(3)],
    };
    let mut faults = Vec::new();
    // Time for a first leader, sometimes none.
    let mut at_ms = draw.below(1_500);
    while let Some(kind) = draw.choose(&swarm.kinds).copied() {
        at_ms += 1 + draw.below(swarm.pause_ms);
        if at_ms >= faults_ms {
            break;
        }
        if matches!(kind, Kind::Membership) && draw.chance(0.3) {
            let steps = replacement(&mut draw, servers, at_ms);
            if steps.iter().any(|step| step.over_by_ms() > faults_ms) {
                continue;
            }
            at_ms = steps[3].at_ms;
            faults.extend(steps);
            continue;
        }
        let left_ms = faults_ms.saturating_sub(at_ms);
        let when = aim(&mut draw, kind, swarm.aimed, left_ms);
        let what = fault(&mut draw, kind, servers, when.is_some());
        let for_ms = lasts(&mut draw, &what);
        let fault = Fault {
            when,
            ..Fault::at(at_ms, for_ms, what)
        };
        if fault.over_by_ms() > faults_ms {
            continue;
        }
        if when.is_none() && is_cut(&fault.what) && draw.chance(0.15) {
            // It flaps.
            for _ in 0..1 + draw.below(5) {
                let again = Fault {
                    for_ms: 10 + draw.below(250),
                    ..fault.clone()
                };
                at_ms = again.over_by_ms() + 10 + draw.below(250);
                let next = Fault { at_ms, ..again };
                if next.over_by_ms() > faults_ms {
                    break;
                }
                faults.push(next);
            }
            continue;
        }
        faults.push(fault);
    }
    faults
}

/// Some faults don't come at a time, but upon an event.
fn aim(draw: &mut Stream, kind: Kind, chance: f64, left_ms: u64) -> Option<Anchor> {
    let by_operator = matches!(kind, Kind::Transfer | Kind::Membership);
    let waits = !by_operator && draw.chance(chance);
    waits.then(|| Anchor {
        event: HAPPENINGS[draw.index(HAPPENINGS.len())],
        skip: [0, 0, 1, 7][draw.index(4)],
        // What is rare is worth waiting for.
        within_ms: 1 + [left_ms / 10, left_ms * 4 / 5][draw.index(2)],
    })
}

fn lasts(draw: &mut Stream, what: &FaultKind) -> u64 {
    match what {
        FaultKind::Crash { .. } | FaultKind::PowerLoss { .. } | FaultKind::Replace => {
            // Some are back before anybody misses them.
            let longest = [20, 100, 800][draw.index(3)];
            1 + draw.below(longest)
        }
        FaultKind::Pause { .. } => {
            let longest = [50, 300, 2_000][draw.index(3)];
            1 + draw.below(longest)
        }
        FaultKind::Transfer { .. }
        | FaultKind::Membership { .. }
        | FaultKind::Jump { .. }
        | FaultKind::Reset { .. } => 0,
        _ => 50 + draw.below(2_500),
    }
}

/// Whether links are cut, and nothing else happens.
fn is_cut(what: &FaultKind) -> bool {
    matches!(
        what,
        FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Isolate { .. }
            | FaultKind::Links { .. }
    )
}

/// Links that are cut so that no two sides are: a single cable, a bridge between halves, a ring, or any.
fn links(draw: &mut Stream, servers: u64) -> Vec<(u64, u64)> {
    let mut ids: Vec<u64> = (1..=servers).collect();
    draw.shuffle(&mut ids);
    let pairs = || {
        ids.iter()
            .enumerate()
            .flat_map(|(i, a)| ids.iter().enumerate().map(move |(j, b)| (i, j, *a, *b)))
    };
    let cut = |test: &mut dyn FnMut(usize, usize) -> bool| {
        pairs()
            .filter(|(i, j, ..)| i != j && test(*i, *j))
            .map(|(_, _, from, to)| (from, to))
            .collect()
    };
    let (count, middle) = (ids.len(), ids.len() / 2);
    match draw.below(5) {
        0 => vec![(ids[0], ids[1])],
        1 => vec![(ids[0], ids[1]), (ids[1], ids[0])],
        2 => cut(&mut |i, j| i != middle && j != middle && (i < middle) != (j < middle)),
        // Of three servers, a ring has all links: one cable is cut.
        3 if count > 3 => cut(&mut |i, j| (i + 1) % count != j && (j + 1) % count != i),
        3 => vec![(ids[0], ids[1]), (ids[1], ids[0])],
        _ => cut(&mut |_, _| draw.chance(0.3)),
    }
}

/// An operator's way to replace a machine under its name: out, emptied, and in again as a learner; some of
/// what was sent meanwhile arrives much later.
fn replacement(draw: &mut Stream, servers: u64, at_ms: u64) -> [Fault; 4] {
    let replaced = 1 + draw.below(servers);
    let mut voters: Vec<u64> = (1..=servers).filter(|id| *id != replaced).collect();
    draw.shuffle(&mut voters);
    voters.truncate(1 + draw.index(servers as usize - 1));
    voters.sort_unstable();
    let members = |learners: Vec<u64>| FaultKind::Membership {
        voters: voters.clone(),
        learners,
    };
    let out_at_ms = at_ms + 50 + draw.below(400);
    let back_at_ms = out_at_ms + 50 + draw.below(400);
    let late = FaultKind::Noise {
        drop_permille: 0,
        duplicate_permille: draw.below(200) as u32,
        delay_permille: draw.below(200) as u32,
        delay_ms: 50 + draw.below(1_500),
    };
    let from_ms = at_ms.saturating_sub(draw.below(300));
    [
        Fault::at(from_ms, back_at_ms + 500 - from_ms, late),
        Fault::at(at_ms, 0, members(Vec::new())),
        Fault::at(out_at_ms, 10 + draw.below(100), FaultKind::Replace),
        Fault::at(back_at_ms, 0, members(vec![replaced])),
    ]
}

fn fault(draw: &mut Stream, kind: Kind, servers: u64, aimed: bool) -> FaultKind {
    let target = |draw: &mut Stream| {
        if aimed && draw.chance(0.7) {
            Target::Subject
        } else if draw.chance(0.5) {
            Target::Leader
        } else {
            Target::Server(1 + draw.below(servers))
        }
    };
    let unsynced = |draw: &mut Stream| match draw.below(10) {
        0..4 => Unsynced::Lost,
        4..9 => Unsynced::Torn,
        _ => Unsynced::Kept,
    };
    let side = |draw: &mut Stream| {
        let mut ids: Vec<u64> = (1..=servers).collect();
        draw.shuffle(&mut ids);
        ids.truncate(1 + draw.index(servers as usize - 1));
        ids.sort_unstable();
        ids
    };
    match kind {
        Kind::Partition => FaultKind::Partition { side: side(draw) },
        Kind::OneWay => FaultKind::OneWay { from: side(draw) },
        Kind::Stall => FaultKind::Stall { from: side(draw) },
        Kind::Isolate => FaultKind::Isolate {
            target: target(draw),
        },
        Kind::Crash => FaultKind::Crash {
            target: target(draw),
            unsynced: unsynced(draw),
        },
        Kind::Links => FaultKind::Links {
            cut: links(draw, servers),
        },
        Kind::Pause => FaultKind::Pause {
            target: target(draw),
        },
        Kind::Jump => FaultKind::Jump {
            target: target(draw),
            by_ms: 1 + draw.below(1_000),
        },
        Kind::Lie => FaultKind::Lie {
            target: target(draw),
            about: match draw.below(3) {
                0 => DiskLie::Syncs,
                1 => DiskLie::LostWrite,
                _ => DiskLie::MisdirectedWrite {
                    by: [1, 8, 64, 512, 4096][draw.index(5)],
                },
            },
            skip: [0, 0, 1, 7][draw.index(4)],
        },
        Kind::Reset => FaultKind::Reset {
            target: target(draw),
        },
        Kind::Slow => FaultKind::Slow {
            from: side(draw),
            bytes_per_s: [1_000, 20_000, 500_000][draw.index(3)],
        },
        Kind::Rot => FaultKind::Rot {
            target: target(draw),
        },
        Kind::Disk => {
            let (call, error) = [
                (DiskCall::Sync, Errno::Eio),
                (DiskCall::Sync, Errno::Eio),
                (DiskCall::Write, Errno::Eio),
                (DiskCall::Write, Errno::Enospc),
                (DiskCall::SyncDir, Errno::Eio),
                (DiskCall::Rename, Errno::Eio),
                (DiskCall::Remove, Errno::Eio),
                (DiskCall::Open, Errno::Eio),
                (DiskCall::Read, Errno::Eio),
            ][draw.index(9)];
            FaultKind::Disk {
                target: target(draw),
                call,
                error,
                skip: [0, 0, 1, 7][draw.index(4)],
                unsynced: unsynced(draw),
            }
        }
        Kind::PowerLoss => FaultKind::PowerLoss {
            unsynced: unsynced(draw),
        },
        Kind::Transfer => FaultKind::Transfer {
            to: 1 + draw.below(servers),
        },
        Kind::Membership => {
            let mut voters: Vec<u64> = (1..=servers).collect();
            draw.shuffle(&mut voters);
            voters.truncate(1 + draw.index(servers as usize));
            voters.sort_unstable();
            let others = (1..=servers).filter(|id| !voters.contains(id));
            let learners = others.filter(|_| draw.chance(0.3)).collect();
            FaultKind::Membership { voters, learners }
        }
        Kind::Noise => {
            let latest = [30, 300, 2_000][draw.index(3)];
            FaultKind::Noise {
                drop_permille: draw.below(300) as u32,
                duplicate_permille: draw.below(300) as u32,
                delay_permille: draw.below(300) as u32,
                delay_ms: 1 + draw.below(latest),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_draws_a_scenario_that_can_be_run_and_survives_its_file() {
        for seed in 0..2_000 {
            let scenario = generate(seed, Length::SHORT, Tier::Full);
            assert_eq!(scenario.check(), Ok(()), "seed {seed}");
            assert_eq!(
                serde_json::from_str::<Scenario>(&scenario.to_json()).unwrap(),
                scenario
            );
        }
    }

    #[test]
    fn the_swarm_draws_every_kind_and_sometimes_none() {
        let all: Vec<Scenario> = (0..200)
            .map(|seed| generate(seed, Length::SHORT, Tier::Full))
            .collect();
        let any = |test: fn(&FaultKind) -> bool| {
            all.iter()
                .flat_map(|s| &s.faults)
                .any(|fault| test(&fault.what))
        };
        assert!(any(|f| matches!(f, FaultKind::OneWay { .. })));
        assert!(any(|f| matches!(f, FaultKind::Stall { .. })));
        assert!(any(|f| matches!(f, FaultKind::Replace)));
        assert!(any(|f| matches!(
            f,
            FaultKind::PowerLoss {
                unsynced: Unsynced::Torn
            }
        )));
        assert!(any(|f| matches!(
            f,
            FaultKind::Crash {
                target: Target::Leader,
                ..
            }
        )));
        assert!(any(|f| matches!(f, FaultKind::Noise { .. })));
        assert!(any(|f| matches!(f, FaultKind::Links { .. })));
        assert!(any(|f| matches!(f, FaultKind::Pause { .. })));
        assert!(any(|f| matches!(f, FaultKind::Jump { .. })));
        assert!(any(|f| matches!(f, FaultKind::Disk { .. })));
        assert!(any(|f| matches!(f, FaultKind::Rot { .. })));
        assert!(any(|f| matches!(f, FaultKind::Lie { .. })));
        assert!(any(|f| matches!(f, FaultKind::Reset { .. })));
        assert!(any(|f| matches!(f, FaultKind::Slow { .. })));
        for event in HAPPENINGS {
            let faults = &mut all.iter().flat_map(|s| &s.faults);
            assert!(
                faults.any(|fault| fault.when.is_some_and(|anchor| anchor.event == event)),
                "{event:?}"
            );
        }
        assert!(all.iter().any(|s| s.faults.is_empty()));
    }
}
