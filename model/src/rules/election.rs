//! Leader election (§5.1, §5.2, §5.4.1).

use crate::ablations::Ablation;
use crate::log::{Index, Term};
use crate::message::{Message, Packed};
use crate::properties::Property;
use crate::raft::Raft;
use crate::rules::leases::{is_patient, may_hear_of};
use crate::rules::membership::{is_quorum, may_stand};
use crate::rules::pre_vote::{may_win, mistaken_votes};
use crate::rules::replication::send_all;
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// §5.2: a server that hears of no leader raises its term, votes for itself and stands for
/// election. It asks for votes once its own is durable: see [`settle`].
///
/// Clocks are left out: a timeout may strike at any time, as safety must not depend on timing. Where
/// leases make it depend, a server stands once its patience is over (dissertation §6.4.1).
pub(crate) fn timeout(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    if server.is_leader()
        || server.term() >= raft.bounds().max_term
        || server.extra().patience() > 0
        || !may_stand(raft, server, id)
        || !may_win(raft, state, id)
    {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id)
        .enter_term(server.term() + 1, Some(id), Role::Candidate);
    settle(raft, state, next, id)
}

/// §5.1: a server that sees a higher term in any message adopts it, and becomes a follower.
pub(crate) fn adopt_term(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    term: Term,
) -> Taken {
    let server = state.server(id);
    if term <= server.term() {
        return None;
    }
    // dissertation §4.2.3: only leases make it matter from whom it hears of the term.
    if raft.features().patience > 0 && !may_hear_of(raft, state, id, term) {
        return None;
    }
    let keeps_role = server.is_leader() && raft.without(Ablation::NoStepDown);
    let role = if keeps_role {
        Role::Leader
    } else {
        Role::Follower
    };
    next.clone_from(state);
    let vote = server.vote().filter(|_| raft.without(Ablation::KeepVote));
    next.server_mut(id).enter_term(term, vote, role);
    settle(raft, state, next, id)
}

/// §5.2, §5.4.1: a server grants its vote to the first candidate of its term whose log is at least
/// as up to date as its own. The grant leaves once the vote is durable: see [`settle`].
pub(crate) fn handle_request_vote(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::RequestVote {
        term,
        candidate,
        last_index,
        last_term,
        transfer,
    } = message.unpack()
    else {
        return None;
    };
    let server = state.server(id);
    if candidate == id || term != server.term() {
        return None;
    }
    // dissertation §4.2.3, §3.10.
    if is_patient(raft, server) && !transfer {
        return None;
    }
    let may_vote = match server.vote() {
        None => true,
        Some(earlier) => raft.without(Ablation::TwoVotes) && earlier != candidate,
    };
    let up_to_date = is_up_to_date(raft, server, last_index, last_term);
    if !may_vote || !up_to_date {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).set_vote(Some(candidate));
    settle(raft, state, next, id)
}

/// §5.4.1: whether a log that ends so is at least as up to date as that of `server`.
pub(crate) fn is_up_to_date(
    raft: &Raft,
    server: Server,
    last_index: Index,
    last_term: Term,
) -> bool {
    let only_snapshot = server.base() == server.log().len();
    server.log().at_most_as_up_to_date_as(last_term, last_index)
        || raft.without(Ablation::VoteForStaleLog)
        || (only_snapshot && raft.without(Ablation::VoteIgnoresSnapshot))
}

/// §5.2: a candidate with the votes of a majority becomes leader and says so.
///
/// It appends no entry of its own: Raft's no-op is a matter of progress, not of safety, and would
/// fill the short logs of a scope. Entries of earlier terms are committed along with the next
/// client request (§5.4.2), which `Claim::CommitsEarlierTerm` proves reachable.
pub(crate) fn become_leader(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    if server.role() != Role::Candidate || !is_quorum(raft, server, supporters(raft, state, id)) {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).set_role(Role::Leader);
    next.server_mut(id).extra_mut().enter_term();
    match state.ghost().leader(server.term()) {
        Some(elected) if elected != id => next.ghost.set_broken(Property::ElectionSafety),
        Some(_) => {}
        None => next.ghost.set_leader(server.term(), id),
    }
    if !server.vote_is_durable() {
        next.ghost.set_broken(Property::DurablePromises);
    }
    send_all(raft, next, id);
    settle(raft, state, next, id)
}

/// Dissertation §6.2: a leader that does not hear from a majority for an election timeout gives up,
/// within its term. Here it may do so at any time; it does less than a crash.
pub(crate) fn step_down(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    if !state.server(id).is_leader() {
        return None;
    }
    next.clone_from(state);
    let server = next.server_mut(id);
    server.set_role(Role::Follower);
    server.extra_mut().enter_term();
    settle(raft, state, next, id)
}

/// The servers whose votes a candidate can count: those that granted, and itself once its own vote
/// is durable.
pub(crate) fn supporters(raft: &Raft, state: &State, id: ServerId) -> ServerSet {
    let server = state.server(id);
    let mut set = mistaken_votes(raft, state, server, id);
    if server.vote() == Some(id)
        && (server.vote_is_durable() || raft.without(Ablation::OwnVoteBeforePersist))
    {
        set.insert(id);
    }
    for message in state.network().as_slice() {
        if let Message::Grant {
            term,
            voter,
            candidate,
        } = message.unpack()
            && term == server.term()
            && candidate == id
        {
            set.insert(voter);
        }
    }
    set
}

/// A set of servers.
#[derive(Clone, Copy, Default)]
pub(crate) struct ServerSet(u8);

impl ServerSet {
    pub(crate) fn insert(&mut self, id: ServerId) {
        self.0 |= 1 << id.0;
    }

    pub(crate) fn union(&mut self, other: ServerSet) {
        self.0 |= other.0;
    }

    /// As a mask.
    pub(crate) fn members(self) -> u8 {
        self.0
    }

    pub(crate) fn count(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = ServerId> {
        (0..8).filter(move |i| self.0 & 1 << i != 0).map(ServerId)
    }
}
