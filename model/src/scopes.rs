//! The named scopes: bounds, what they claim to reach, and what was counted when they were last
//! exhausted. Tests compare the counts of the small ones exactly.

use crate::bounds::Bounds;
use crate::claims::{Claim, Claims};
use crate::features::Features;
use crate::membership::{Config, Plan};
use crate::properties::{Properties, Property};

/// A scope: what is explored, what must hold in it and what must be reached.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it cuts off.
    pub bounds: Bounds,
    /// Whether states that differ in the servers' numbers only are taken as one.
    pub symmetry: bool,
    /// What must always hold.
    pub properties: Properties,
    /// What must be reached.
    pub claims: Claims,
    /// What exhausting it counted.
    pub counted: Option<Counted>,
}

/// What exhausting a scope counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Distinct states.
    pub unique: u64,
    /// Successors computed, and the initial state.
    pub generated: u64,
    /// The fewest steps to the farthest state.
    pub depth: usize,
    /// Seconds that it took on two cores, as last measured.
    pub seconds: f32,
}

impl Scope {
    /// A scope of one's own, that claims no more than what its bounds make certain.
    #[must_use]
    pub const fn custom(bounds: Bounds) -> Scope {
        let mut claims = Claims::NONE.and(Claim::LeaderElected);
        if bounds.max_log > 0 && bounds.requests > 0 {
            claims = claims.and(Claim::EntryCommitted);
        }
        Scope {
            name: "custom",
            about: "bounds from the command line",
            bounds,
            symmetry: !bounds.features.plan.is_on(),
            properties: Properties::ALL,
            claims,
            counted: None,
        }
    }
}

/// The scope that `plumb` checks when none is named.
pub const QUICK: &str = "quick";

const fn named(
    name: &'static str,
    about: &'static str,
    bounds: Bounds,
    claims: Claims,
    counted: Option<Counted>,
) -> Scope {
    Scope {
        name,
        about,
        bounds,
        claims,
        counted,
        ..Scope::custom(bounds)
    }
}

const fn counted(unique: u64, generated: u64, depth: usize, seconds: f32) -> Option<Counted> {
    Some(Counted {
        unique,
        generated,
        depth,
        seconds,
    })
}

/// Without crashes, all but what takes one.
const NO_CRASH: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted)
    .and(Claim::CommitsEarlierTerm)
    .and(Claim::ConflictTruncated);

/// In one term, or with one request, no entry can conflict.
const NO_CONFLICT: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted)
    .and(Claim::RecoversWithLog)
    .and(Claim::CrashLosesWrites);

/// Reads, where nothing else is in question.
const READS: Claims = SOME
    .and(Claim::ReadServed)
    .and(Claim::ReadServedByFollower)
    .and(Claim::DeposedLeaderAsked);

/// Leases, where nothing else is in question.
const LEASES: Claims = SOME.and(Claim::LeaseRead).and(Claim::LeaseEnds);

