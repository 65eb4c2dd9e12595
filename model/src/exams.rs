//! The exam of the specification: for each ablation, the smallest scope found that shows it and the
//! property that must break there. The scope is exhausted without the ablation too, by tests, so
//! that it is the missing rule that breaks the property and not the bounds.

use crate::ablations::{Ablation, Ablations};
use crate::bounds::Bounds;
use crate::claims::Claims;
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
    use Property::{
        ElectionSafety, LeaderAppendOnly, LeaderCompleteness, LogMatching, StateMachineSafety,
    };
    // Terms, log, requests, crashes; the property; the steps.
    let (t, l, r, c, breaks, steps) = match ablation {
        Ablation::GrantBeforePersist => (1, 0, 0, 1, ElectionSafety, 10),
        Ablation::OwnVoteBeforePersist => (1, 0, 0, 1, ElectionSafety, 10),
        Ablation::ForgetTerm => (1, 0, 0, 1, ElectionSafety, 11),
        Ablation::TwoVotes => (1, 0, 0, 0, ElectionSafety, 7),
        Ablation::VoteForStaleLog => (2, 1, 1, 0, LeaderCompleteness, 12),
        Ablation::HalfIsMajority => (1, 0, 0, 0, ElectionSafety, 4),
        Ablation::NoStepDown => (2, 1, 2, 0, LeaderAppendOnly, 12),
        Ablation::NoConsistencyCheck => (2, 2, 3, 0, LogMatching, 13),
        Ablation::AlwaysTruncate => (2, 2, 2, 0, LeaderCompleteness, 12),
        Ablation::AckBeforePersist => (2, 1, 1, 1, LeaderCompleteness, 14),
        Ablation::AckWholeLog => (3, 2, 3, 0, LeaderCompleteness, 17),
        Ablation::CommitUnmatched => (2, 1, 2, 0, StateMachineSafety, 14),
        Ablation::OwnCopyBeforePersist => (2, 1, 1, 1, LeaderCompleteness, 15),
        Ablation::CountEarlierTerms => (4, 1, 2, 0, LeaderCompleteness, 22),
    };
    let bounds = Bounds {
        servers: 3,
        max_term: t,
        max_log: l,
        requests: r,
        crashes: c,
    };
    Exam {
        ablation,
        breaks,
        bounds,
        steps,
    }
}
