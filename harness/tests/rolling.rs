//! A rolling replacement of all five members, one after the other, under load and faults: nothing is lost,
//! and in the end five others are the cluster.

use std::collections::BTreeSet;

use plumb_harness::nemesis::{Length, generate};
use plumb_harness::scenario::{Fault, FaultKind, Scenario, Target, Tier, Unsynced};
use plumb_harness::sim::{RunOptions, run};

/// Between one replacement and the next (simulated).
const STEP_MS: u64 = 4_000;

/// n1 to n5 give way to n6 to n10; between two steps a crash of the leader, a lossy network, or a cut.
fn rolling(tier: Tier, seed: u64) -> Scenario {
    let mut scenario = generate(seed, Length::LONG, tier);
    scenario.servers = 10;
    let settings = &mut scenario.settings;
    settings.first_voters = 5;
    // Nothing that a seed draws may make a new member too slow to catch up between two steps.
    (settings.latency_ms, settings.sync_us) = ((1, 5), (100, 3_000));
    (
        settings.max_entries_per_append,
        settings.max_in_flight_entries,
    ) = (64, 4096);
    (settings.snapshot_every, settings.snapshot_chunk_bytes) = (50, 1_000);
    settings.clock_ppm = vec![0, 500, -500, 0, 300, -300, 0, 200, -200, 0];
    (
        settings.pre_vote,
        settings.check_quorum,
        settings.stickiness,
    ) = (true, true, true);
    scenario.faults.clear();
    for step in 1..=5 {
        let at_ms = step * STEP_MS;
        let voters = (step + 1..=step + 5).collect();
        let learners = Vec::new();
        let change = FaultKind::Membership { voters, learners };
        scenario.faults.push(Fault::at(at_ms, 0, change));
        let between = match step % 3 {
            0 => FaultKind::Isolate {
                target: Target::Server(step + 2),
            },
            1 => FaultKind::Crash {
                target: Target::Leader,
                unsynced: Unsynced::Torn,
            },
            _ => FaultKind::Noise {
                drop_permille: 100,
                duplicate_permille: 100,
                delay_permille: 100,
                delay_ms: 100,
            },
        };
        scenario.faults.push(Fault::at(at_ms + 2_000, 700, between));
    }
    scenario.heal_at_ms = 25_000;
    scenario.clients_until_ms = 30_000;
    scenario.end_at_ms = 31_000;
    assert_eq!(scenario.check(), Ok(()));
    scenario
}

#[test]
fn all_five_members_are_replaced_under_load_and_nothing_is_lost() {
    for (tier, seeds) in [(Tier::Full, 3), (Tier::Bare, 30)] {
        for seed in 0..seeds {
            let seen = run(&rolling(tier, seed), RunOptions::default());
            let place = format!("{tier:?}, seed {seed}");
            assert_eq!(seen.violation, None, "{place}");
            assert_eq!(seen.undecided, None, "{place}");
            let members: BTreeSet<u64> = (6..=10).collect();
            assert_eq!(seen.members, members, "{place}");
            assert!(seen.operations[0] > 100, "{place}: {:?}", seen.operations);
            assert!(seen.coverage.joint_phases >= 5, "{place}");
        }
    }
}
