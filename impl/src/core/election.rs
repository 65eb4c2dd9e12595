//! Leader election (§5.2) and its restriction (§5.4.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::effects::{Timer, Write};
use super::lease::Lease;
use super::message::Message;
use super::node::{Leadership, Node, Outbox, Role};
use super::progress::Progress;
use super::quorum::decides;
use super::reads::Reads;
use crate::types::{HardState, LogIndex, NodeId, Payload, Term};

impl Node {
    /// No leader was heard in time: find out whether an election can be won, or stand for it. A
    /// leader looks whether it still leads anybody.
    pub(super) fn election_timeout(&mut self, out: &mut Outbox) {
        if matches!(self.role, Role::Leader(_)) {
            self.give_up_transfer(out);
            self.check_quorum(out);
            return;
        }
        self.leader_is_fresh = false;
        if !self.may_stand() {
            out.set_timer(Timer::Election);
            return;
        }
        if !self.config.pre_vote {
            self.stand(false, out);
            return;
        }
        self.role = Role::PreCandidate {
            votes: BTreeSet::from([self.config.id]),
        };
        out.set_timer(Timer::Election);
        if self.has_pre_votes() {
            self.stand(false, out);
            return;
        }
        let question = Message::PreVote {
            term: self.current_term(),
            last_log_index: self.log.last_index(),
            last_log_term: self.log.last_term(),
        };
        for peer in self.peers() {
            out.promise(self.config.id, peer, question.clone());
        }
    }

    fn has_pre_votes(&self) -> bool {
        let Role::PreCandidate { votes } = &self.role else {
            return false;
        };
        decides(self.membership(), |id| votes.contains(&id))
    }

    /// CheckQuorum: a leader that has heard no quorum for an election timeout does not lead.
    fn check_quorum(&mut self, out: &mut Outbox) {
        out.set_timer(Timer::Election);
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        let heard: BTreeSet<NodeId> = leadership
            .progress
            .iter_mut()
            .filter_map(|(id, progress)| std::mem::take(&mut progress.heard).then_some(*id))
            .collect();
        let id = self.config.id;
        // Who leaves and is not heard need not be told.
        leadership
            .progress
            .retain(|id, progress| progress.leaving.is_none() || heard.contains(id));
        let reached = decides(self.membership(), |voter| {
            voter == id || heard.contains(&voter)
        });
        if self.config.check_quorum && !reached {
            self.leader_is_fresh = false;
            self.become_follower(None, out);
        }
    }

    /// Whether a leader is alive as far as this server can tell, and must not be deposed.
    #[must_use]
    pub fn sticks_to_leader(&self) -> bool {
        self.config.stickiness
            && match self.role {
                // Without CheckQuorum nobody knows whether a leader still has followers.
                Role::Leader(_) => self.config.check_quorum,
                _ => self.leader_is_fresh,
            }
    }

    /// A leader was heard: nobody shall depose it for a while.
    pub(super) fn hear_leader(&mut self, out: &mut Outbox) {
        out.set_timer(Timer::Election);
        if self.config.stickiness {
            self.leader_is_fresh = true;
            out.set_timer(Timer::Stickiness);
        }
    }

    /// PreVote RPC, receiver: would a RequestVote in the next term get our vote?
    pub(super) fn pre_vote(
        &self,
        asker: NodeId,
        asked_in: Term,
        last: (Term, LogIndex),
        out: &mut Outbox,
    ) {
        let granted = asked_in >= self.current_term()
            && !matches!(self.role, Role::Leader(_))
            && !self.sticks_to_leader()
            && self.log.is_up_to_date(last.0, last.1);
        let reply = Message::PreVoteReply {
            term: self.current_term(),
            asked_in,
            granted,
        };
        out.promise(self.config.id, asker, reply);
    }

    /// An answer to our PreVote.
    pub(super) fn pre_vote_reply(
        &mut self,
        voter: NodeId,
        asked_in: Term,
        granted: bool,
        out: &mut Outbox,
    ) {
        let term = self.current_term();
        let Role::PreCandidate { votes } = &mut self.role else {
            return;
        };
        if granted && asked_in == term {
            votes.insert(voter);
        }
        if self.has_pre_votes() {
            self.stand(false, out);
        }
    }

