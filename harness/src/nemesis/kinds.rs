//! The kinds of faults, and what one of them is in particular: whom it strikes, and how hard.

use crate::scenario::{DiskLie, FaultKind, FaultName, Target, Unsynced};
use crate::sim::seams::disk::{DiskCall, Errno};
use crate::sim::seams::random::Stream;

/// The kinds of every run's swarm.
pub(super) const KINDS: [FaultName; 17] = [
    FaultName::Partition,
    FaultName::OneWay,
    FaultName::Stall,
    FaultName::Isolate,
    FaultName::Crash,
    FaultName::PowerLoss,
    FaultName::Noise,
    FaultName::Transfer,
    FaultName::Membership,
    FaultName::Links,
    FaultName::Pause,
    FaultName::Jump,
    FaultName::Disk,
    FaultName::Rot,
    FaultName::Lie,
    FaultName::Reset,
    FaultName::Slow,
];

/// Kinds that came later, and are rarer.
pub(super) const LATER_KINDS: [FaultName; 2] = [FaultName::SlowDisk, FaultName::SnapshotStorm];

/// How long a fault lasts, milliseconds.
pub(super) fn lasts(draw: &mut Stream, what: &FaultKind) -> u64 {
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
pub(super) fn is_cut(what: &FaultKind) -> bool {
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

/// A fault of this kind.
pub(super) fn fault(draw: &mut Stream, kind: FaultName, servers: u64, aimed: bool) -> FaultKind {
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
        // All of one, less than all of several.
        ids.truncate(1 + draw.index((servers as usize - 1).max(1)));
        ids.sort_unstable();
        ids
    };
    match kind {
        FaultName::Partition => FaultKind::Partition { side: side(draw) },
        FaultName::OneWay => FaultKind::OneWay { from: side(draw) },
        FaultName::Stall => FaultKind::Stall { from: side(draw) },
        FaultName::Isolate => FaultKind::Isolate {
            target: target(draw),
        },
        FaultName::Crash => FaultKind::Crash {
            target: target(draw),
            unsynced: unsynced(draw),
        },
        FaultName::Links => FaultKind::Links {
            cut: links(draw, servers),
        },
        FaultName::Pause => FaultKind::Pause {
            target: target(draw),
        },
        FaultName::Jump => FaultKind::Jump {
            target: target(draw),
            by_ms: 1 + draw.below(1_000),
        },
        FaultName::Lie => FaultKind::Lie {
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
        FaultName::Reset => FaultKind::Reset {
            target: target(draw),
        },
        FaultName::Slow => FaultKind::Slow {
            from: side(draw),
            bytes_per_s: [1_000, 20_000, 500_000][draw.index(3)],
        },
        FaultName::SlowDisk => {
            let most = [50, 300, 2_000][draw.index(3)];
            FaultKind::SlowDisk {
                target: target(draw),
                slower_ms: (most / 5, most),
            }
        }
        FaultName::SnapshotStorm => FaultKind::SnapshotStorm {
            servers: if draw.chance(0.5) {
                (1..=servers).collect()
            } else {
                side(draw)
            },
            every: [1, 3, 10][draw.index(3)],
        },
        FaultName::Rot => FaultKind::Rot {
            target: target(draw),
        },
        FaultName::Disk => {
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
        FaultName::PowerLoss => FaultKind::PowerLoss {
            unsynced: unsynced(draw),
        },
        FaultName::Transfer => FaultKind::Transfer {
            to: 1 + draw.below(servers),
        },
        // By itself, without the rest of an operator's way.
        FaultName::Replace => FaultKind::Replace,
        FaultName::Membership => {
            let mut voters: Vec<u64> = (1..=servers).collect();
            draw.shuffle(&mut voters);
            voters.truncate(1 + draw.index(servers as usize));
            voters.sort_unstable();
            let others = (1..=servers).filter(|id| !voters.contains(id));
            let learners = others.filter(|_| draw.chance(0.3)).collect();
            FaultKind::Membership { voters, learners }
        }
        FaultName::Noise => {
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
