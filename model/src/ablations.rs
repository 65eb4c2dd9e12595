//! Ablations: rules that can be removed by name. A rule whose removal no property notices would be
//! a rule that the model does not need, or a property that does not look.

use std::fmt;

/// A rule of Raft that is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ablation {
    /// A server grants its vote before the vote is on disk.
    GrantBeforePersist,
    /// A candidate asks for votes, and counts its own, before that is on disk.
    OwnVoteBeforePersist,
    /// A restart forgets the current term and the vote in it.
    ForgetTerm,
    /// A server votes for whoever asks, as often as asked in a term.
    TwoVotes,
    /// A server votes for candidates whose log is behind its own.
    VoteForStaleLog,
    /// Half of the servers count as a majority.
    HalfIsMajority,
    /// A leader that hears of a higher term adopts it and stays leader.
    NoStepDown,
    /// A follower takes entries whatever the term of the entry before.
    NoConsistencyCheck,
    /// A follower cuts its log after every AppendEntries, conflict or not.
    AlwaysTruncate,
    /// A follower acknowledges entries before they are on disk.
    AckBeforePersist,
    /// A follower acknowledges its whole log, not just what it compared with its leader's.
    AckWholeLog,
    /// A follower takes over the leader's commit index for entries it has not compared.
    CommitUnmatched,
    /// A leader counts its own copy of an entry before it is on disk.
    OwnCopyBeforePersist,
    /// A leader commits entries of earlier terms by counting copies (Figure 8).
    CountEarlierTerms,
}

impl Ablation {
    /// All of them, in the order of the paper.
    pub const ALL: [Ablation; 14] = [
        Ablation::GrantBeforePersist,
        Ablation::OwnVoteBeforePersist,
        Ablation::ForgetTerm,
        Ablation::TwoVotes,
        Ablation::VoteForStaleLog,
        Ablation::HalfIsMajority,
        Ablation::NoStepDown,
        Ablation::NoConsistencyCheck,
        Ablation::AlwaysTruncate,
        Ablation::AckBeforePersist,
        Ablation::AckWholeLog,
        Ablation::CommitUnmatched,
        Ablation::OwnCopyBeforePersist,
        Ablation::CountEarlierTerms,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Ablation::GrantBeforePersist => "grant-before-persist",
            Ablation::OwnVoteBeforePersist => "own-vote-before-persist",
            Ablation::ForgetTerm => "forget-term",
            Ablation::TwoVotes => "two-votes",
            Ablation::VoteForStaleLog => "vote-for-stale-log",
            Ablation::HalfIsMajority => "half-is-majority",
            Ablation::NoStepDown => "no-step-down",
            Ablation::NoConsistencyCheck => "no-consistency-check",
            Ablation::AlwaysTruncate => "always-truncate",
            Ablation::AckBeforePersist => "ack-before-persist",
            Ablation::AckWholeLog => "ack-whole-log",
            Ablation::CommitUnmatched => "commit-unmatched",
            Ablation::OwnCopyBeforePersist => "own-copy-before-persist",
            Ablation::CountEarlierTerms => "count-earlier-terms",
        }
    }

    /// The rule that is removed, in the paper's words or nearly so, with its section.
    #[must_use]
    pub const fn removed_rule(self) -> &'static str {
        match self {
            Ablation::GrantBeforePersist => {
                "a vote is on stable storage before it is granted (Figure 2, §5.2)"
            }
            Ablation::OwnVoteBeforePersist => {
                "a candidate's own vote is on stable storage before it counts (Figure 2, §5.2)"
            }
            Ablation::ForgetTerm => "currentTerm and votedFor survive a restart (Figure 2)",
            Ablation::TwoVotes => "a server votes for at most one candidate in a term (§5.2)",
            Ablation::VoteForStaleLog => {
                "a voter denies its vote if its own log is more up to date (§5.4.1)"
            }
            Ablation::HalfIsMajority => "a decision takes a majority of the servers (§5.2)",
            Ablation::NoStepDown => "a leader that sees a higher term becomes a follower (§5.1)",
            Ablation::NoConsistencyCheck => {
                "entries follow only an entry of the same index and term (§5.3)"
            }
            Ablation::AlwaysTruncate => "only entries that conflict are deleted (§5.3)",
            Ablation::AckBeforePersist => {
                "entries are on stable storage before they are acknowledged (Figure 2)"
            }
            Ablation::AckWholeLog => {
                "a follower acknowledges only what matches its leader's log (§5.3)"
            }
            Ablation::CommitUnmatched => {
                "a follower commits up to its last new entry at most (Figure 2, AppendEntries 5)"
            }
            Ablation::OwnCopyBeforePersist => {
                "a leader's own copy counts once it is on stable storage (Figure 2)"
            }
            Ablation::CountEarlierTerms => {
                "only entries of the leader's own term are committed by counting (§5.4.2)"
            }
        }
    }

    /// The ablation of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Ablation> {
        Ablation::ALL
            .into_iter()
            .find(|ablation| ablation.name() == name)
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of ablations; empty is Raft.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Hash)]
pub struct Ablations(u32);

impl Ablations {
    /// Nothing removed.
    pub const NONE: Ablations = Ablations(0);

    /// Whether this rule is removed.
    #[inline]
    #[must_use]
    pub const fn has(self, ablation: Ablation) -> bool {
        self.0 & 1 << ablation as u8 != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, ablation: Ablation) -> Ablations {
        Ablations(self.0 | 1 << ablation as u8)
    }
}

impl From<Ablation> for Ablations {
    fn from(ablation: Ablation) -> Ablations {
        Ablations::NONE.and(ablation)
    }
}