    /// Stands for election in the next term.
    pub(super) fn stand(&mut self, transfer: bool, out: &mut Outbox) {
        let term = self.current_term().next();
        self.hard_state = HardState {
            current_term: term,
            voted_for: Some(self.config.id),
        };
        out.write(Write::HardState(self.hard_state));
        self.role = Role::Candidate {
            votes: BTreeSet::new(),
        };
        out.set_timer(Timer::Election);
        let request = Message::RequestVote {
            term,
            last_log_index: self.log.last_index(),
            last_log_term: self.log.last_term(),
            transfer,
        };
        for peer in self.peers() {
            out.promise(self.config.id, peer, request.clone());
        }
    }

    /// A candidate's own vote counts once it is durable, like everyone else's.
    pub(super) fn count_own_vote(&mut self, out: &mut Outbox) {
        if matches!(self.role, Role::Candidate { .. })
            && self.durability.hard_state() == self.hard_state
        {
            self.count_vote(self.config.id, out);
        }
    }

    /// RequestVote RPC, receiver: one vote a term, first come first served, for an up-to-date log.
    pub(super) fn request_vote(
        &mut self,
        candidate: NodeId,
        term: Term,
        last_log_index: LogIndex,
        last_log_term: Term,
        out: &mut Outbox,
    ) {
        let granted = term == self.current_term()
            && self
                .hard_state
                .voted_for
                .is_none_or(|vote| vote == candidate)
            && self.log.is_up_to_date(last_log_term, last_log_index);
        if granted {
            if self.hard_state.voted_for.is_none() {
                self.hard_state.voted_for = Some(candidate);
                out.write(Write::HardState(self.hard_state));
            }
            if matches!(self.role, Role::PreCandidate { .. }) {
                self.become_follower(None, out);
            }
            out.set_timer(Timer::Election);
        }
        let reply = Message::RequestVoteReply {
            term: self.current_term(),
            granted,
        };
        out.promise(self.config.id, candidate, reply);
    }

    /// An answer to our RequestVote; late ones of earlier terms don't count.
    pub(super) fn request_vote_reply(
        &mut self,
        voter: NodeId,
        term: Term,
        granted: bool,
        out: &mut Outbox,
    ) {
        if term == self.current_term() && granted {
            self.count_vote(voter, out);
        }
    }

    fn count_vote(&mut self, voter: NodeId, out: &mut Outbox) {
        let Role::Candidate { votes } = &mut self.role else {
            return;
        };
        votes.insert(voter);
        if decides(&self.memberships.in_force().1, |id| votes.contains(&id)) {
            self.become_leader(out);
        }
    }

    fn become_leader(&mut self, out: &mut Outbox) {
        assert_eq!(
            self.durability.hard_state(),
            self.hard_state,
            "a leader's own vote is durable, as every quorum of votes must be"
        );
        let progress = Progress::new(self.log.last_index());
        let peers = self.peers();
        self.role = Role::Leader(Box::new(Leadership {
            progress: peers.map(|peer| (peer, progress.clone())).collect(),
            reads: Reads::default(),
            lease: Lease::default(),
            transfer: None,
        }));
        // §8: an entry of its own term, so that it can find out what is committed.
        // The first of all says who takes part, so that it is on record.
        let unrecorded = self.membership_index() == LogIndex::ZERO && self.snapshot.is_none();
        let first = if unrecorded {
            Payload::Membership(Arc::clone(&self.memberships.in_force().1))
        } else {
            Payload::Noop
        };
        self.append_as_leader([first], out);
        self.broadcast(out);
        out.set_timer(Timer::Heartbeat);
        out.set_timer(Timer::Election);
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = NodeId> + use<> {
        let id = self.config.id;
        let followers: Vec<NodeId> = match &self.role {
            Role::Leader(leadership) => leadership.progress.keys().copied().collect(),
            _ => self.membership().members().into_iter().collect(),
        };
        followers.into_iter().filter(move |peer| *peer != id)
    }
}
