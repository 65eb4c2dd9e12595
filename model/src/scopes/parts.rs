//! The named scopes of the optional parts of Raft, each with the claims that show the part at work.

use super::{NO_CRASH, SOME, Scope, counted, named};
use crate::bounds::Bounds;
use crate::claims::{Claim, Claims};
use crate::features::Features;
use crate::membership::{Config, Plan};
use crate::properties::{Properties, Property};

/// Reads, where nothing else is in question.
const READS: Claims = SOME
    .and(Claim::ReadServed)
    .and(Claim::ReadServedByFollower)
    .and(Claim::DeposedLeaderAsked);

/// Leases, where nothing else is in question.
pub(super) const LEASES: Claims = SOME.and(Claim::LeaseRead).and(Claim::LeaseEnds);

pub(super) const SNAPSHOTS: Features = Features {
    snapshots: true,
    ..Features::NONE
};

const SNAPSHOT_CLAIMS: Claims = SOME
    .and(Claim::SnapshotInstalled)
    .and(Claim::SuffixRetained)
    .and(Claim::ConflictDiscarded);

/// Changes of membership, where nothing else is in question.
const NEW_VOTERS: Claims = SOME
    .and(Claim::ConfigurationCommitted)
    .and(Claim::ElectedByNewVoters)
    .and(Claim::LeaderRemoved);

/// The same, where a configuration can be deleted too.
pub(super) const MEMBERSHIP: Claims = NEW_VOTERS.and(Claim::ConfigurationRolledBack);

