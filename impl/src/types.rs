//! The vocabulary that every room of this crate shares: terms, indexes, entries, hard state.
//! Names are the Raft paper's (Figure 2). Plain data; no behaviour beyond arithmetic that is safe.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A server's identity, unique within a cluster and never reused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// A term (§5.1): a logical clock; zero before the first election.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Term(pub u64);

/// A position in the log; the first entry has index one, zero stands before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogIndex(pub u64);

impl Term {
    /// Before any election.
    pub const ZERO: Term = Term(0);

    /// The term that follows.
    #[must_use]
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl LogIndex {
    /// The position before the first entry.
    pub const ZERO: LogIndex = LogIndex(0);

    /// The index that follows.
    #[must_use]
    pub fn next(self) -> LogIndex {
        LogIndex(self.0 + 1)
    }

    /// The index before; zero stays zero.
    #[must_use]
    pub fn prev(self) -> LogIndex {
        LogIndex(self.0.saturating_sub(1))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payload {
    /// A new leader's first entry (§8): committing it commits everything before it.
    Noop,
    /// A command for the replicated state machine, opaque to Raft.
    Command(Bytes),
    /// Who takes part from this entry on: in force as soon as it is in a log (§6).
    Membership(Arc<Membership>),
}

/// Who takes part (§6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// Who votes; in the joint phase, who will alone once it is over.
    pub voters: BTreeSet<NodeId>,
    /// Who voted before the change, in its joint phase; nobody otherwise.
    pub outgoing: BTreeSet<NodeId>,
    /// Who receives the log and does not vote.
    pub learners: BTreeSet<NodeId>,
    /// Where members listen, `host:port`, as far as the cluster was told. Opaque to the core.
    pub addresses: BTreeMap<NodeId, String>,
}

impl Membership {
    /// Voters and nobody else.
    #[must_use]
    pub fn of_voters(voters: BTreeSet<NodeId>) -> Membership {
        Membership {
            voters,
            ..Membership::default()
        }
    }

    /// Whether old and new voters must both agree.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether this server's vote counts, among the old or the new.
    #[must_use]
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id)
    }

    /// Everyone who receives the log.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        let all = [&self.voters, &self.outgoing, &self.learners];
        all.into_iter().flatten().copied().collect()
    }

    /// Whether this server receives the log.
    #[must_use]
    pub fn is_member(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.learners.contains(&id)
    }

    /// How many receive the log.
    #[must_use]
    pub fn member_count(&self) -> usize {
        let outgoing = self.outgoing.difference(&self.voters).count();
        let others = self.learners.iter().filter(|id| !self.is_voter(**id));
        self.voters.len() + outgoing + others.count()
    }

    /// What follows the joint phase.
    #[must_use]
    pub fn after_joint(&self) -> Membership {
        Membership {
            outgoing: BTreeSet::new(),
            ..self.clone()
        }
        .with_addresses(&BTreeMap::new())
    }

    /// The same with these addresses besides, and none of those who are no members.
    #[must_use]
    pub fn with_addresses(mut self, addresses: &BTreeMap<NodeId, String>) -> Membership {
        let members = self.members();
        self.addresses
            .extend(addresses.iter().map(|(id, addr)| (*id, addr.clone())));
        self.addresses.retain(|id, _| members.contains(id));
        self
    }
}

impl Payload {
    /// The command's size in bytes; zero for a no-op, an estimate for a membership.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Payload::Noop => 0,
            Payload::Membership(membership) => {
                let addresses: usize = membership.addresses.values().map(String::len).sum();
                8 * membership.member_count() + addresses
            }
            Payload::Command(bytes) => bytes.len(),
        }
    }

    /// Whether the payload carries no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One slot of the replicated log (§5.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub index: LogIndex,
    /// The term in which a leader created it.
    pub term: Term,
    /// What it carries.
    pub payload: Payload,
}

/// What a server must never forget besides its log (Figure 2, "persistent state").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term this server has seen.
    pub current_term: Term,
    /// Whom it voted for in that term, if anyone.
    pub voted_for: Option<NodeId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_and_found_as_they_are_listed() {
        let set = |ids: &[u64]| -> BTreeSet<NodeId> { ids.iter().copied().map(NodeId).collect() };
        let membership = Membership {
            voters: set(&[1, 2, 3]),
            outgoing: set(&[2, 4]),
            learners: set(&[3, 4, 5]),
            addresses: BTreeMap::new(),
        };
        let members = membership.members();
        assert_eq!(membership.member_count(), members.len());
        for id in (0..8).map(NodeId) {
            assert_eq!(membership.is_member(id), members.contains(&id), "{id}");
        }
    }
}
