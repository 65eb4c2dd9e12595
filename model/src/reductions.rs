//! Sound reductions: fewer states, the same reachable servers. Each can be switched off, so that
//! tests compare the servers' states that are reached with and without it.

use crate::ablations::Ablation;
use crate::features::Features;
use crate::log::Term;
use crate::message::{Kind, Packed};
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

/// The lowest term that a server can ever be in again: a crash takes it back to its *durable*
/// term, never below. The volatile term would not do: it hides a vote of a term that is lost and
/// lived through again.
#[inline]
fn floor(raft: &Raft, server: Server) -> Term {
    if raft.without(Ablation::ForgetTerm) {
        0
    } else {
        server.durable_term()
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
pub(crate) fn forget(raft: &Raft, before: &State, state: &mut State) {
    if !raft.reductions().forget {
        return;
    }
    let slice = state.network().as_slice();
    let fresh = state.network().fresh();
    let mut dead = 0u128;
    let fates = Fates::of(raft, state);
    let mut look_at = |at: usize| {
        // Sorted by term, kind, sender, receiver and index: of one follower's acknowledgements in one
        // term the highest stands last.
        let is_alive = fates.is_alive(raft, state, slice[at], slice.get(at + 1).copied());
        dead |= u128::from(!is_alive) << at;
    };
    if changes_no_fate(raft, before, state) {
        // What could be forgotten before the step was. Only new messages may be of no use, or make an
        // acknowledgement that stands before them useless.
        let mut rest = fresh | fresh >> 1;
        while rest != 0 {
            look_at(rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    } else {
        (0..slice.len()).for_each(look_at);
    }
    if dead != 0 {
        state.network.drop_marked(dead);
    }
    state.ghost.forget_below(fates.lowest);
}

/// Whether a step leaves [`Fates`] and commit indexes as they were, which is all that decides on messages
/// without optional parts.
#[inline]
fn changes_no_fate(raft: &Raft, before: &State, state: &State) -> bool {
    let is_plain = *raft.features() == Features::NONE && !raft.without(Ablation::ForgetTerm);
    let as_before = |(was, is): (&Server, &Server)| {
        was.term() == is.term()
            && was.durable_term() == is.durable_term()
            && was.role() == is.role()
            && (!is.is_leader() || was.commit() == is.commit())
    };
    is_plain && before.servers().iter().zip(state.servers()).all(as_before)
}

/// What decides whether a message can still be acted on.
struct Fates {
    /// By server, the lowest term that it can be in again.
    floors: [Term; MOST],
    /// By server, the lowest term that any other can be in again.
    others: [Term; MOST],
    /// The lowest of all.
    lowest: Term,
    /// By server, the term that it stands in, and the one that it leads; none if it does not.
    stands_in: [Term; MOST],
    leads: [Term; MOST],
}

/// A place for every number that a message can name.
const MOST: usize = 8;
/// No server is ever in it.
const NO_TERM: Term = Term::MAX;

impl Fates {
    #[inline]
    fn of(raft: &Raft, state: &State) -> Fates {
        let mut fates = Fates {
            floors: [NO_TERM; MOST],
            others: [NO_TERM; MOST],
            lowest: NO_TERM,
            stands_in: [NO_TERM; MOST],
            leads: [NO_TERM; MOST],
        };
        // The two lowest floors give the lowest of all others for everybody.
        let (mut second, mut at_lowest) = (NO_TERM, 0);
        for (id, server) in state.ids().zip(state.servers()) {
            let at = id.at() % MOST;
            let floor = floor(raft, *server);
            fates.floors[at] = floor;
            match server.role() {
                Role::Candidate => fates.stands_in[at] = server.term(),
                Role::Leader => fates.leads[at] = server.term(),
                Role::Follower => {}
            }
            if floor < fates.lowest {
                second = fates.lowest;
                (fates.lowest, at_lowest) = (floor, at);
            } else {
                second = second.min(floor);
            }
        }
        fates.others = [fates.lowest; MOST];
        fates.others[at_lowest] = second;
        fates
    }

    /// Whether a server could be in that term again to hear of it, other than the sender.
    #[inline]
    fn is_heard(&self, sender: ServerId, term: Term) -> bool {
        self.others[sender.at() % MOST] <= term
    }

    /// Whether a server has a role in that term, or could enter the term to take it up.
    #[inline]
    fn holds(&self, roles: &[Term; MOST], id: ServerId, term: Term) -> bool {
        let at = id.at() % MOST;
        self.floors[at] < term || roles[at] == term
    }

    #[inline]
    fn is_alive(&self, raft: &Raft, state: &State, message: Packed, later: Option<Packed>) -> bool {
        let (term, from, to) = (message.term(), message.from(), message.receiver());
        match message.kind() {
            Kind::RequestVote | Kind::AppendEntries | Kind::InstallSnapshot => {
                self.is_heard(from, term)
            }
            Kind::Grant => self.holds(&self.stands_in, to, term),
            Kind::Ack => {
                let surpassed = later.is_some_and(|later| later.differs_in_index_only(message));
                let stale = self.leads[to.at() % MOST] == term
                    && message.index() <= state.server(to).commit();
                !surpassed && !stale && self.holds(&self.leads, to, term)
            }
            Kind::Heartbeat => {
                let heard = self.is_heard(from, term) || raft.without(Ablation::ConfirmByRefusal);
                heard && is_awaited(raft, state, from, term, message.index())
            }
            Kind::HeartbeatAck => {
                let counts = raft.without(Ablation::ConfirmByEarlierTerm)
                    || self.holds(&self.leads, to, term);
                counts && is_awaited(raft, state, to, term, message.index())
            }
            // Answers to a question concern who asks while it is in the term that it asked in.
            Kind::PreVote => self.may_ask(raft, from, term),
            Kind::PreVoteGrant => self.may_ask(raft, to, term),
            Kind::TimeoutNow => self.floors[to.at() % MOST] <= term,
        }
    }

    fn may_ask(&self, raft: &Raft, candidate: ServerId, term: Term) -> bool {
        let mistaken = Term::from(raft.without(Ablation::PreVoteIsVote));
        self.floors[candidate.at() % MOST] <= term + mistaken
    }
}
