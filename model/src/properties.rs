//! What must always hold: the five properties of Figure 3, that nothing is promised which a crash
//! could take back, and what the optional parts of Raft promise.

use std::fmt;

use crate::log::Index;
use crate::raft::Raft;
use crate::rules::{decides, executions, in_force};
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

/// Where a state breaks a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// Two servers, the second against the first.
    Servers(ServerId, ServerId),
    /// A server, at an index.
    At(ServerId, Index),
    /// Two servers, at an index.
    Between(ServerId, ServerId, Index),
    /// Two servers whose configurations can be decided by disjoint sets.
    Apart(ServerId, ServerId),
    /// A server whose log has too many configurations.
    Crowded(ServerId),
    /// A server that has executed a request more than once.
    Twice(ServerId, u8),
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

/// Two servers that could each be elected by servers whose logs let them vote for it, as the logs stand,
/// the ones without any of the others.
fn disjoint_quorums(raft: &Raft, state: &State) -> Option<Breach> {
    if !raft.features().plan.is_on() {
        return None;
    }
    let voters_for = |id: ServerId| {
        let log = state.server(id).log();
        let votes = |&at: &ServerId| {
            let voter = state.server(at).log();
            at == id || voter.at_most_as_up_to_date_as(log.last_term(), log.len())
        };
        state
            .ids()
            .filter(votes)
            .fold(0u8, |set, at| set | 1 << at.0)
    };
    for a in state.ids() {
        let (of_a, ours) = (in_force(raft, state.server(a)).1, voters_for(a));
        if !decides(raft, of_a, ours) {
            continue;
        }
        for b in state.ids().skip(a.at() + 1) {
            let (of_b, theirs) = (in_force(raft, state.server(b)).1, voters_for(b));
            let apart = |set: u8| {
                set & !ours == 0 && decides(raft, of_a, set) && decides(raft, of_b, theirs & !set)
            };
            if of_a != of_b && decides(raft, of_b, theirs) && (0..=ours).any(apart) {
                return Some(Breach::Apart(a, b));
            }
        }
    }
    None
}

fn two_changes(raft: &Raft, state: &State) -> Option<Breach> {
    let plan = &raft.features().plan;
    if !plan.is_on() {
        return None;
    }
    let committed = usize::from(state.ghost().committed().len());
    state.ids().find_map(|id| {
        let open = state.server(id).log().entries().skip(committed);
        let changes = open.filter(|entry| plan.named_by(entry.value).is_some());
        (changes.count() > 1).then_some(Breach::Crowded(id))
    })
}

fn executed_twice(raft: &Raft, state: &State) -> Option<Breach> {
    if raft.features().retries == 0 {
        return None;
    }
    state.ids().find_map(|id| {
        let server = state.server(id);
        let twice = |&value: &u8| executions(raft, server, value) > 1;
        let value = (1..=state.ghost().requests()).find(twice)?;
        Some(Breach::Twice(id, value))
    })
}
