//! The exam of the specification: for each ablation, the smallest scope found that shows it and the
//! property that must break there. The scope is exhausted without the ablation too, by tests, so
//! that it is the missing rule that breaks the property and not the bounds.

use crate::ablations::{Ablation, Ablations};
use crate::bounds::Bounds;
use crate::claims::Claims;
use crate::features::Features;
use crate::membership::{Config, Plan};
use crate::properties::{Properties, Property};
use crate::scopes::Scope;

/// What an ablation must break, and where.
#[derive(Clone, Copy, Debug)]
pub struct Exam {
    /// The rule that is removed.
    pub ablation: Ablation,
    /// The property that must break.
    pub breaks: Property,
    /// The bounds that suffice for it.
    pub bounds: Bounds,
    /// The fewest steps in which it breaks.
    pub steps: usize,
}

impl Exam {
    /// The scope of the exam, with its one property.
    ///
    /// Other properties may break in fewer steps (promises that are not durable do, whenever a rule
    /// of durability goes); the story to tell is how the named one does.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        Scope {
            name: self.ablation.name(),
            about: self.ablation.removed_rule(),
            properties: Properties::only(self.breaks),
            claims: Claims::NONE,
            ..Scope::custom(self.bounds)
        }
    }

    /// The ablation as a set.
    #[must_use]
    pub fn ablations(&self) -> Ablations {
        Ablations::from(self.ablation)
    }
}

/// All exams, in the order of [`Ablation::ALL`].
pub fn exams() -> impl Iterator<Item = Exam> {
    Ablation::ALL.into_iter().map(exam)
}

