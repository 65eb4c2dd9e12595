//! What once was a false alarm is none.

mod sim_support;

use plumb_harness::scenario::{
    Action, Contact, Fault, FaultKind, Reads, Scenario, ScriptedOperation, Target, Tier, Unsynced,
};
use plumb_harness::sim::seams::disk::{DiskCall, Errno};
use plumb_harness::sim::{Run, RunOptions, run};
use sim_support::healthy;

/// One register, whose readers ask the leader.
fn scenario(tier: Tier, faults: Vec<Fault>) -> Scenario {
    let mut scenario = healthy(tier, faults);
    (scenario.workload.reads, scenario.workload.keys) = (Reads::Leader, 1);
    scenario
}

fn holds(scenario: &Scenario) -> Run {
    let seen = run(scenario, RunOptions::traced());
    assert_eq!((&seen.violation, &seen.undecided), (&None, &None));
    seen
}

/// One operation each 50 ms, by one client after the other.
fn script(spans_ms: &[(u64, u64, Action)]) -> Vec<ScriptedOperation> {
    let times = spans_ms.iter().flat_map(|(from_ms, to_ms, action)| {
        let times = (*from_ms..*to_ms).step_by(50);
        times.map(|at_ms| (at_ms, *action))
    });
    let operation = |(number, (at_ms, action)): (u64, (u64, Action))| ScriptedOperation {
        client: number % 3,
        at_us: at_ms * 1_000,
        action,
        key: 0,
        value: number + 1,
        dies_after_us: None,
        returns_after_us: None,
        repeats_after_us: None,
    };
    (0..).zip(times).map(operation).collect()
}

/// Of a healed cluster of which nothing but reads is asked, nothing is to be committed.
#[test]
fn a_cluster_that_is_only_read_commits_nothing_and_lives() {
    for tier in [Tier::Full, Tier::Bare] {
        let mut reads = scenario(tier, Vec::new());
        let writes = (1_000, 3_000, Action::Write);
        reads.workload.script = Some(script(&[writes, (3_000, 15_000, Action::Read)]));
        let seen = holds(&reads);
        assert_eq!(
            seen.live_after_ms, None,
            "{tier:?}: it shows nothing any more"
        );
        assert!(seen.coverage.reads > 100, "{tier:?}");
    }
}

/// Of the reads once a cluster is due to be alive, the only one was left by its client before anybody could have served it.
#[test]
fn who_dies_at_once_is_not_left_without_service() {
    for tier in [Tier::Full, Tier::Bare] {
        let mut dies = scenario(tier, Vec::new());
        let writes = (1_000, 15_000, Action::Write);
        let mut operations = script(&[writes, (14_400, 14_450, Action::Read)]);
        let last = operations.last_mut().expect("there is a read");
        last.dies_after_us = Some(1);
        operations.sort_by_key(|operation| operation.at_us);
        dies.workload.script = Some(operations);
        assert_eq!(holds(&dies).coverage.deaths, 1, "{tier:?}");
    }
}

/// A leader that is a majority by itself has confirmed a read as it begins: it needs no lease, not even once it has told a
/// successor to stand that never heard of it.
#[test]
fn a_leader_that_is_a_majority_by_itself_needs_no_lease() {
    for tier in [Tier::Full, Tier::Bare] {
        let members = |voters| FaultKind::Membership {
            voters,
            learners: Vec::new(),
        };
        let deaf = FaultKind::Noise {
            drop_permille: 1_000,
            duplicate_permille: 0,
            delay_permille: 0,
            delay_ms: 1,
        };
        let mut alone = scenario(
            tier,
            vec![
                Fault::at(1_500, 0, members(vec![1, 2])),
                Fault::at(3_000, 60, deaf),
                Fault::at(3_005, 0, FaultKind::Transfer { to: 2 }),
                Fault::at(4_500, 0, members(vec![1])),
            ],
        );
        alone.settings.first_voters = 1;
        (alone.settings.stickiness, alone.settings.leases) = (true, true);
        alone.workload.reads = Reads::Lease;
        alone.workload.script = Some(script(&[
            (500, 1_400, Action::Write),
            (6_000, 9_000, Action::Read),
            (11_000, 15_000, Action::Write),
        ]));
        let seen = holds(&alone);
        assert!(
            seen.trace.contains("TimeoutNow"),
            "{tier:?}: nobody was told to stand"
        );
        assert_eq!(seen.coverage.leaders, 1, "{tier:?}: another term began");
        assert!(seen.coverage.lease_reads > 50, "{tier:?}");
    }
}

/// A server whose disk fails as it is paused hears of that once it goes on, and stops: by then the disk works again, and
/// nobody would start it anew.
#[test]
fn a_failure_that_a_pause_hides_until_the_disk_works_again_is_no_bug() {
    let target = Target::Leader;
    let fails = FaultKind::Disk {
        target,
        call: DiskCall::Write,
        error: Errno::Eio,
        skip: 0,
        unsynced: Unsynced::Lost,
    };
    let mut unheard = 0;
    for seed in [1, 4] {
        // Busy as it is, it takes in the next calls before it asks what became of its write.
        for pause_ms in 2_991..=2_993 {
            let pause = Fault::at(pause_ms, 1_000, FaultKind::Pause { target });
            let mut busy = scenario(
                Tier::Full,
                vec![Fault::at(2_990, 500, fails.clone()), pause],
            );
            (busy.seed, busy.workload.contact) = (seed, Contact::Last);
            (busy.workload.clients, busy.workload.think_ms) = (10, 1);
            let coverage = holds(&busy).coverage;
            unheard += u64::from(coverage.recoveries > 0 && coverage.stops == 0);
        }
    }
    assert!(unheard > 0, "each had stopped before it was started anew");
}
