//! The properties of states, each as a search for what breaks it.

use crate::log::Index;
use crate::raft::Raft;
use crate::rules::{decides, executions, in_force};
use crate::server::ServerId;
use crate::state::State;

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

/// A server that leads a term which another one was elected for, or which another one leads too.
pub(super) fn two_leaders(state: &State) -> Option<Breach> {
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

pub(super) fn unmatched_logs(state: &State) -> Option<Breach> {
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

pub(super) fn incomplete_leader(state: &State) -> Option<Breach> {
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
pub(super) fn diverged_state_machine(state: &State) -> Option<Breach> {
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
pub(super) fn disjoint_quorums(raft: &Raft, state: &State) -> Option<Breach> {
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

pub(super) fn two_changes(raft: &Raft, state: &State) -> Option<Breach> {
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

pub(super) fn executed_twice(raft: &Raft, state: &State) -> Option<Breach> {
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
