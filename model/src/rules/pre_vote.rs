//! PreVote (dissertation §9.6): a server asks whether it would win before it raises its term.
//!
//! A question is about the next term and an answer promises nothing: neither takes anybody to another
//! term, and none of it needs the disk. Safety does not rest on it; what must not happen is that an
//! answer passes for a vote.

use crate::ablations::Ablation;
use crate::message::{Message, Packed};
use crate::raft::Raft;
use crate::rules::election::{ServerSet, is_up_to_date};
use crate::rules::leases::is_patient;
use crate::rules::membership::{is_quorum, may_stand};
use crate::rules::settle::{Taken, settle};
use crate::server::{Server, ServerId};
use crate::state::State;

/// §9.6: a server that hears of no leader asks all others whether they would vote for it in the next
/// term.
pub(crate) fn ask_pre_vote(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    if server.is_leader()
        || server.term() >= raft.bounds().max_term
        || server.extra().patience() > 0
        || !may_stand(raft, server, id)
    {
        return None;
    }
    next.clone_from(state);
    let asked = Message::PreVote {
        term: server.term(),
        candidate: id,
        last_index: server.log().len(),
        last_term: server.log().last_term(),
    };
    if !next.network.insert(asked.pack()) {
        return None;
    }
    settle(raft, state, next, id)
}

/// §9.6: a server says that it would vote for another in the next term, if it would: its own term is no
/// later than that of who asks, it hears of no leader, and its log is not more up to date.
pub(crate) fn handle_pre_vote(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::PreVote {
        term,
        candidate,
        last_index,
        last_term,
    } = message.unpack()
    else {
        return None;
    };
    let server = state.server(id);
    if candidate == id
        || term < server.term()
        || server.is_leader()
        || is_patient(raft, server)
        || !is_up_to_date(raft, server, last_index, last_term)
    {
        return None;
    }
    next.clone_from(state);
    let answer = Message::PreVoteGrant {
        term,
        voter: id,
        candidate,
    };
    if !next.network.insert(answer.pack()) {
        return None;
    }
    settle(raft, state, next, id)?;
    (*next != *state).then_some(())
}

/// §9.6: whether enough servers would vote for `id` in its next term.
pub(crate) fn may_win(raft: &Raft, state: &State, id: ServerId) -> bool {
    let server = state.server(id);
    if !raft.features().pre_vote {
        return true;
    }
    let mut set = ServerSet::default();
    set.insert(id);
    set.union(pre_voters(state, id, server.term()));
    is_quorum(raft, server, set)
}

/// Who said in this term of `id` that it would vote for it in the next.
fn pre_voters(state: &State, id: ServerId, asked_in: u8) -> ServerSet {
    let mut set = ServerSet::default();
    for message in state.network().as_slice() {
        if let Message::PreVoteGrant {
            term,
            voter,
            candidate,
        } = message.unpack()
            && term == asked_in
            && candidate == id
        {
            set.insert(voter);
        }
    }
    set
}

/// What passes for votes of a candidate where answers to its question do, beside votes.
pub(crate) fn mistaken_votes(
    raft: &Raft,
    state: &State,
    server: Server,
    id: ServerId,
) -> ServerSet {
    if raft.without(Ablation::PreVoteIsVote) && server.term() > 0 {
        pre_voters(state, id, server.term() - 1)
    } else {
        ServerSet::default()
    }
}