/// The exam of one ablation.
#[must_use]
pub const fn exam(ablation: Ablation) -> Exam {
    use Ablation as A;
    use Property::{
        ConfigurationSafety, DurablePromises, ElectionSafety, ExactlyOnce, LeaderAppendOnly,
        LeaderCompleteness, LinearizableReads, LogMatching, Monotonicity, Progress,
        StateMachineSafety,
    };
    // The bounds, the property and the steps.
    let (bounds, breaks, steps) = match ablation {
        A::GrantBeforePersist => (three(1, 0, 0, 1), ElectionSafety, 10),
        A::OwnVoteBeforePersist => (three(1, 0, 0, 1), ElectionSafety, 10),
        A::ForgetTerm => (three(1, 0, 0, 1), ElectionSafety, 11),
        A::TwoVotes => (three(1, 0, 0, 0), ElectionSafety, 7),
        A::VoteForStaleLog => (three(2, 1, 1, 0), LeaderCompleteness, 12),
        A::HalfIsMajority => (three(1, 0, 0, 0), ElectionSafety, 4),
        A::NoStepDown => (three(2, 1, 2, 0), LeaderAppendOnly, 12),
        A::NoConsistencyCheck => (three(2, 2, 3, 0), LogMatching, 13),
        A::AlwaysTruncate => (three(2, 2, 2, 0), LeaderCompleteness, 12),
        A::AckBeforePersist => (three(2, 1, 1, 1), LeaderCompleteness, 14),
        A::AckWholeLog => (three(3, 2, 3, 0), LeaderCompleteness, 17),
        A::CommitUnmatched => (three(2, 1, 2, 0), StateMachineSafety, 14),
        A::OwnCopyBeforePersist => (three(2, 1, 1, 1), LeaderCompleteness, 15),
        A::CountEarlierTerms => (three(4, 1, 2, 0), LeaderCompleteness, 22),
        A::ReadBeforeOwnCommit => (three(2, 1, 1, 0).with(reads(1, 1)), LinearizableReads, 15),
        A::ReadWithoutRound => (three(2, 2, 2, 0).with(reads(1, 1)), LinearizableReads, 17),
        A::ConfirmByEarlierRound => (three(2, 2, 2, 0).with(reads(2, 1)), LinearizableReads, 19),
        A::ConfirmByRefusal => (three(2, 2, 2, 0).with(reads(1, 1)), LinearizableReads, 19),
        A::ConfirmByEarlierTerm => (
            three(3, 2, 2, 0).with(Features {
                check_quorum: true,
                ..reads(1, 1)
            }),
            LinearizableReads,
            25,
        ),
        A::ServeBeforeApplied => (three(1, 1, 1, 0).with(reads(1, 1)), LinearizableReads, 11),
        A::NoPatience => (three(2, 2, 2, 0).with(leases(0)), LinearizableReads, 20),
        A::RestartImpatient => (three(2, 2, 2, 1).with(leases(0)), LinearizableReads, 22),
        A::LeaseFromAnswers => (three(2, 2, 2, 0).with(leases(0)), LinearizableReads, 20),
        A::IgnoreDrift => (three(2, 2, 2, 0).with(leases(1)), LinearizableReads, 21),
        A::KeepLeaseThroughTransfer => (
            three(2, 2, 2, 0).with(Features {
                transfer: true,
                ..leases(0)
            }),
            LinearizableReads,
            20,
        ),
        A::CompactUncommitted => (three(2, 1, 2, 0).with(SNAPSHOTS), StateMachineSafety, 7),
        A::InstallDropsSuffix => (three(2, 2, 2, 0).with(SNAPSHOTS), LeaderCompleteness, 16),
        A::InstallOlder => (three(1, 2, 2, 0).with(SNAPSHOTS), Monotonicity, 13),
        A::VoteIgnoresSnapshot => (three(2, 1, 1, 0).with(SNAPSHOTS), LeaderCompleteness, 13),
        A::TruncateBelowSnapshot => (three(2, 2, 2, 0).with(SNAPSHOTS), LeaderCompleteness, 16),
        A::CutBeforeSnapshot => (three(1, 2, 2, 1).with(SNAPSHOTS), DurablePromises, 16),
        A::JointByUnion => (joint(3, 2, 2, 1, 1), LeaderCompleteness, 19),
        A::JointByOld => (joint(3, 2, 3, 1, 1), LeaderCompleteness, 24),
        A::SkipJoint => (
            three(2, 2, 1, 0).with(plan(&[Config::of(0b111), Config::of(0b001)])),
            LeaderCompleteness,
            13,
        ),
        A::ConfigOnceCommitted => (
            Bounds::plain(2, 3, 4, 2, 1).with(plan(&[
                Config::of(0b01),
                Config::of(0b11),
                Config::of(0b10),
            ])),
            LeaderCompleteness,
            23,
        ),
        A::TwoChanges => (
            three(2, 3, 1, 0).with(plan(&[
                Config::of(0b111),
                Config::of(0b011),
                Config::of(0b001),
            ])),
            LeaderCompleteness,
            14,
        ),
        A::ChangeBeforeOwnCommit => (
            Bounds::plain(4, 3, 1, 0, 0).with(plan(&[
                Config::of(0b1111),
                Config::of(0b0111),
                Config::of(0b1110),
            ])),
            ConfigurationSafety,
            14,
        ),
        A::CountLearners => (
            Bounds::plain(2, 2, 1, 1, 1).with(plan(&[Config::of(0b01).learning(0b10)])),
            LeaderCompleteness,
            11,
        ),
        A::PreVoteIsVote => (
            three(1, 0, 0, 0).with(Features {
                pre_vote: true,
                ..Features::NONE
            }),
            ElectionSafety,
            8,
        ),
        A::ExecuteTwice => (three(1, 2, 1, 0).with(RETRY), ExactlyOnce, 9),
        A::SnapshotWithoutSessions => (
            three(1, 2, 1, 0).with(Features {
                snapshots: true,
                ..RETRY
            }),
            ExactlyOnce,
            13,
        ),
        A::KeepVote => (three(2, 1, 1, 0), Progress, 3),
        A::SnapshotWithoutConfig => (
            Bounds::plain(2, 2, 4, 2, 0).with(Features {
                snapshots: true,
                ..plan(&[Config::of(0b01), Config::of(0b11), Config::of(0b10)])
            }),
            LeaderCompleteness,
            17,
        ),
    };
    Exam {
        ablation,
        breaks,
        bounds,
        steps,
    }
}

/// Three servers; terms, log, requests, crashes.
const fn three(max_term: u8, max_log: u8, requests: u8, crashes: u8) -> Bounds {
    Bounds::plain(3, max_term, max_log, requests, crashes)
}

const fn reads(rounds: u8, reads: u8) -> Features {
    Features {
        rounds,
        reads,
        ..Features::NONE
    }
}

/// Leases of one round a term, on the least patience that leaves some after the drift.
const fn leases(drift: u8) -> Features {
    Features {
        rounds: 1,
        patience: 1 + 2 * drift,
        drift,
        ..Features::NONE
    }
}

const SNAPSHOTS: Features = Features {
    snapshots: true,
    ..Features::NONE
};

const fn plan(configs: &[Config]) -> Features {
    Features {
        plan: Plan::new(configs),
        ..Features::NONE
    }
}

/// From one server to two others, through the joint phase.
const fn joint(servers: u8, max_term: u8, max_log: u8, requests: u8, crashes: u8) -> Bounds {
    Bounds::plain(servers, max_term, max_log, requests, crashes).with(plan(&[
        Config::of(0b001),
        Config::joint(0b001, 0b110),
        Config::of(0b110),
    ]))
}

const RETRY: Features = Features {
    retries: 1,
    ..Features::NONE
};
