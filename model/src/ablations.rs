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
    /// A leader notes its commit index for a read before it has committed in its term.
    ReadBeforeOwnCommit,
    /// A leader serves reads without asking whether it still leads.
    ReadWithoutRound,
    /// Answers to a round that began before a read was asked for confirm it.
    ConfirmByEarlierRound,
    /// An answer from a later term than the round's confirms it.
    ConfirmByRefusal,
    /// Answers to a round of an earlier term of a leader's own confirm a read.
    ConfirmByEarlierTerm,
    /// A server serves a read though it has not applied all that the read is to see.
    ServeBeforeApplied,
    /// A server votes for others though it has just heard its leader.
    NoPatience,
    /// A server that restarts votes at once.
    RestartImpatient,
    /// A leader counts its lease from the answers of a majority.
    LeaseFromAnswers,
    /// A leader counts on its lease for as long as others are patient by their own clocks.
    IgnoreDrift,
    /// A leader keeps its lease though it told another to stand.
    KeepLeaseThroughTransfer,
    /// A server discards entries that it has not applied.
    CompactUncommitted,
    /// A snapshot replaces the whole log, whatever the log has.
    InstallDropsSuffix,
    /// A server installs a snapshot that is older than what it has applied.
    InstallOlder,
    /// A voter whose log is all snapshot takes it to be empty.
    VoteIgnoresSnapshot,
    /// A server takes entries that its snapshot stands for to be in conflict with its log.
    TruncateBelowSnapshot,
    /// A snapshot's installation cuts the log on disk before the snapshot is there.
    CutBeforeSnapshot,
    /// In the joint phase, a majority of all voters together decides.
    JointByUnion,
    /// In the joint phase, the old voters decide alone.
    JointByOld,
    /// A leader changes from any configuration to any other (Figure 10).
    SkipJoint,
    /// A server uses the latest configuration that it knows to be committed.
    ConfigOnceCommitted,
    /// A leader appends a configuration while an earlier one is not committed.
    TwoChanges,
    /// A leader changes a single server before it has committed in its term.
    ChangeBeforeOwnCommit,
    /// Learners count for a majority of the voters.
    CountLearners,
    /// A candidate counts those that said they would vote for it.
    PreVoteIsVote,
    /// A state machine executes whatever is committed.
    ExecuteTwice,
    /// A state machine that starts from a snapshot has forgotten which requests it executed.
    SnapshotWithoutSessions,
    /// A server's vote stands for all terms to come.
    KeepVote,
    /// A server whose log begins behind a snapshot has forgotten what configuration was in force there.
    SnapshotWithoutConfig,
}

const COUNT: usize = 43;

