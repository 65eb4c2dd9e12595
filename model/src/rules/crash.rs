//! What survives: writing to disk, and a crash with its restart (Figure 2, "Persistent state").

use crate::ablations::Ablation;
use crate::message::Message;
use crate::properties::Property;
use crate::raft::Raft;
use crate::rules::leases::patience;
use crate::rules::settle::{Taken, settle};
use crate::server::ServerId;
use crate::state::State;

/// Figure 2: term, vote and log reach stable storage. What waited for that leaves: see [`settle`].
///
/// All three go at once, yet a write that is cut in the middle is covered: since this rule may
/// strike after every other step, a disk that holds a part of what was written in order is a disk
/// that was written to earlier.
pub(crate) fn persist(raft: &Raft, state: &State, next: &mut State, id: ServerId) -> Taken {
    if !state.server(id).is_dirty() {
        return None;
    }
    next.clone_from(state);
    next.server_mut(id).persist();
    settle(raft, state, next, id)
}

/// A server loses all that is not on disk, and starts again as a follower from what is (§5.1 with
/// Figure 2; `commitIndex` is volatile). Staying down for a while needs no rule: a server that does
/// nothing, and whose messages are late, is no different from one that is down.
pub(crate) fn crash_and_restart(
    raft: &Raft,
    state: &State,
    next: &mut State,
    id: ServerId,
) -> Taken {
    if state.ghost().crashes() >= raft.bounds().crashes {
        return None;
    }
    next.clone_from(state);
    let server = next.server_mut(id);
    if raft.without(Ablation::ForgetTerm) {
        server.forget_term();
    }
    if raft.without(Ablation::CutBeforeSnapshot) && server.base() > server.durable_base() {
        server.cut_disk(server.durable_base());
    }
    server.restart();
    if raft.without(Ablation::SnapshotWithoutSessions) {
        let base = server.base();
        server.extra_mut().forget_executions(base);
    }
    if raft.features().patience > 0 && !raft.without(Ablation::RestartImpatient) {
        // dissertation §4.2.3: it may have heard a leader just before it crashed.
        server.extra_mut().set_patience(patience(raft));
    }
    if *server == state.server(id) {
        // Nothing was lost: only the budget would shrink, which allows nothing new.
        return None;
    }
    if raft.features().snapshots && breaks_acknowledgement(next, id) {
        next.ghost.set_broken(Property::DurablePromises);
    }
    next.ghost.count_crash();
    settle(raft, state, next, id)
}

/// Whether a server that has started lacks entries that it has acknowledged in its term: within a term
/// nothing conflicts with those.
fn breaks_acknowledgement(state: &State, id: ServerId) -> bool {
    let server = state.server(id);
    state.network().as_slice().iter().any(|message| {
        matches!(message.unpack(), Message::Ack { term, follower, matched, .. }
            if follower == id && term == server.term() && matched > server.log().len())
    })
}
