//! Reads (§8, dissertation §6.4): a leader serves one at its commit index once it is sure that it still
//! leads, by a round of heartbeats or by its lease; any other server asks the leader for that index and
//! serves the read itself once it has applied so far.

use std::collections::BTreeMap;

use super::effects::{Answer, Refusal, RequestId};
use super::input::ReadMode;
use super::message::Message;
use super::node::{Node, Outbox, Role};
use super::quorum::reached;
use super::reads::Asker;
use crate::types::{LogIndex, NodeId, Term};

/// How many reads may wait for the leader's word; more are refused.
const MAX_FORWARDED: usize = 1024;

/// Reads that a server that does not lead serves itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Forwarded {
    /// The leader was asked for the index of these.
    asked: BTreeMap<RequestId, NodeId>,
    /// These have theirs, and wait until so much is known to be committed here.
    waiting: Vec<(RequestId, LogIndex)>,
}

impl Forwarded {
    /// Those whose index the leader was asked for.
    pub fn asked(&self) -> impl Iterator<Item = RequestId> {
        self.asked.keys().copied()
    }

    /// Those that have their index, and wait until so much is committed here.
    #[must_use]
    pub fn waiting(&self) -> &[(RequestId, LogIndex)] {
        &self.waiting
    }
}

impl Node {
    /// A client asks for a read.
    pub(super) fn read(&mut self, id: RequestId, mode: ReadMode, out: &mut Outbox) {
        let leader = self.leader();
        if matches!(self.role, Role::Leader(_)) {
            if mode == ReadMode::Lease && self.has_lease() {
                out.answer(id, Answer::ReadAt(self.commit_index));
            } else {
                self.read_as_leader(Asker::Client(id), out);
            }
            return;
        }
        match leader {
            Some(leader)
                if mode == ReadMode::Anywhere && self.forwarded.asked.len() < MAX_FORWARDED =>
            {
                self.forwarded.asked.insert(id, leader);
                let term = self.current_term();
                let message = Message::ReadIndex { term, request: id };
                // Its term may be new to the disk here.
                out.promise(self.config.id, leader, message);
            }
            _ => out.answer(id, Answer::Refused(Refusal::NotLeader(leader))),
        }
    }

    fn has_lease(&self) -> bool {
        let Role::Leader(leadership) = &self.role else {
            return false;
        };
        // Without stickiness no voter keeps others from being elected.
        self.config.stickiness
            && !self.config.lease.is_zero()
            && self.has_committed_in_term()
            && leadership.lease.holds(self.now, self.config.lease)
    }

    fn read_as_leader(&mut self, asker: Asker, out: &mut Outbox) {
        let committed_own_term = self.has_committed_in_term();
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        if !committed_own_term {
            leadership.reads.wait_for_first_commit(asker);
            return;
        }
        leadership.reads.wait_for_round(asker, self.commit_index);
        if !leadership.reads.round_in_flight() {
            self.start_round(out);
        }
    }

    /// Whether an entry of this term is committed: then everything before it is known to be.
    pub(super) fn has_committed_in_term(&self) -> bool {
        self.log.term_at(self.commit_index) == Some(self.current_term())
    }

    /// Asks every follower to confirm this leader; the reads waiting share the round.
    pub(super) fn start_round(&mut self, out: &mut Outbox) {
        if let Role::Leader(leadership) = &mut self.role {
            leadership.reads.start_round();
            if !self.config.lease.is_zero() {
                leadership.lease.send(leadership.reads.round(), self.now);
            }
            self.broadcast(out);
            self.confirm_reads(out);
        }
    }

    /// The term's first commit: those that waited for it may ask for their round.
    pub(super) fn serve_reads_that_waited_for_the_first_commit(&mut self, out: &mut Outbox) {
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        for asker in leadership.reads.take_uncommitted() {
            leadership.reads.wait_for_round(asker, self.commit_index);
        }
        if leadership.reads.wants_round() && !leadership.reads.round_in_flight() {
            self.start_round(out);
        }
    }