/// Each with its name on the command line, and the rule that is removed, in the paper's words or nearly
/// so, with its section; in the order of the paper, then of the dissertation.
const TABLE: [(Ablation, &str, &str); COUNT] = [
    (
        Ablation::GrantBeforePersist,
        "grant-before-persist",
        "a vote is on stable storage before it is granted (Figure 2, §5.2)",
    ),
    (
        Ablation::OwnVoteBeforePersist,
        "own-vote-before-persist",
        "a candidate's own vote is on stable storage before it counts (Figure 2, §5.2)",
    ),
    (
        Ablation::ForgetTerm,
        "forget-term",
        "currentTerm and votedFor survive a restart (Figure 2)",
    ),
    (
        Ablation::TwoVotes,
        "two-votes",
        "a server votes for at most one candidate in a term (§5.2)",
    ),
    (
        Ablation::VoteForStaleLog,
        "vote-for-stale-log",
        "a voter denies its vote if its own log is more up to date (§5.4.1)",
    ),
    (
        Ablation::HalfIsMajority,
        "half-is-majority",
        "a decision takes a majority of the servers (§5.2)",
    ),
    (
        Ablation::NoStepDown,
        "no-step-down",
        "a leader that sees a higher term becomes a follower (§5.1)",
    ),
    (
        Ablation::NoConsistencyCheck,
        "no-consistency-check",
        "entries follow only an entry of the same index and term (§5.3)",
    ),
    (
        Ablation::AlwaysTruncate,
        "always-truncate",
        "only entries that conflict are deleted (§5.3)",
    ),
    (
        Ablation::AckBeforePersist,
        "ack-before-persist",
        "entries are on stable storage before they are acknowledged (Figure 2)",
    ),
    (
        Ablation::AckWholeLog,
        "ack-whole-log",
        "a follower acknowledges only what matches its leader's log (§5.3)",
    ),
    (
        Ablation::CommitUnmatched,
        "commit-unmatched",
        "a follower commits up to its last new entry at most (Figure 2, AppendEntries 5)",
    ),
    (
        Ablation::OwnCopyBeforePersist,
        "own-copy-before-persist",
        "a leader's own copy counts once it is on stable storage (Figure 2)",
    ),
    (
        Ablation::CountEarlierTerms,
        "count-earlier-terms",
        "only entries of the leader's own term are committed by counting (§5.4.2)",
    ),
    (
        Ablation::ReadBeforeOwnCommit,
        "read-before-own-commit",
        "a leader serves reads once it has committed an entry of its own term (dissertation §6.4)",
    ),
    (
        Ablation::ReadWithoutRound,
        "read-without-round",
        "a read waits for a round of heartbeats (dissertation §6.4)",
    ),
    (
        Ablation::ConfirmByEarlierRound,
        "confirm-by-earlier-round",
        "only a round that began after a read was asked for confirms it (dissertation §6.4)",
    ),
    (
        Ablation::ConfirmByRefusal,
        "confirm-by-refusal",
        "a server of a later term refuses a round, and its answer confirms nothing (dissertation §6.4)",
    ),
    (
        Ablation::ConfirmByEarlierTerm,
        "confirm-by-earlier-term",
        "only answers of a leader's present term confirm that it leads (dissertation §6.4)",
    ),
    (
        Ablation::ServeBeforeApplied,
        "serve-before-applied",
        "a read is served once the index noted for it is applied (dissertation §6.4)",
    ),
    (
        Ablation::NoPatience,
        "no-patience",
        "a server that has heard a leader within the least election timeout gives no vote (dissertation §4.2.3)",
    ),
    (
        Ablation::RestartImpatient,
        "restart-impatient",
        "a server that starts is patient, as it may have heard a leader before (dissertation §4.2.3)",
    ),
    (
        Ablation::LeaseFromAnswers,
        "lease-from-answers",
        "a lease is counted from the sending of its round (dissertation §6.4.1)",
    ),
    (
        Ablation::IgnoreDrift,
        "ignore-drift",
        "a lease is shorter than the least election timeout by the drift of two clocks (dissertation §6.4.1)",
    ),
    (
        Ablation::KeepLeaseThroughTransfer,
        "keep-lease-through-transfer",
        "a leader that tells another to stand gives up its lease (dissertation §3.10, §6.4.1)",
    ),
    (
        Ablation::CompactUncommitted,
        "compact-uncommitted",
        "a snapshot stands for committed entries only (§7)",
    ),
    (
        Ablation::InstallDropsSuffix,
        "install-drops-suffix",
        "a server keeps the entries that follow a snapshot whose last entry it has (§7)",
    ),
    (
        Ablation::InstallOlder,
        "install-older",
        "a snapshot of what a server has applied already is left alone (§7)",
    ),
    (
        Ablation::VoteIgnoresSnapshot,
        "vote-ignores-snapshot",
        "a log that is all snapshot ends with the snapshot's last index and term (§5.4.1, §7)",
    ),
    (
        Ablation::TruncateBelowSnapshot,
        "truncate-below-snapshot",
        "entries that a snapshot stands for conflict with nothing (§7)",
    ),
    (
        Ablation::CutBeforeSnapshot,
        "cut-before-snapshot",
        "a snapshot is on disk before the log is cut for it (§7)",
    ),
    (
        Ablation::JointByUnion,
        "joint-by-union",
        "in the joint phase, the old and the new voters each agree by majority (§6)",
    ),
    (
        Ablation::JointByOld,
        "joint-by-old",
        "in the joint phase, the new voters must agree too (§6)",
    ),
    (
        Ablation::SkipJoint,
        "skip-joint",
        "voters change through a joint phase, or one at a time (§6, dissertation §4.1)",
    ),
    (
        Ablation::ConfigOnceCommitted,
        "config-once-committed",
        "a server uses the latest configuration in its log, committed or not (§6)",
    ),
    (
        Ablation::TwoChanges,
        "two-changes",
        "a leader changes a configuration only once that is committed (dissertation §4.1)",
    ),
    (
        Ablation::ChangeBeforeOwnCommit,
        "change-before-own-commit",
        "a leader changes the configuration once it has committed an entry of its term (Ongaro 2015)",
    ),
    (
        Ablation::CountLearners,
        "count-learners",
        "learners are not counted (dissertation §4.2.1)",
    ),
    (
        Ablation::PreVoteIsVote,
        "pre-vote-is-vote",
        "that a server would vote for another is not a vote (dissertation §9.6)",
    ),
    (
        Ablation::ExecuteTwice,
        "execute-twice",
        "a request that was executed before is not executed again (§8, dissertation §6.3)",
    ),
    (
        Ablation::SnapshotWithoutSessions,
        "snapshot-without-sessions",
        "a snapshot has what its state machine remembers of requests (dissertation §6.3)",
    ),
    (
        Ablation::KeepVote,
        "keep-vote",
        "a new term is a new vote (§5.2)",
    ),
    (
        Ablation::SnapshotWithoutConfig,
        "snapshot-without-config",
        "a snapshot has the configuration in force at its last index (§7)",
    ),
];

impl Ablation {
    /// All of them, in the order of the paper.
    pub const ALL: [Ablation; COUNT] = {
        let mut all = [Ablation::GrantBeforePersist; COUNT];
        let mut at = 0;
        while at < COUNT {
            all[at] = TABLE[at].0;
            assert!(
                all[at] as usize == at,
                "the table is in the order of the variants"
            );
            at += 1;
        }
        all
    };

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The rule that is removed, in the paper's words or nearly so, with its section.
    #[must_use]
    pub const fn removed_rule(self) -> &'static str {
        TABLE[self as usize].2
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
pub struct Ablations(u64);

impl Ablations {
    /// Nothing removed.
    pub const NONE: Ablations = Ablations(0);

    /// Whether this rule is removed.
    #[inline]
    #[must_use]
    pub const fn has(self, ablation: Ablation) -> bool {
        self.0 & 1 << ablation as u64 != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, ablation: Ablation) -> Ablations {
        Ablations(self.0 | 1 << ablation as u64)
    }
}

impl From<Ablation> for Ablations {
    fn from(ablation: Ablation) -> Ablations {
        Ablations::NONE.and(ablation)
    }
}
