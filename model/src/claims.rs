//! What must be reachable, so that what always holds does not hold for want of anything happening.
//! A claim is about a step: no state needs to remember it.

use std::fmt;

use crate::action::Action;
use crate::raft::Raft;
use crate::rules::in_force;
use crate::state::State;

/// Something that a scope claims to reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Claim {
    /// A candidate becomes leader.
    LeaderElected,
    /// A leader commits an entry.
    EntryCommitted,
    /// A leader of a later term commits an entry of an earlier one (§5.4.2).
    CommitsEarlierTerm,
    /// A follower deletes entries that conflict with its leader's (§5.3).
    ConflictTruncated,
    /// A server restarts with entries in its log.
    RecoversWithLog,
    /// A crash loses a vote, a term or entries that were not yet durable.
    CrashLosesWrites,
    /// A leader serves a read.
    ReadServed,
    /// A server that does not lead serves a read.
    ReadServedByFollower,
    /// A read is asked of a leader that others have moved past.
    DeposedLeaderAsked,
    /// A leader serves a read by its lease.
    LeaseRead,
    /// A lease that a leader holds is over.
    LeaseEnds,
    /// A server that its leader told to stand is elected.
    LeadershipTransferred,
    /// A server whose log ends before a snapshot installs it.
    SnapshotInstalled,
    /// A server installs a snapshot and keeps entries that follow it.
    SuffixRetained,
    /// A server installs a snapshot that its log conflicts with.
    ConflictDiscarded,
    /// A leader commits a configuration.
    ConfigurationCommitted,
    /// A server deletes a configuration, and an earlier one is back in force.
    ConfigurationRolledBack,
    /// A leader is elected by another configuration than the first.
    ElectedByNewVoters,
    /// A leader that is no voter any more steps down.
    LeaderRemoved,
    /// A server stands for election after it asked whether it would win.
    StandsAfterPreVote,
    /// A request commits for the second time.
    RetryCommitted,
}