pub(super) const PARTS: [Scope; 20] = [
    named(
        "reads",
        "two reads, two rounds a term, a leader that others have moved past",
        Bounds::plain(3, 2, 2, 2, 0).with(Features {
            rounds: 2,
            reads: 2,
            ..Features::NONE
        }),
        READS,
        counted(146_068, 735_703, 30, 0.4),
    ),
    named(
        "reads-terms",
        "a leader of one term that leads another, and reads in both",
        Bounds::plain(3, 3, 2, 2, 0).with(Features {
            rounds: 1,
            reads: 1,
            check_quorum: true,
            ..Features::NONE
        }),
        READS
            .and(Claim::CommitsEarlierTerm)
            .and(Claim::ConflictTruncated),
        counted(643_707, 3_713_642, 30, 1.7),
    ),
    named(
        "leases",
        "leases on clocks that drift, and leadership transfer",
        Bounds::plain(3, 2, 2, 2, 0).with(Features {
            rounds: 1,
            patience: 3,
            drift: 1,
            transfer: true,
            ..Features::NONE
        }),
        LEASES.and(Claim::LeadershipTransferred),
        counted(695_760, 4_238_300, 30, 2.3),
    ),
    named(
        "leases-crash",
        "leases among servers that restart",
        Bounds::plain(3, 2, 2, 2, 1).with(Features {
            rounds: 1,
            patience: 1,
            ..Features::NONE
        }),
        LEASES.and(Claim::CrashLosesWrites),
        counted(1_117_104, 8_165_576, 35, 4.4),
    ),
    named(
        "leases-terms",
        "leases in three terms, with leaders that give up",
        Bounds::plain(3, 3, 2, 2, 0).with(Features {
            rounds: 1,
            patience: 1,
            check_quorum: true,
            ..Features::NONE
        }),
        LEASES,
        counted(1_937_732, 12_173_379, 34, 6.7),
    ),
    named(
        "snapshots",
        "snapshots that are installed over logs that are behind, ahead or in conflict",
        Bounds::plain(3, 2, 2, 3, 0).with(SNAPSHOTS),
        SNAPSHOT_CLAIMS,
        counted(46_424, 231_488, 26, 0.2),
    ),
    named(
        "snapshots-terms",
        "snapshots in three terms",
        Bounds::plain(3, 3, 2, 2, 0).with(SNAPSHOTS),
        SNAPSHOT_CLAIMS.and(Claim::CommitsEarlierTerm),
        counted(445_292, 2_580_479, 31, 1.3),
    ),
    named(
        "snapshots-crash",
        "snapshots among servers that restart",
        Bounds::plain(3, 2, 2, 2, 1).with(SNAPSHOTS),
        SOME.and(Claim::SnapshotInstalled)
            .and(Claim::SuffixRetained)
            .and(Claim::CrashLosesWrites),
        counted(2_169_009, 17_684_629, 39, 8.1),
    ),
    named(
        "one-by-one",
        "a learner becomes a voter, and another leaves",
        Bounds::plain(3, 2, 3, 2, 0).with(Features {
            plan: Plan::new(&[
                Config::of(0b011).learning(0b100),
                Config::of(0b111),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        MEMBERSHIP,
        counted(82_220, 347_283, 27, 0.2),
    ),
    named(
        "joint",
        "the leader is removed through the joint phase, or the change is undone",
        Bounds::plain(3, 2, 3, 2, 0).with(Features {
            plan: Plan::new(&[
                Config::of(0b111),
                Config::joint(0b111, 0b110),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        MEMBERSHIP,
        counted(264_578, 1_025_036, 27, 0.5),
    ),
    named(
        "joint-crash",
        "from one server to two others, among servers that restart",
        Bounds::plain(3, 3, 3, 1, 1).with(Features {
            plan: Plan::new(&[
                Config::of(0b001),
                Config::joint(0b001, 0b110),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        NEW_VOTERS.and(Claim::CrashLosesWrites),
        counted(823_235, 5_071_750, 45, 1.8),
    ),
    named(
        "joint-four",
        "from three servers to three others of four through the joint phase",
        Bounds::plain(4, 2, 3, 1, 0).with(Features {
            plan: Plan::new(&[
                Config::of(0b0111),
                Config::joint(0b0111, 0b1110),
                Config::of(0b1110),
            ]),
            ..Features::NONE
        }),
        NEW_VOTERS,
        counted(7_404_578, 51_948_464, 35, 28.8),
    ),
    named(
        "pre-vote",
        "servers that ask before they stand",
        Bounds::plain(3, 2, 2, 2, 0).with(Features {
            pre_vote: true,
            ..Features::NONE
        }),
        NO_CRASH.and(Claim::StandsAfterPreVote),
        counted(262_376, 1_329_231, 31, 0.8),
    ),
    named(
        "sessions",
        "a request that is made twice, and snapshots that remember it",
        Bounds::plain(3, 2, 2, 2, 0).with(Features {
            retries: 1,
            snapshots: true,
            ..Features::NONE
        }),
        SNAPSHOT_CLAIMS.and(Claim::RetryCommitted),
        counted(87_032, 441_651, 26, 0.2),
    ),
    Scope {
        properties: Properties::ALL.and(Property::Progress),
        ..named(
            "progress",
            "whether something more can be committed, from every state",
            Bounds::plain(3, 3, 2, 2, 0),
            NO_CRASH,
            counted(49_952, 205_339, 26, 0.2),
        )
    },
    Scope {
        properties: Properties::ALL.and(Property::Progress),
        ..named(
            "progress-crash",
            "the same among servers that restart and leaders that give up",
            Bounds::plain(3, 2, 2, 2, 1).with(Features {
                check_quorum: true,
                ..Features::NONE
            }),
            SOME.and(Claim::CrashLosesWrites),
            counted(324_761, 2_202_265, 32, 1.8),
        )
    },
    named(
        "together",
        "all but membership at once, in two servers",
        Bounds::plain(2, 3, 2, 1, 0).with(Features {
            rounds: 1,
            reads: 1,
            check_quorum: true,
            patience: 1,
            transfer: true,
            snapshots: true,
            pre_vote: true,
            retries: 1,
            ..Features::NONE
        }),
        SOME.and(Claim::ReadServed)
            .and(Claim::LeaseRead)
            .and(Claim::LeadershipTransferred)
            .and(Claim::StandsAfterPreVote)
            .and(Claim::RetryCommitted),
        counted(848_813, 4_178_655, 35, 2.1),
    ),
    named(
        "all-parts",
        "everything at once, in three servers, of which one is a voter at first",
        Bounds::plain(3, 2, 2, 1, 0).with(Features {
            rounds: 1,
            reads: 1,
            check_quorum: true,
            patience: 1,
            drift: 0,
            transfer: true,
            snapshots: true,
            plan: Plan::new(&[Config::of(0b001), Config::of(0b011)]),
            pre_vote: true,
            retries: 1,
        }),
        SOME.and(Claim::ReadServed)
            .and(Claim::ReadServedByFollower)
            .and(Claim::LeaseRead)
            .and(Claim::LeaseEnds)
            .and(Claim::LeadershipTransferred)
            .and(Claim::SnapshotInstalled)
            .and(Claim::SuffixRetained)
            .and(Claim::ConfigurationCommitted)
            .and(Claim::ElectedByNewVoters)
            .and(Claim::StandsAfterPreVote)
            .and(Claim::RetryCommitted),
        counted(29_354_832, 224_855_633, 38, 128.7),
    ),
    named(
        "joint-snapshots",
        "snapshots of configurations, from one server to two others",
        Bounds::plain(3, 3, 3, 1, 0).with(Features {
            snapshots: true,
            plan: Plan::new(&[
                Config::of(0b001),
                Config::joint(0b001, 0b110),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        NEW_VOTERS.and(Claim::SnapshotInstalled),
        counted(915_735, 5_841_056, 36, 2.4),
    ),
    named(
        "joint-reads",
        "reads by rounds and leases while the leader is removed",
        Bounds::plain(3, 2, 3, 1, 0).with(Features {
            rounds: 1,
            reads: 1,
            patience: 1,
            plan: Plan::new(&[
                Config::of(0b111),
                Config::joint(0b111, 0b110),
                Config::of(0b110),
            ]),
            ..Features::NONE
        }),
        NEW_VOTERS.and(Claim::ReadServed).and(Claim::LeaseRead),
        counted(1_217_899, 6_530_002, 33, 3.8),
    ),
];