    /// Serves the reads whose round a quorum has answered; starts the next round if one is wanted.
    pub(super) fn confirm_reads(&mut self, out: &mut Outbox) {
        let term = self.current_term();
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        if !leadership.reads.round_in_flight() && !leadership.reads.wants_round() {
            // All that a quorum can have answered is known.
            return;
        }
        let own = leadership.reads.round();
        let confirmed = reached(&self.memberships.in_force().1, |id| {
            leadership
                .progress
                .get(&id)
                .map_or(own, |progress| progress.acked_round)
        });
        let Some(confirmed) = confirmed else { return };
        leadership.lease.confirm(confirmed);
        for (asker, index) in leadership.reads.confirm(confirmed) {
            match asker {
                Asker::Client(id) => out.answer(id, Answer::ReadAt(index)),
                Asker::Server(server, request) => {
                    let index = Some(index);
                    let message = Message::ReadIndexReply {
                        term,
                        request,
                        index,
                    };
                    out.send_now(self.config.id, server, message);
                }
            }
        }
        if leadership.reads.wants_round() && !leadership.reads.round_in_flight() {
            self.start_round(out);
        }
    }

    /// Another server asks for the index of a read of its own.
    pub(super) fn read_index(
        &mut self,
        server: NodeId,
        term: Term,
        request: RequestId,
        out: &mut Outbox,
    ) {
        if term == self.current_term() && matches!(self.role, Role::Leader(_)) {
            self.read_as_leader(Asker::Server(server, request), out);
        } else {
            refuse_server(self.config.id, self.current_term(), (server, request), out);
        }
    }

    /// The leader's word on a read of ours. It stands whatever has become of the leader since: it was
    /// confirmed after the read was asked for.
    pub(super) fn read_index_reply(
        &mut self,
        request: RequestId,
        index: Option<LogIndex>,
        out: &mut Outbox,
    ) {
        if self.forwarded.asked.remove(&request).is_none() {
            return;
        }
        match index {
            Some(index) => self.forwarded.waiting.push((request, index)),
            None => {
                let why = Refusal::NotLeader(self.leader());
                out.answer(request, Answer::Refused(why));
            }
        }
    }

    /// Serves the forwarded reads whose index is committed here, and refuses those whose leader is not
    /// followed any more: nobody may answer them.
    pub(super) fn settle_forwarded(&mut self, out: &mut Outbox) {
        // This ends every step, and most servers never have any.
        if self.forwarded.asked.is_empty() && self.forwarded.waiting.is_empty() {
            return;
        }
        let leader = self.leader();
        let lost = self
            .forwarded
            .asked
            .extract_if(.., |_, asked| Some(*asked) != leader);
        for (id, _) in lost {
            out.answer(id, Answer::Refused(Refusal::LostLeadership));
        }
        let commit_index = self.commit_index;
        let due = self
            .forwarded
            .waiting
            .extract_if(.., |(_, index)| *index <= commit_index);
        for (id, index) in due {
            out.answer(id, Answer::ReadAt(index));
        }
    }

    /// A leader has stepped down: whoever waits for a read asks again.
    pub(super) fn abandon_reads(&self, askers: impl Iterator<Item = Asker>, out: &mut Outbox) {
        for asker in askers {
            match asker {
                Asker::Client(id) => out.answer(id, Answer::Refused(Refusal::LostLeadership)),
                Asker::Server(server, request) => {
                    let term = self.current_term();
                    refuse_server(self.config.id, term, (server, request), out);
                }
            }
        }
    }
}

fn refuse_server(me: NodeId, term: Term, (server, request): (NodeId, RequestId), out: &mut Outbox) {
    let message = Message::ReadIndexReply {
        term,
        request,
        index: None,
    };
    // Its term may be new to the disk here: it leaves as every promise does.
    out.promise(me, server, message);
}