impl Claim {
    /// All of them.
    pub const ALL: [Claim; 21] = [
        Claim::LeaderElected,
        Claim::EntryCommitted,
        Claim::CommitsEarlierTerm,
        Claim::ConflictTruncated,
        Claim::RecoversWithLog,
        Claim::CrashLosesWrites,
        Claim::ReadServed,
        Claim::ReadServedByFollower,
        Claim::DeposedLeaderAsked,
        Claim::LeaseRead,
        Claim::LeaseEnds,
        Claim::LeadershipTransferred,
        Claim::SnapshotInstalled,
        Claim::SuffixRetained,
        Claim::ConflictDiscarded,
        Claim::ConfigurationCommitted,
        Claim::ConfigurationRolledBack,
        Claim::ElectedByNewVoters,
        Claim::LeaderRemoved,
        Claim::StandsAfterPreVote,
        Claim::RetryCommitted,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Claim::LeaderElected => "a leader is elected (§5.2)",
            Claim::EntryCommitted => "an entry commits (§5.3)",
            Claim::CommitsEarlierTerm => {
                "a leader of a later term commits an entry of an earlier one (§5.4.2)"
            }
            Claim::ConflictTruncated => "a follower truncates a conflicting entry (§5.3)",
            Claim::RecoversWithLog => "a server recovers with a log (Figure 2)",
            Claim::CrashLosesWrites => "a crash loses what was not yet durable (Figure 2)",
            Claim::ReadServed => "a leader serves a read (dissertation §6.4)",
            Claim::SnapshotInstalled => "a server that is behind installs a snapshot (§7)",
            Claim::SuffixRetained => "a server keeps the entries that follow a snapshot (§7)",
            Claim::ConflictDiscarded => {
                "a server discards a log that a snapshot conflicts with (§7)"
            }
            Claim::ConfigurationCommitted => "a configuration commits (§6)",
            Claim::ConfigurationRolledBack => {
                "a configuration is deleted, and the one before is back in force (§6)"
            }
            Claim::ElectedByNewVoters => "a leader is elected by a later configuration (§6)",
            Claim::LeaderRemoved => "a leader that was removed steps down (§6)",
            Claim::StandsAfterPreVote => {
                "a server stands once others said that they would vote for it (dissertation §9.6)"
            }
            Claim::RetryCommitted => "a request commits for the second time (§8)",
            Claim::LeaseRead => "a leader serves a read by its lease (dissertation §6.4.1)",
            Claim::LeaseEnds => "a lease is over (dissertation §6.4.1)",
            Claim::LeadershipTransferred => {
                "a server that its leader told to stand is elected (dissertation §3.10)"
            }
            Claim::ReadServedByFollower => "a follower serves a read (dissertation §6.4)",
            Claim::DeposedLeaderAsked => {
                "a read is asked of a leader that others have moved past (dissertation §6.4)"
            }
        }
    }

    /// Whether the step from `before` to `after` is one that this claims.
    #[must_use]
    pub fn is_shown_by(self, raft: &Raft, before: &State, action: Action, after: &State) -> bool {
        let has_plan = raft.features().plan.is_on();
        let Some(id) = action.server() else {
            return self == Claim::LeaseEnds && lease_ends(before, after);
        };
        let (was, is) = (before.server(id), after.server(id));
        match (self, action) {
            (Claim::LeaderElected, Action::BecomeLeader(_))
            | (Claim::EntryCommitted, Action::AdvanceCommit(..)) => true,
            (Claim::CommitsEarlierTerm, Action::AdvanceCommit(..)) => {
                let first = before.ghost().committed().len() + 1;
                first <= is.commit() && is.log().term_at(first) < is.term()
            }
            (Claim::ConflictTruncated, Action::HandleAppendEntries(..)) => {
                !is.log().starts_with(was.log())
            }
            (Claim::RecoversWithLog, Action::CrashAndRestart(_)) => !is.log().is_empty(),
            (Claim::CrashLosesWrites, Action::CrashAndRestart(_)) => was.is_dirty(),
            (Claim::ReadServed, Action::ServeRead(_, at)) => at == id,
            (Claim::ReadServedByFollower, Action::ServeRead(_, at)) => at != id,
            (Claim::DeposedLeaderAsked, Action::AskRead(_)) => {
                before.ghost().committed().len() > was.commit()
            }
            (Claim::LeaseRead, Action::LeaseRead(_)) => true,
            (Claim::LeadershipTransferred, Action::BecomeLeader(_)) => {
                was.extra().stands_by_transfer()
            }
            (Claim::SnapshotInstalled, Action::HandleInstallSnapshot(..)) => {
                is.base() > was.log().len()
            }
            (Claim::SuffixRetained, Action::HandleInstallSnapshot(..)) => {
                is.base() > was.base() && is.log().len() > is.base()
            }
            (Claim::ConflictDiscarded, Action::HandleInstallSnapshot(..)) => {
                !is.log().starts_with(was.log())
            }
            (Claim::ConfigurationCommitted, Action::AdvanceCommit(..)) if has_plan => {
                let (at, _) = in_force(raft, is);
                was.commit() < at && at <= is.commit()
            }
            (Claim::ConfigurationRolledBack, Action::HandleAppendEntries(..)) if has_plan => {
                in_force(raft, is).0 < in_force(raft, was).0
            }
            (Claim::ElectedByNewVoters, Action::BecomeLeader(_)) if has_plan => {
                in_force(raft, is).0 > 0
            }
            (Claim::LeaderRemoved, Action::LeaveOffice(_)) => true,
            (Claim::StandsAfterPreVote, Action::Timeout(_)) => raft.features().pre_vote,
            (Claim::RetryCommitted, Action::AdvanceCommit(..)) => {
                let log = is.log().prefix(is.commit());
                let entries = || (1..).zip(log.entries());
                entries().any(|(i, e)| entries().any(|(j, f)| i < j && e.value == f.value))
            }
            _ => false,
        }
    }
}

fn lease_ends(before: &State, after: &State) -> bool {
    let mut servers = before.servers().iter().zip(after.servers());
    servers.any(|(was, is)| was.extra().holds_lease() && !is.extra().holds_lease())
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of claims.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Hash)]
pub struct Claims(u32);

impl Claims {
    /// No claim.
    pub const NONE: Claims = Claims(0);
    /// What elections, replication and crashes can show.
    pub const PLAIN: Claims = Claims((1 << (Claim::CrashLosesWrites as u32 + 1)) - 1);

    /// These and one more.
    #[must_use]
    pub const fn and(self, claim: Claim) -> Claims {
        Claims(self.0 | 1 << claim as u32)
    }

    /// Those of either.
    #[must_use]
    pub const fn union(self, other: Claims) -> Claims {
        Claims(self.0 | other.0)
    }

    /// Whether `claim` is among them.
    #[must_use]
    pub const fn has(self, claim: Claim) -> bool {
        self.0 & 1 << claim as u32 != 0
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn of_bits(bits: u32) -> Claims {
        Claims(bits)
    }

    /// Adds what a step shows of the claims that are wanted, looking only for what is missing still.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        raft: &Raft,
        wanted: Claims,
        before: &State,
        action: Action,
        after: &State,
    ) {
        if self.0 & wanted.0 == wanted.0 {
            return;
        }
        for claim in Claim::ALL {
            if wanted.has(claim)
                && !self.has(claim)
                && claim.is_shown_by(raft, before, action, after)
            {
                *self = self.and(claim);
            }
        }
    }
}
