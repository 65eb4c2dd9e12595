//! The records: the largest scopes that were exhausted. No gate runs them; each has what its figures rest on, and
//! `plumb model scopes --records` makes them again.
//!
//! What they claim to reach, smaller scopes within their bounds reach: tests see to it.

use super::parts::{LEASES, MEMBERSHIP, SNAPSHOTS};
use super::{Counted, Figures, Record, Scope, named};
use crate::bounds::Bounds;
use crate::claims::{Claim, Claims};
use crate::engine::Width;
use crate::features::Features;
use crate::membership::{Config, Plan};

/// All of them had wide fingerprints, and so many GiB for visited set and frontier.
const fn record(
    counted: Counted,
    bytes_per_state: f32,
    gib: usize,
    verified: &'static str,
) -> Figures {
    Figures::Record(Record {
        counted,
        width: Width::Wide,
        salt: 0,
        max_memory: gib << 30,
        bytes_per_state,
        verified,
    })
}

/// Leases among clocks that drift, and leaders that hand over.
const DRIFTING: Features = Features {
    rounds: 1,
    patience: 3,
    drift: 1,
    transfer: true,
    ..Features::NONE
};

pub(super) const RECORDS: [Scope; 8] = [
    named(
        "record-crash",
        "three terms, three entries, three requests, two crashes",
        Bounds::plain(3, 3, 3, 3, 2),
        Claims::PLAIN,
        record(
            Counted {
                unique: 67_961_601,
                generated: 528_621_366,
                depth: 46,
                seconds: 507.3,
            },
            8.5,
            13,
            "2026-11-26",
        ),
    ),
    named(
        "record-four-terms",
        "four terms, three entries, three requests, a crash",
        Bounds::plain(3, 4, 3, 3, 1),
        Claims::PLAIN,
        record(
            Counted {
                unique: 118_832_239,
                generated: 957_617_573,
                depth: 52,
                seconds: 928.6,
            },
            8.2,
            13,
            "2026-11-26",
        ),
    ),
    named(
        "record-four-two",
        "four terms, three entries, three requests, two crashes",
        Bounds::plain(3, 4, 3, 3, 2),
        Claims::PLAIN,
        record(
            Counted {
                unique: 813_742_849,
                generated: 6_780_494_863,
                depth: 55,
                seconds: 1_787.6,
            },
            8.5,
            14,
            "2026-11-26",
        ),
    ),
    named(
        "record-billion",
        "four terms, three entries, four requests, two crashes",
        Bounds::plain(3, 4, 3, 4, 2),
        Claims::PLAIN,
        record(
            Counted {
                unique: 1_775_787_982,
                generated: 14_563_101_562,
                depth: 56,
                seconds: 3_159.3,
            },
            8.5,
            15,
            "2026-11-26",
        ),
    ),
    named(
        "record-snapshots",
        "snapshots in three terms, with three requests and a crash",
        Bounds::plain(3, 3, 2, 3, 1).with(SNAPSHOTS),
        Claims::PLAIN
            .and(Claim::SnapshotInstalled)
            .and(Claim::SuffixRetained)
            .and(Claim::ConflictDiscarded),
        record(
            Counted {
                unique: 47_725_615,
                generated: 417_133_108,
                depth: 49,
                seconds: 152.3,
            },
            8.7,
            6,
            "2026-11-26",
        ),
    ),
    named(
        "record-leases",
        "leases on clocks that drift, and transfer, in three terms with three entries",
        Bounds::plain(3, 3, 3, 3, 0).with(DRIFTING),
        LEASES.and(Claim::LeadershipTransferred),
        record(
            Counted {
                unique: 81_230_894,
                generated: 613_839_349,
                depth: 40,
                seconds: 212.7,
            },
            8.8,
            6,
            "2026-11-26",
        ),
    ),
    named(
        "record-leases-crash",
        "leases on clocks that drift, transfer, and a crash",
        Bounds::plain(3, 2, 2, 2, 1).with(DRIFTING),
        LEASES.and(Claim::LeadershipTransferred),
        record(
            Counted {
                unique: 15_198_635,
                generated: 130_574_194,
                depth: 38,
                seconds: 39.6,
            },
            8.8,
            6,
            "2026-11-26",
        ),
    ),
    named(
        "record-joint",
        "the leader is removed through the joint phase, or the change is undone, in three terms with a crash",
        Bounds::plain(3, 3, 3, 2, 1).with(Features {
            plan: Plan::new(&[
                Config::of(0b111),
                Config::joint(0b111, 0b110),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        MEMBERSHIP,
        record(
            Counted {
                unique: 96_402_166,
                generated: 695_758_531,
                depth: 48,
                seconds: 745.9,
            },
            8.6,
            9,
            "2026-11-26",
        ),
    ),
];
