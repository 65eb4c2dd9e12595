//! Leader election (§5.2) and its restriction (§5.4.1).

use std::collections::BTreeSet;

use super::effects::{Timer, Write};
use super::message::Message;
use super::node::{Leadership, Node, Outbox, Role};
use super::progress::Progress;
use super::quorum::is_quorum;
use super::reads::Reads;
use crate::types::{HardState, LogIndex, NodeId, Payload, Term};

impl Node {
    /// No leader was heard in time: stand for election in the next term.
    pub(super) fn election_timeout(&mut self, out: &mut Outbox) {
        if matches!(self.role, Role::Leader(_)) {
            return;
        }
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
        if is_quorum(&self.config.voters, |id| votes.contains(&id)) {
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
        self.role = Role::Leader(Box::new(Leadership {
            progress: self.peers().map(|peer| (peer, progress)).collect(),
            reads: Reads::default(),
        }));
        // §8: an entry of its own term, so that it can find out what is committed.
        self.append_as_leader([Payload::Noop], out);
        self.broadcast(out);
        out.set_timer(Timer::Heartbeat);
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = NodeId> + use<> {
        let id = self.config.id;
        self.config
            .voters
            .clone()
            .into_iter()
            .filter(move |peer| *peer != id)
    }
}
