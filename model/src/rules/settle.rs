//! What follows from every step without a choice: promises leave as soon as they are durable, and
//! what can no longer matter is forgotten.

use crate::ablations::Ablation;
use crate::message::{Message, Packed};
use crate::properties::Property;
use crate::raft::Raft;
use crate::reductions;
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// What a rule returns: something if it allows its step, which is then in the state that it was given
/// to write to. States are large, so that none is made, moved or cleared for a step that is looked at.
pub(crate) type Taken = Option<()>;

/// Completes a step of server `id` that led from `before` to `next`.
pub(crate) fn settle(raft: &Raft, before: &State, next: &mut State, id: ServerId) -> Taken {
    check_append_only(before, next, id);
    check_monotonicity(before, next, id);
    if reductions::persists_at_once(raft, next) {
        let first = next.ghost.crashes() != before.ghost.crashes();
        for other in next.ids() {
            if other == id || first {
                next.server_mut(other).persist();
                promise(raft, next, other);
            }
        }
    } else {
        promise(raft, next, id);
    }
    reductions::forget(raft, before, next);
    Some(())
}

/// Leader Append-Only is a property of steps (Figure 3): while a server leads one term, its log
/// only grows.
fn check_append_only(before: &State, next: &mut State, id: ServerId) {
    let (was, is) = (before.server(id), next.server(id));
    let stays = was.is_leader() && is.is_leader() && was.term() == is.term();
    if stays && !is.log().starts_with(was.log()) {
        next.ghost.set_broken(Property::LeaderAppendOnly);
    }
}

/// Figure 2: `currentTerm` and `commitIndex` increase monotonically, but for what a crash takes back.
fn check_monotonicity(before: &State, next: &mut State, id: ServerId) {
    let (was, is) = (before.server(id), next.server(id));
    let falls = is.term() < was.term() || is.commit() < was.commit();
    if falls && next.ghost.crashes() == before.ghost.crashes() {
        next.ghost.set_broken(Property::Monotonicity);
    }
}

/// Figure 2: "updated on stable storage before responding to RPCs". Sends what server `id` may
/// promise now: its candidacy, its vote, its acknowledgement. Repeating one that was sent changes
/// nothing, since the network is a set.
fn promise(raft: &Raft, state: &mut State, id: ServerId) {
    let server = state.server(id);
    let durable = server.vote_is_durable();
    if server.vote() == Some(id) {
        let may_stand = durable || raft.without(Ablation::OwnVoteBeforePersist);
        if server.role() == Role::Candidate && may_stand {
            send(state, candidacy(server, id), durable);
        }
    } else if let Some(candidate) = server.vote()
        && (durable || raft.without(Ablation::GrantBeforePersist))
    {
        let grant = Message::Grant {
            term: server.term(),
            voter: id,
            candidate,
        };
        send(state, grant, durable);
    }
    let kept = server.durable_len();
    let promised = if raft.without(Ablation::AckBeforePersist) {
        server.matched()
    } else {
        server.matched().min(kept)
    };
    if promised > 0
        && let Some(leader) = state.ghost().leader(server.term())
    {
        let ack = Message::Ack {
            term: server.term(),
            follower: id,
            leader,
            matched: promised,
        };
        send(state, ack, promised <= kept);
    }
}

fn candidacy(server: Server, id: ServerId) -> Message {
    Message::RequestVote {
        term: server.term(),
        candidate: id,
        last_index: server.log().len(),
        last_term: server.log().last_term(),
        transfer: server.extra().stands_by_transfer(),
    }
}

fn send(state: &mut State, message: Message, durable: bool) {
    let packed: Packed = message.pack();
    state.network.insert(packed);
    if !durable {
        state.ghost.set_broken(Property::DurablePromises);
    }
}