const SNAPSHOTS: Features = Features {
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
const MEMBERSHIP: Claims = NEW_VOTERS.and(Claim::ConfigurationRolledBack);

/// With a log of one entry, a leader has no place for the entry that commits an earlier one.
const SHORT_LOG: Claims = NO_CONFLICT.and(Claim::ConflictTruncated);

const SOME: Claims = Claims::NONE
    .and(Claim::LeaderElected)
    .and(Claim::EntryCommitted);

/// All named scopes, smallest first within each kind.
pub const SCOPES: &[Scope] = &[
    named(
        "tiny",
        "one election, one entry, one crash",
        Bounds::plain(3, 1, 1, 1, 1),
        NO_CONFLICT,
        counted(495, 1_763, 17, 0.0),
    ),
    named(
        "small",
        "the smallest scope that reaches all that is claimed",
        Bounds::plain(3, 2, 2, 2, 1),
        Claims::PLAIN,
        counted(115_403, 677_643, 30, 0.2),
    ),
    named(
        QUICK,
        "three terms, more requests than a log holds; the default",
        Bounds::plain(3, 3, 2, 3, 1),
        Claims::PLAIN,
        counted(2_153_228, 13_983_154, 40, 3.8),
    ),
    named(
        "figure8",
        "four terms, the fewest for Figure 8, with a crash",
        Bounds::plain(3, 4, 1, 2, 1),
        SHORT_LOG,
        counted(1_783_325, 12_265_974, 40, 4.2),
    ),
    named(
        "four-terms",
        "Figure 8 with logs of three entries, no crash",
        Bounds::plain(3, 4, 3, 3, 0),
        NO_CRASH,
        counted(2_140_545, 11_008_909, 34, 4.5),
    ),
    named(
        "two-crashes",
        "a server or two that crash twice between them",
        Bounds::plain(3, 3, 2, 2, 2),
        Claims::PLAIN,
        counted(8_135_135, 56_753_271, 41, 13.7),
    ),
    named(
        "deep",
        "three terms, three entries, three requests, one crash",
        Bounds::plain(3, 3, 3, 3, 1),
        Claims::PLAIN,
        counted(11_348_197, 84_450_392, 43, 23.0),
    ),
    named(
        "deeper",
        "four terms with a crash",
        Bounds::plain(3, 4, 2, 2, 1),
        Claims::PLAIN,
        counted(15_118_566, 112_682_796, 47, 28.4),
    ),
    named(
        "five-tiny",
        "five servers, two terms, one entry",
        Bounds::plain(5, 2, 1, 1, 0),
        SOME,
        counted(98_516, 541_727, 31, 0.3),
    ),
    named(
        "five",
        "five servers, two terms, logs of two entries",
        Bounds::plain(5, 2, 2, 2, 0),
        NO_CRASH,
        counted(2_626_647, 19_443_767, 37, 9.6),
    ),
    named(
        "five-crash",
        "five servers, two terms, a crash",
        Bounds::plain(5, 2, 1, 1, 1),
        NO_CONFLICT,
        counted(8_781_081, 88_194_411, 44, 36.8),
    ),
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
        counted(695_760, 4_238_300, 30, 4.4),
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
        counted(1_117_104, 8_165_576, 35, 8.5),
    ),
    named(
        "snapshots",
        "snapshots that are installed over logs that are behind, ahead or in conflict",
        Bounds::plain(3, 2, 2, 3, 0).with(SNAPSHOTS),
        SNAPSHOT_CLAIMS,
        counted(46_424, 231_488, 26, 0.4),
    ),
    named(
        "snapshots-crash",
        "snapshots among servers that restart",
        Bounds::plain(3, 2, 2, 2, 1).with(SNAPSHOTS),
        SOME.and(Claim::SnapshotInstalled)
            .and(Claim::SuffixRetained)
            .and(Claim::CrashLosesWrites),
        counted(2_169_009, 17_684_629, 39, 8.0),
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
        counted(248_404, 960_539, 27, 0.8),
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
        counted(686_695, 4_267_324, 45, 2.3),
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
        counted(80_704, 341_529, 27, 0.2),
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
        counted(87_032, 441_651, 26, 0.3),
    ),
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
        counted(848_813, 4_178_655, 35, 3.0),
    ),
    Scope {
        properties: Properties::ALL.and(Property::Progress),
        ..named(
            "progress",
            "whether something more can be committed, from every state",
            Bounds::plain(3, 3, 2, 2, 0),
            NO_CRASH,
            counted(49_952, 205_339, 26, 0.3),
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
            counted(324_761, 2_202_265, 32, 3.0),
        )
    },
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
        counted(643_707, 3_713_642, 30, 2.2),
    ),
];

/// The scope of that name.
#[must_use]
pub fn scope(name: &str) -> Option<&'static Scope> {
    SCOPES.iter().find(|scope| scope.name == name)
}
