//! The kinds of faults, and what one of them is in particular: whom it strikes, and how hard.

use crate::scenario::{DiskLie, FaultKind, Target, Unsynced};
use crate::sim::seams::disk::{DiskCall, Errno};
use crate::sim::seams::random::Stream;

/// A kind of fault.
#[derive(Clone, Copy)]
pub(super) enum Kind {
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
    SlowDisk,
    SnapshotStorm,
}

/// The kinds of every run's swarm.
pub(super) const KINDS: [Kind; 17] = [
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

/// Kinds that came later, and are rarer.
pub(super) const LATER_KINDS: [Kind; 2] = [Kind::SlowDisk, Kind::SnapshotStorm];

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
pub(super) fn fault(draw: &mut Stream, kind: Kind, servers: u64, aimed: bool) -> FaultKind {
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
        Kind::SlowDisk => {
            let most = [50, 300, 2_000][draw.index(3)];
            FaultKind::SlowDisk {
                target: target(draw),
                slower_ms: (most / 5, most),
            }
        }
        Kind::SnapshotStorm => FaultKind::SnapshotStorm {
            servers: if draw.chance(0.5) {
                (1..=servers).collect()
            } else {
                side(draw)
            },
            every: [1, 3, 10][draw.index(3)],
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
