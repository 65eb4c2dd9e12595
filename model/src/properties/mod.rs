//! What must always hold: the five properties of Figure 3, that nothing is promised which a crash
//! could take back, and what the optional parts of Raft promise.

mod breaches;

use std::fmt;

use crate::raft::Raft;
use crate::state::State;
pub use breaches::Breach;
use breaches::{
    disjoint_quorums, diverged_state_machine, executed_twice, incomplete_leader, two_changes,
    two_leaders, unmatched_logs,
};

/// A safety property.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Property {
    /// At most one leader can be elected in a given term.
    ElectionSafety,
    /// A leader never overwrites or deletes entries in its log; it only appends new ones.
    LeaderAppendOnly,
    /// Two logs with an entry of the same index and term are identical up to that index.
    LogMatching,
    /// An entry committed in a term is in the logs of the leaders of all higher terms.
    LeaderCompleteness,
    /// If a server has applied an entry at an index, no other ever applies another there.
    StateMachineSafety,
    /// No vote, acknowledgement or count of one's own copy exceeds what is durable.
    DurablePromises,
    /// A read sees everything that was committed when it was asked for.
    LinearizableReads,
    /// Terms and commit indexes never go down, but by a crash.
    Monotonicity,
    /// Any two quorums that could decide as the logs stand have a server in common.
    ConfigurationSafety,
    /// Of what no leader has committed yet, a log has at most one configuration.
    OneChangeAtATime,
    /// No state machine executes a request twice.
    ExactlyOnce,
    /// From every state that the bounds leave room, some continuation commits more.
    Progress,
}

impl Property {
    /// All that states and steps show, in the order of Figure 3: all but [`Property::Progress`].
    pub const ALL: [Property; 11] = [
        Property::ElectionSafety,
        Property::LeaderAppendOnly,
        Property::LogMatching,
        Property::LeaderCompleteness,
        Property::StateMachineSafety,
        Property::DurablePromises,
        Property::LinearizableReads,
        Property::Monotonicity,
        Property::ConfigurationSafety,
        Property::OneChangeAtATime,
        Property::ExactlyOnce,
    ];

    /// Its name, with the place in the paper.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Property::ElectionSafety => "Election Safety (Figure 3, §5.2)",
            Property::LeaderAppendOnly => "Leader Append-Only (Figure 3, §5.3)",
            Property::LogMatching => "Log Matching (Figure 3, §5.3)",
            Property::LeaderCompleteness => "Leader Completeness (Figure 3, §5.4)",
            Property::StateMachineSafety => "State Machine Safety (Figure 3, §5.4.3)",
            Property::DurablePromises => "Durable Promises (Figure 2, \"Persistent state\")",
            Property::Monotonicity => "Monotonicity (Figure 2, \"State\")",
            Property::ConfigurationSafety => "Configuration Safety (§6)",
            Property::OneChangeAtATime => "One Change At A Time (§6, dissertation §4.1)",
            Property::Progress => "Progress (§5.2, §5.4.2)",
            Property::ExactlyOnce => "Exactly Once (§8, dissertation §6.3)",
            Property::LinearizableReads => "Linearizable Reads (dissertation §6.4)",
        }
    }

    /// What it says, in one sentence.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Property::ElectionSafety => "at most one leader can be elected in a given term",
            Property::LeaderAppendOnly => {
                "a leader never overwrites or deletes entries in its log; it only appends new ones"
            }
            Property::LogMatching => {
                "if two logs contain an entry with the same index and term, then the logs are \
                 identical in all entries up through that index"
            }
            Property::LeaderCompleteness => {
                "an entry committed in a given term is present in the logs of the leaders of all \
                 higher-numbered terms"
            }
            Property::StateMachineSafety => {
                "if a server has applied an entry at a given index, no other server will ever \
                 apply a different entry for that index"
            }
            Property::DurablePromises => {
                "votes, acknowledgements and a server's count of its own copy never exceed what \
                 would survive its crash"
            }
            Property::Monotonicity => {
                "a server's term and commit index never go down, but for what its crash takes back"
            }
            Property::ConfigurationSafety => {
                "any two quorums that could elect or commit now, each by a configuration that is in \
                 force, have a server in common"
            }
            Property::OneChangeAtATime => {
                "a log has at most one configuration that no leader has committed yet"
            }
            Property::ExactlyOnce => {
                "a state machine executes a request at most once, however often it was made and \
                 committed"
            }
            Property::Progress => {
                "from every state that has a term, a request and a place in the logs left, some \
                 continuation commits an entry that is not committed yet"
            }
            Property::LinearizableReads => {
                "a read that is served sees every entry that any leader had committed when the read \
                 was asked for"
            }
        }
    }

    /// Whether it holds in `state`, and held in the steps that led there.
    #[must_use]
    pub fn holds(self, raft: &Raft, state: &State) -> bool {
        !state.ghost().is_broken(self) && self.breach(raft, state).is_none()
    }

    /// What in `state` breaks it, in words. Properties of steps leave only a mark in the ghosts.
    #[must_use]
    pub fn breach(self, raft: &Raft, state: &State) -> Option<Breach> {
        match self {
            Property::ElectionSafety => two_leaders(state),
            Property::LogMatching => unmatched_logs(state),
            Property::LeaderCompleteness => incomplete_leader(state),
            Property::StateMachineSafety => diverged_state_machine(state),
            Property::LeaderAppendOnly
            | Property::DurablePromises
            | Property::LinearizableReads
            | Property::Monotonicity
            | Property::Progress => None,
            Property::ConfigurationSafety => disjoint_quorums(raft, state),
            Property::OneChangeAtATime => two_changes(raft, state),
            Property::ExactlyOnce => executed_twice(raft, state),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Properties(u16);

impl Properties {
    /// All that states and steps show.
    pub const ALL: Properties = Properties((1 << Property::ALL.len()) - 1);

    /// Only this one.
    #[must_use]
    pub const fn only(property: Property) -> Properties {
        Properties(1 << property as u16)
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, property: Property) -> Properties {
        Properties(self.0 | 1 << property as u16)
    }

    /// Whether `property` is among them.
    #[must_use]
    pub const fn has(self, property: Property) -> bool {
        self.0 & 1 << property as u16 != 0
    }

    /// The first of them that `state` breaks.
    #[inline]
    #[must_use]
    pub fn first_broken(self, raft: &Raft, state: &State) -> Option<Property> {
        Property::ALL
            .into_iter()
            .find(|&property| self.has(property) && !property.holds(raft, state))
    }
}
