//! Leadership transfer (dissertation §3.10): the leader stops taking proposals, brings its successor
//! up to date, and tells it to stand for election at once. Nothing of it touches safety: the successor
//! must win an election like any other, whose requests only say that the leader knows of it.

use super::effects::{Answer, Refusal, RequestId};
use super::message::Message;
use super::node::{Node, Outbox, Role};
use crate::types::{NodeId, Term};

/// A transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// Who asked for it.
    pub request: RequestId,
    /// Who is to take over.
    pub target: NodeId,
    /// Whether the target was told to stand. From then on it may be elected at any time.
    pub told: bool,
}

impl Node {
    /// Somebody wants this server to hand over to `target`; a later wish replaces an earlier one
    /// whose target was not told yet.
    pub(super) fn transfer(&mut self, request: RequestId, target: NodeId, out: &mut Outbox) {
        let leader = self.leader();
        let voter = self.membership().voters.contains(&target);
        let me = self.config.id;
        let Role::Leader(leadership) = &mut self.role else {
            out.answer(request, Answer::Refused(Refusal::NotLeader(leader)));
            return;
        };
        if leadership.transfer.is_some() {
            out.answer(request, Answer::Refused(Refusal::HandingOver));
        } else if target == me {
            out.answer(request, Answer::HandedOver);
        } else if voter {
            leadership.transfer = Some(Transfer {
                request,
                target,
                told: false,
            });
            // The election timer bounds how long proposals are refused.
            out.set_timer(super::effects::Timer::Election);
            self.send_append(target, out);
            self.continue_transfer(target, out);
        } else {
            out.answer(request, Answer::Refused(Refusal::NoSuchVoter));
        }
    }

    /// Whether proposals are refused for a transfer's sake.
    pub(super) fn is_handing_over(&self) -> bool {
        matches!(&self.role, Role::Leader(leadership) if leadership.transfer.is_some())
    }

    /// `follower` was heard: if it is the successor and has all entries, it is its turn.
    pub(super) fn continue_transfer(&mut self, follower: NodeId, out: &mut Outbox) {
        let (me, term, last) = (self.config.id, self.current_term(), self.log.last_index());
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        let up_to_date = leadership
            .progress
            .get(&follower)
            .is_some_and(|progress| progress.match_index == last);
        if let Some(transfer) = &mut leadership.transfer
            && transfer.target == follower
            && up_to_date
            && !transfer.told
        {
            transfer.told = true;
            // §4.2.3 there: its election will not be refused, so nothing may rest on that any more.
            leadership.lease.give_up();
            out.send_now(me, follower, Message::TimeoutNow { term });
        }
    }

    /// The successor did not take over within an election timeout: this server leads on.
    pub(super) fn give_up_transfer(&mut self, out: &mut Outbox) {
        if let Role::Leader(leadership) = &mut self.role
            && let Some(transfer) = leadership.transfer.take()
        {
            let timed_out = Answer::Refused(Refusal::TransferTimedOut);
            out.answer(transfer.request, timed_out);
        }
    }

    /// The leader of this very term hands over to us.
    pub(super) fn timeout_now(&mut self, leader: NodeId, term: Term, out: &mut Outbox) {
        let ours = matches!(self.role, Role::Follower { leader: Some(known) } if known == leader);
        let voter = self.membership().is_voter(self.config.id);
        if term == self.current_term() && ours && voter {
            self.stand(true, out);
        }
    }
}
