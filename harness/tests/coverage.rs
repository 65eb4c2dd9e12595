//! Coverage counts what happened, and a sweep calls never seen only what it could have seen.

mod sim_support;

use std::process::Command;

use plumb_harness::scenario::{
    DiskLie, FAULTS, Fault, FaultKind, FaultName, Target, Tier, Unsynced,
};
use plumb_harness::sim::seams::disk::{DiskCall, Errno};
use plumb_harness::sim::{RunOptions, run};
use sim_support::healthy;

const TIERS: [Tier; 2] = [Tier::Full, Tier::Bare];

/// One of each kind.
fn one(name: FaultName) -> FaultKind {
    let target = Target::Server(2);
    let unsynced = Unsynced::Lost;
    match name {
        FaultName::Partition => FaultKind::Partition { side: vec![1] },
        FaultName::OneWay => FaultKind::OneWay { from: vec![1] },
        FaultName::Links => FaultKind::Links { cut: vec![(1, 2)] },
        FaultName::Isolate => FaultKind::Isolate { target },
        FaultName::Stall => FaultKind::Stall { from: vec![1] },
        FaultName::Noise => FaultKind::Noise {
            drop_permille: 200,
            duplicate_permille: 200,
            delay_permille: 200,
            delay_ms: 20,
        },
        FaultName::Slow => FaultKind::Slow {
            from: vec![1],
            bytes_per_s: 20_000,
        },
        FaultName::Reset => FaultKind::Reset { target },
        FaultName::Crash => FaultKind::Crash { target, unsynced },
        FaultName::PowerLoss => FaultKind::PowerLoss { unsynced },
        FaultName::Pause => FaultKind::Pause { target },
        FaultName::Jump => FaultKind::Jump { target, by_ms: 10 },
        FaultName::Disk => FaultKind::Disk {
            target,
            call: DiskCall::Sync,
            error: Errno::Eio,
            skip: 0,
            unsynced,
        },
        FaultName::Rot => FaultKind::Rot { target },
        FaultName::Lie => FaultKind::Lie {
            target,
            about: DiskLie::LostWrite,
            skip: 0,
        },
        FaultName::SlowDisk => FaultKind::SlowDisk {
            target,
            slower_ms: (1, 5),
        },
        FaultName::Replace => FaultKind::Replace,
        FaultName::SnapshotStorm => FaultKind::SnapshotStorm {
            servers: vec![1],
            every: 3,
        },
        FaultName::Transfer => FaultKind::Transfer { to: 3 },
        FaultName::Membership => FaultKind::Membership {
            voters: vec![1, 2, 3],
            learners: vec![],
        },
    }
}

#[test]
fn each_kind_of_fault_that_strikes_is_counted_once() {
    for tier in TIERS {
        let kinds = FAULTS.iter().filter(|kind| kind.is_in(tier));
        let faults = (4..).zip(kinds).map(|(nth, kind)| {
            let what = one(*kind);
            assert_eq!(what.name(), *kind);
            Fault::at(nth * 400, 300, what)
        });
        let seen = run(&healthy(tier, faults.collect()), RunOptions::default());
        assert_eq!(seen.violation, None, "{tier:?}");
        let mut coverage = seen.coverage;
        for kind in FAULTS {
            let expected = u64::from(kind.is_in(tier));
            assert_eq!(*coverage.of_fault(*kind), expected, "{tier:?} {kind}");
        }
    }
}

#[test]
fn what_becomes_of_messages_is_counted() {
    let sent = |tier, kind: Option<FaultName>| {
        let faults = kind.map(|kind| Fault::at(3_000, 3_000, one(kind)));
        let seen = run(
            &healthy(tier, Vec::from_iter(faults)),
            RunOptions::default(),
        );
        assert_eq!(seen.violation, None, "{tier:?}");
        let c = seen.coverage;
        [c.cut_off, c.lost, c.repeated, c.delayed].map(|count| count > 0)
    };
    for tier in TIERS {
        assert_eq!(sent(tier, None), [false; 4], "{tier:?}");
        let noise = sent(tier, Some(FaultName::Noise));
        assert_eq!(noise, [false, true, true, true], "{tier:?}");
        let cut = sent(tier, Some(FaultName::Partition));
        assert_eq!(cut, [true, false, false, false], "{tier:?}");
    }
}

#[test]
fn calls_of_disks_that_failed_are_counted_by_call_and_by_error() {
    for (call, error) in [
        (DiskCall::Sync, Errno::Eio),
        (DiskCall::Write, Errno::Enospc),
        (DiskCall::Write, Errno::Efbig),
    ] {
        let mut what = one(FaultName::Disk);
        if let FaultKind::Disk {
            call: which,
            error: how,
            ..
        } = &mut what
        {
            (*which, *how) = (call, error);
        }
        let scenario = healthy(Tier::Full, vec![Fault::at(3_000, 1_000, what)]);
        let mut coverage = run(&scenario, RunOptions::default()).coverage;
        for other in DiskCall::ALL {
            assert_eq!(*coverage.of_call(other) > 0, other == call, "{other:?}");
        }
        for other in Errno::ALL {
            assert_eq!(*coverage.of_errno(other) > 0, other == error, "{other:?}");
        }
    }
}

#[test]
fn a_sweep_calls_never_seen_only_what_its_tier_can_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (tier, files) in [("full", true), ("bare", false)] {
        let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(["sim", "sweep", "--seeds", "2", "--tier", tier])
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("faults: partition"), "{said}");
        for name in ["faults: rot", "torn tails found", "syncs that failed"] {
            assert_eq!(said.contains(name), files, "{tier}: {said}");
        }
    }
}
