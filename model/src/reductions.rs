//! Sound reductions: fewer states, the same reachable servers. Each can be switched off, so that
//! tests compare the servers' states that are reached with and without it.

use crate::ablations::Ablation;
use crate::log::Term;
use crate::message::{Message, Packed};
use crate::raft::Raft;
use crate::server::{Role, Server, ServerId};
use crate::state::State;

/// Which reductions are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reductions {
    /// A leader's messages join the network with the step that allows them.
    pub eager_send: bool,
    /// Messages that no server can ever act on leave the network, and ghosts that can no longer
    /// matter are cleared.
    pub forget: bool,
    /// Once no crash is left in the budget, what is written is durable at once.
    pub eager_persist: bool,
}

impl Reductions {
    /// All of them: the default.
    pub const ALL: Reductions = Reductions {
        eager_send: true,
        forget: true,
        eager_persist: true,
    };
    /// None of them.
    pub const NONE: Reductions = Reductions {
        eager_send: false,
        forget: false,
        eager_persist: false,
    };
}

/// Once the budget of crashes is spent, no rule takes the durable state back into memory. The
/// durable state then only gates promises, every guard on it asks for *more* of it to be durable,
/// and a promise that is sent need not be received: so persisting at once loses no run of the
/// servers' volatile states, and gains none, being a choice that was there before.
pub(crate) fn persists_at_once(raft: &Raft, state: &State) -> bool {
    raft.reductions().eager_persist && state.ghost().crashes() >= raft.bounds().crashes
}

/// The lowest term that server `id` can ever be in again: a crash takes it back to its *durable*
/// term, never below. The volatile term would not do: it hides a vote of a term that is lost and
/// lived through again.
fn floor(raft: &Raft, state: &State, id: ServerId) -> Term {
    if raft.without(Ablation::ForgetTerm) {
        0
    } else {
        state.server(id).durable_term()
    }
}

/// Whether an answer to this round could still confirm anything: while its leader leads the term,
/// only to the read that waits for it, or for an earlier round. A read that is asked for later waits
/// for a later round. What else a heartbeat does, an AppendEntries of its leader does too; that it
/// makes servers patient takes away steps and gives none.
fn is_awaited(raft: &Raft, state: &State, leader: ServerId, term: Term, round: u8) -> bool {
    let known = state.server(leader);
    let leads = known.term() == term && known.is_leader();
    if raft.features().patience > 0 && (!leads || may_confirm_lease(raft, known, round)) {
        return true;
    }
    let waits = |server: &Server| server.extra().read().is_some();
    if state.ghost().reads() >= raft.features().reads && !state.servers().iter().any(waits) {
        return false;
    }
    if !leads || confirms_early(raft, term) {
        return true;
    }
    known.extra().read().is_some_and(|read| read.round <= round)
}

/// Whether a leader could still get a lease by this round.
fn may_confirm_lease(raft: &Raft, leader: Server, round: u8) -> bool {
    let extra = leader.extra();
    let open = extra.lease() > 0 || raft.without(Ablation::LeaseFromAnswers);
    open && !extra.holds_lease() && extra.round() == round
}

/// Whether rules are removed that keep answers in this term from counting for later rounds or terms.
/// In the last two terms no answer counts for a term of the same leader that another could end.
fn confirms_early(raft: &Raft, term: Term) -> bool {
    raft.without(Ablation::ConfirmByEarlierRound)
        || (raft.without(Ablation::ConfirmByEarlierTerm) && term + 1 < raft.bounds().max_term)
}

/// Drops the messages that no server can ever act on, and clears ghosts of terms gone by.
///
/// Requests act on servers of their own term (a server ignores a lower term, without a reply) or
/// below: dead once the floor of every receiver is above. A grant acts on its candidate while it
/// stands in that term; an acknowledgement on its leader while it leads that term. Neither role
/// can be taken up twice in a term, as a server enters a term as candidate only from a lower one:
/// they are dead once their receiver's floor is that term and it has not, or no longer, the role.
/// An acknowledgement up to an index says all that one up to a lower index says, and one at or
/// below the leader's commit index says nothing any more.
pub(crate) fn forget(raft: &Raft, state: &mut State) {
    if !raft.reductions().forget {
        return;
    }
    let mut floors = [Term::MAX; crate::bounds::MAX_SERVERS as usize];
    for id in state.ids() {
        floors[id.at()] = floor(raft, state, id);
    }
    let others_floor = |sender: ServerId| {
        let others = floors
            .iter()
            .enumerate()
            .filter(|&(at, _)| at != sender.at());
        others.map(|(_, &floor)| floor).min().unwrap_or(Term::MAX)
    };
    let servers = state.servers();
    let holds = |id: ServerId, term: Term, role: Role| {
        let server = servers[id.at()];
        floors[id.at()] < term || (server.term() == term && server.role() == role)
    };
    // Answers to a question concern who asks while it is in the term that it asked in.
    let mistaken = Term::from(raft.without(Ablation::PreVoteIsVote));
    let may_ask = |id: ServerId, term: Term| floors[id.at()] <= term + mistaken;
    // Sorted by term, kind, sender, receiver and index: of one follower's acknowledgements in one
    // term the highest stands last.
    let slice = state.network().as_slice();
    let is_alive = |at: usize, message: Packed| match message.unpack() {
        Message::RequestVote {
            term, candidate, ..
        } => others_floor(candidate) <= term,
        Message::AppendEntries { term, leader, .. } => others_floor(leader) <= term,
        Message::Grant {
            term, candidate, ..
        } => holds(candidate, term, Role::Candidate),
        Message::Ack {
            term,
            follower,
            leader,
            matched,
        } => {
            let surpassed = slice.get(at + 1).is_some_and(|later| {
                matches!(later.unpack(), Message::Ack { term: t, follower: f, leader: l, .. }
                        if t == term && f == follower && l == leader)
            });
            let known = servers[leader.at()];
            let stale = known.term() == term && known.is_leader() && matched <= known.commit();
            !surpassed && !stale && holds(leader, term, Role::Leader)
        }
        Message::Heartbeat {
            term,
            leader,
            round,
        } => {
            let heard = others_floor(leader) <= term || raft.without(Ablation::ConfirmByRefusal);
            heard && is_awaited(raft, state, leader, term, round)
        }
        Message::InstallSnapshot { term, leader, .. } => others_floor(leader) <= term,
        Message::PreVote {
            term, candidate, ..
        }
        | Message::PreVoteGrant {
            term, candidate, ..
        } => may_ask(candidate, term),
        Message::TimeoutNow { term, to, .. } => floors[to.at()] <= term,
        Message::HeartbeatAck {
            term,
            leader,
            round,
            ..
        } => {
            (raft.without(Ablation::ConfirmByEarlierTerm)
                && is_awaited(raft, state, leader, term, round))
                || (holds(leader, term, Role::Leader)
                    && is_awaited(raft, state, leader, term, round))
        }
    };
    let mut dead = 0u128;
    for (at, &message) in slice.iter().enumerate() {
        dead |= u128::from(!is_alive(at, message)) << at;
    }
    if dead != 0 {
        state.network.drop_marked(dead);
    }
    let lowest = floors.into_iter().min().unwrap_or(0);
    state.ghost.forget_below(lowest);
}
