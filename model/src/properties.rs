//! What must always hold: the five properties of Figure 3, that nothing is promised which a crash
//! could take back, and what the optional parts of Raft promise.

use std::fmt;

use crate::bounds::Bounds;
use crate::log::Index;
use crate::server::ServerId;
use crate::state::State;

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
}

impl Property {
    /// All of them, in the order of Figure 3.
    pub const ALL: [Property; 8] = [
        Property::ElectionSafety,
        Property::LeaderAppendOnly,
        Property::LogMatching,
        Property::LeaderCompleteness,
        Property::StateMachineSafety,
        Property::DurablePromises,
        Property::LinearizableReads,
        Property::Monotonicity,
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
            Property::LinearizableReads => {
                "a read that is served sees every entry that any leader had committed when the read \
                 was asked for"
            }
        }
    }

    /// Whether it holds in `state`, and held in the steps that led there.
    #[must_use]
    pub fn holds(self, bounds: &Bounds, state: &State) -> bool {
        !state.ghost().is_broken(self) && self.breach(bounds, state).is_none()
    }

    /// What in `state` breaks it, in words. Properties of steps leave only a mark in the ghosts.
    #[must_use]
    pub fn breach(self, _bounds: &Bounds, state: &State) -> Option<Breach> {
        match self {
            Property::ElectionSafety => two_leaders(state),
            Property::LogMatching => unmatched_logs(state),
            Property::LeaderCompleteness => incomplete_leader(state),
            Property::StateMachineSafety => diverged_state_machine(state),
            Property::LeaderAppendOnly
            | Property::DurablePromises
            | Property::LinearizableReads
            | Property::Monotonicity => None,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a state breaks a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// Two servers, the second against the first.
    Servers(ServerId, ServerId),
    /// A server, at an index.
    At(ServerId, Index),
    /// Two servers, at an index.
    Between(ServerId, ServerId, Index),
}

/// A set of properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Properties(u16);

impl Properties {
    /// All of them.
    pub const ALL: Properties = Properties((1 << Property::ALL.len()) - 1);

    /// Only this one.
    #[must_use]
    pub const fn only(property: Property) -> Properties {
        Properties(1 << property as u16)
    }

    /// Whether `property` is among them.
    #[must_use]
    pub const fn has(self, property: Property) -> bool {
        self.0 & 1 << property as u16 != 0
    }

    /// The first of them that `state` breaks.
    #[inline]
    #[must_use]
    pub fn first_broken(self, bounds: &Bounds, state: &State) -> Option<Property> {
        Property::ALL
            .into_iter()
            .find(|&property| self.has(property) && !property.holds(bounds, state))
    }
}

/// A server that leads a term which another one was elected for, or which another one leads too.
fn two_leaders(state: &State) -> Option<Breach> {
    for (id, server) in state.ids().zip(state.servers()) {
        if !server.is_leader() {
            continue;
        }
        if let Some(elected) = state.ghost().leader(server.term())
            && elected != id
        {
            return Some(Breach::Servers(elected, id));
        }
        let rival = state
            .ids()
            .zip(state.servers())
            .find(|&(other, s)| other != id && s.is_leader() && s.term() == server.term());
        if let Some((other, _)) = rival {
            return Some(Breach::Servers(id, other));
        }
    }
    None
}

fn unmatched_logs(state: &State) -> Option<Breach> {
    let servers = state.servers();
    for (i, a) in state.ids().zip(servers) {
        for (j, b) in state.ids().zip(servers).skip(i.at() + 1) {
            let (a, b) = (a.log(), b.log());
            let same = a.common_len(b);
            // Beyond the first difference no index may carry the same term in both.
            for index in same + 1..=a.len().min(b.len()) {
                if a.term_at(index) == b.term_at(index) {
                    return Some(Breach::Between(i, j, index));
                }
            }
        }
    }
    None
}

fn incomplete_leader(state: &State) -> Option<Breach> {
    let ghost = state.ghost();
    let committed = ghost.committed();
    for (id, server) in state.ids().zip(state.servers()) {
        if !server.is_leader() {
            continue;
        }
        let missing = (1..=committed.len()).find(|&index| {
            ghost.commit_term(index) < server.term()
                && server.log().get(index) != committed.get(index)
        });
        if let Some(index) = missing {
            return Some(Breach::At(id, index));
        }
    }
    None
}

/// A server applies what it commits. The ghost holds all that was ever committed first, so two
/// servers disagree, now or at different times, exactly if one of them disagrees with the ghost.
fn diverged_state_machine(state: &State) -> Option<Breach> {
    let committed = state.ghost().committed();
    for (id, server) in state.ids().zip(state.servers()) {
        let log = server.log();
        let wrong = (1..=server.commit())
            .find(|&index| log.get(index).is_none() || log.get(index) != committed.get(index));
        if let Some(index) = wrong {
            return Some(Breach::At(id, index));
        }
    }
    None
}
