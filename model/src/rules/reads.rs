//! Reads without log entries: ReadIndex (dissertation §6.4).

use crate::ablations::Ablation;
use crate::extra::Read;
use crate::message::{Message, Packed};
use crate::properties::Property;
use crate::raft::Raft;
use crate::rules::election::ServerSet;
use crate::rules::leases::{lease, patience};
use crate::rules::membership::is_quorum;
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// §6.4: a leader begins a round of heartbeats, to learn whether it has been deposed. It may do so
/// at any time: who asks for a read makes use of a round that began later.
pub(crate) fn begin_round(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    if !server.is_leader() || server.extra().round() >= raft.features().rounds {
        return None;
    }
    next.clone_from(state);
    let extra = next.server_mut(id).extra_mut();
    extra.begin_round();
    if raft.features().patience > 0 && !extra.has_transferred() {
        extra.set_lease(lease(raft));
    }
    let heartbeat = Message::Heartbeat {
        term: server.term(),
        leader: id,
        round: extra.round(),
    };
    next.network.insert(heartbeat.pack());
    settle(raft, state, next, id)
}

/// §6.4: a server that hears the leader of its term answers. That it is in this term is a fact about
/// now and no promise: nothing of it needs the disk.
pub(crate) fn handle_heartbeat(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::Heartbeat {
        term,
        leader,
        round,
    } = message.unpack()
    else {
        return None;
    };
    let server = state.server(id);
    let refuses = term < server.term() && raft.without(Ablation::ConfirmByRefusal);
    if leader == id || (term != server.term() && !refuses) {
        return None;
    }
    next.clone_from(state);
    if server.role() == Role::Candidate && !refuses {
        next.server_mut(id).set_role(Role::Follower);
    }
    if raft.features().patience > 0 && !refuses {
        // Entries would do the same. That they do not here leaves servers less patient.
        next.server_mut(id).extra_mut().set_patience(patience(raft));
    }
    let answer = Message::HeartbeatAck {
        term,
        follower: id,
        leader,
        round,
    };
    next.network.insert(answer.pack());
    settle(raft, state, next, id)?;
    (*next != *state).then_some(())
}

/// §6.4, steps 1 to 3: asked for a read, a leader that has committed an entry of its term notes its
/// commit index, and waits for a round that begins from now on.
///
/// A client whose question waits for that first commit is left out: it would be satisfied with less
/// than one that asks just then, as fewer entries had been committed when it asked.
pub(crate) fn ask_read(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    let (ghost, features) = (state.ghost(), raft.features());
    if !server.is_leader()
        || server.extra().read().is_some()
        || ghost.reads() >= features.reads
        || server.extra().round() >= features.rounds
        || !(has_committed_in_its_term(server) || raft.without(Ablation::ReadBeforeOwnCommit))
    {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).extra_mut().set_read(Some(Read {
        index: server.commit(),
        round: server.extra().round() + 1,
        floor: ghost.committed().len(),
    }));
    next.ghost.count_read();
    settle(raft, state, next, id)
}

/// §6.4: until a leader has committed an entry of its term, it does not know what is committed.
pub(crate) fn has_committed_in_its_term(server: Server) -> bool {
    server.commit() > 0 && server.log().term_at(server.commit()) == server.term()
}

/// §6.4, steps 4 and 5: once a majority has answered the round, the read is served by the leader, or
/// by any server that is given the index, as soon as it has applied that far.
///
/// At once or never: a server that serves later has applied no less, and one that crashed meanwhile
/// is asked anew what it has applied.
pub(crate) fn serve_read(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    at: ServerId,
) -> Taken {
    let (leader, server) = (state.server(id), state.server(at));
    let read = leader.extra().read()?;
    let confirmed = is_quorum(raft, leader, confirmers(raft, state, id, read.round))
        || raft.without(Ablation::ReadWithoutRound);
    let applied = server.commit() >= read.index || raft.without(Ablation::ServeBeforeApplied);
    if !leader.is_leader() || !confirmed || !applied {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).extra_mut().set_read(None);
    serve(next, at, read.floor);
    settle(raft, state, next, id)
}

/// Answers a read from what `at` has applied, which must have all of the first `floor` entries that
/// were ever committed.
pub(crate) fn serve(state: &mut State, at: ServerId, floor: u8) {
    let server = state.server(at);
    let seen = server.log().prefix(server.commit());
    if !seen.starts_with(state.ghost().committed().prefix(floor)) {
        state.ghost.set_broken(Property::LinearizableReads);
    }
}

/// The servers that confirm that `id` leads: those that answered this round of its term, or a later
/// one, and itself once it has begun it.
pub(crate) fn confirmers(raft: &Raft, state: &State, id: ServerId, round: u8) -> ServerSet {
    let server = state.server(id);
    let mut set = ServerSet::default();
    if server.extra().round() >= round || raft.without(Ablation::ConfirmByEarlierRound) {
        set.insert(id);
    }
    for message in state.network().as_slice() {
        if let Message::HeartbeatAck {
            term,
            follower,
            leader,
            round: answered,
        } = message.unpack()
            && leader == id
            && (term == server.term() || raft.without(Ablation::ConfirmByEarlierTerm))
            && (answered >= round || raft.without(Ablation::ConfirmByEarlierRound))
        {
            set.insert(follower);
        }
    }
    set
}
