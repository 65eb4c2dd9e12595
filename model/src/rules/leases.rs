//! Leases on bounded drift (dissertation §6.4.1), the patience that they rest on (§4.2.3, §9.6), and
//! leadership transfer, which is the exception to it (§3.10).
//!
//! Time is what has not run out yet: a server's patience with a leader that it heard, a leader's lease.
//! Within an election timeout a clock is off by at most so many ticks; of all clocks that are, the
//! model has the worst, the leader's slow and all others fast. A longer lease and a shorter patience
//! allow whatever the right ones allow, and more.

use crate::ablations::Ablation;
use crate::message::{Message, Packed};
use crate::raft::Raft;
use crate::reductions;
use crate::rules::membership::{is_quorum, may_stand};
use crate::rules::reads::{confirmers, has_committed_in_its_term, serve};
use crate::rules::settle::{Taken, settle};
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// How long a server that has heard a leader is patient, in ticks of real time: the least election
/// timeout by a clock that is as fast as the bound allows (§6.4.1).
pub(crate) fn patience(raft: &Raft) -> u8 {
    let features = raft.features();
    features.patience - features.drift
}

/// How long a lease lasts from the sending of its round, in ticks of real time: the least election
/// timeout, less the drift of two clocks, by a clock that is as slow as the bound allows (§6.4.1).
pub(crate) fn lease(raft: &Raft) -> u8 {
    let features = raft.features();
    let allowed_for = if raft.without(Ablation::IgnoreDrift) {
        0
    } else {
        2 * features.drift
    };
    features.patience - allowed_for + features.drift
}

/// A tick of real time passes, for all servers at once.
pub(crate) fn tick(raft: &Raft, state: &State, next: &mut State) -> Taken {
    next.clone_from(state);
    for server in next.servers_mut() {
        server.extra_mut().tick();
    }
    if next.servers() == state.servers() {
        return None;
    }
    reductions::forget(raft, state, next);
    Some(())
}

/// §4.2.3: whether a server would not hear of an election now, because it has heard from a leader
/// within the least election timeout.
pub(crate) fn is_patient(raft: &Raft, server: Server) -> bool {
    server.extra().patience() > 0 && !raft.without(Ablation::NoPatience)
}

/// §4.2.3: whether a server may adopt `term` for what it has received: messages to it, of a leader,
/// or of a candidate that it would vote for as far as patience goes.
pub(crate) fn may_hear_of(raft: &Raft, state: &State, id: ServerId, term: u8) -> bool {
    let patient = is_patient(raft, state.server(id));
    let messages = state.network().as_slice().iter();
    messages
        .filter(|m| m.term() == term)
        .any(|message| match message.unpack() {
            Message::RequestVote { transfer, .. } => transfer || !patient,
            Message::AppendEntries { .. }
            | Message::InstallSnapshot { .. }
            | Message::Heartbeat { .. } => true,
            Message::PreVote { .. } | Message::PreVoteGrant { .. } => false,
            Message::Grant { candidate: to, .. }
            | Message::Ack { leader: to, .. }
            | Message::HeartbeatAck { leader: to, .. }
            | Message::TimeoutNow { to, .. } => to == id,
        })
}

/// §6.4.1: a leader whose round a majority has answered holds a lease, counted from the sending.
///
/// It has one round under way at a time: a read in the lease of an earlier one is a read in a run
/// where the later one has not begun, and only made others patient.
pub(crate) fn confirm_lease(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    let extra = server.extra();
    let from_answers = raft.without(Ablation::LeaseFromAnswers);
    if !server.is_leader()
        || extra.round() == 0
        || extra.holds_lease()
        || !(extra.lease() > 0 || from_answers)
        || has_given_up(raft, server)
        || !is_quorum(raft, server, confirmers(raft, state, id, extra.round()))
    {
        return None;
    }
    next.clone_from(state);
    let extra = next.server_mut(id).extra_mut();
    if from_answers {
        extra.set_lease(lease(raft));
    }
    extra.confirm_lease();
    settle(raft, state, next, id)
}

/// §6.4.1: a leader that holds a lease serves a read at once. It changes nothing.
pub(crate) fn lease_read(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    let server = state.server(id);
    if !server.is_leader()
        || !server.extra().holds_lease()
        || has_given_up(raft, server)
        || !(has_committed_in_its_term(server) || raft.without(Ablation::ReadBeforeOwnCommit))
    {
        return None;
    }
    next.clone_from(state);
    serve(next, id, state.ghost().committed().len());
    Some(())
}

/// A leader that has told another to stand has no lease any more in its term.
fn has_given_up(raft: &Raft, server: Server) -> bool {
    server.extra().has_transferred() && !raft.without(Ablation::KeepLeaseThroughTransfer)
}

/// §3.10: a leader tells a server to stand for election at once, and gives up its lease: that server's
/// voters will not be patient. That the server is up to date is a matter of its winning.
pub(crate) fn transfer_leadership(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    to: ServerId,
) -> Taken {
    let server = state.server(id);
    if !server.is_leader() || server.extra().has_transferred() || to == id {
        return None;
    }
    next.clone_from(state);
    let extra = next.server_mut(id).extra_mut();
    extra.transfer();
    if !raft.without(Ablation::KeepLeaseThroughTransfer) {
        extra.set_lease(0);
    }
    let timeout_now = Message::TimeoutNow {
        term: server.term(),
        leader: id,
        to,
    };
    next.network.insert(timeout_now.pack());
    settle(raft, state, next, id)
}

/// §3.10: told by its leader, a server stands for election without waiting for its patience to end,
/// and says so to those whose votes it asks for.
pub(crate) fn handle_timeout_now(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
    message: Packed,
) -> Taken {
    let Message::TimeoutNow { term, to, .. } = message.unpack() else {
        return None;
    };
    let server = state.server(id);
    if to != id
        || term != server.term()
        || server.is_leader()
        || term >= raft.bounds().max_term
        || !may_stand(raft, server, id)
    {
        return None;
    }
    next.clone_from(state);
    let server = next.server_mut(id);
    server.enter_term(term + 1, Some(id), Role::Candidate);
    server.extra_mut().stand_by_transfer();
    settle(raft, state, next, id)
}
