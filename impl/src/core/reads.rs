//! ReadIndex (§8, dissertation §6.4): a read is served at the commit index of its arrival, once a
//! round of heartbeats *sent after its arrival* proves that this leader still leads. Answers to
//! earlier rounds never count (etcd issue 20418).

use std::collections::VecDeque;

use super::effects::RequestId;
use super::message::Round;
use crate::types::{LogIndex, NodeId};

/// Who waits for a read's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A client of this server.
    Client(RequestId),
    /// Another server, for a read of its own.
    Server(NodeId, RequestId),
}

/// A leader's unserved reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reads {
    /// The latest round that was started.
    round: Round,
    /// The latest round that a quorum answered.
    confirmed: Round,
    /// Reads that wait for the leader's first commit of its own term.
    uncommitted: Vec<Asker>,
    /// Reads with the index to serve them at and the round that must be confirmed; rounds ascend.
    waiting: VecDeque<(Asker, LogIndex, Round)>,
}

impl Reads {
    /// The latest round that was started.
    #[must_use]
    pub fn round(&self) -> Round {
        self.round
    }

    /// Reads with the index to serve them at and the round that must be confirmed, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &(Asker, LogIndex, Round)> {
        self.waiting.iter()
    }

    /// Reads that wait for the leader's first commit of its own term.
    #[must_use]
    pub fn uncommitted(&self) -> &[Asker] {
        &self.uncommitted
    }

    /// Takes a read that must wait until an entry of this term commits: only then does the leader
    /// know what is committed (dissertation §6.4 step 1).
    pub fn wait_for_first_commit(&mut self, asker: Asker) {
        self.uncommitted.push(asker);
    }

    /// The reads that waited for the first commit, which has happened.
    pub fn take_uncommitted(&mut self) -> Vec<Asker> {
        std::mem::take(&mut self.uncommitted)
    }

    /// Takes a read; it needs a round that starts after now.
    pub fn wait_for_round(&mut self, asker: Asker, index: LogIndex) {
        let next = Round(self.round.0 + 1);
        self.waiting.push_back((asker, index, next));
    }

    /// Whether reads wait for a round that has not been started.
    #[must_use]
    pub fn wants_round(&self) -> bool {
        self.waiting
            .back()
            .is_some_and(|(_, _, round)| *round > self.round)
    }

    /// Whether a started round still lacks its quorum.
    #[must_use]
    pub fn round_in_flight(&self) -> bool {
        self.round > self.confirmed
    }

    /// Starts the next round; the caller sends it to every follower.
    pub fn start_round(&mut self) {
        self.round = Round(self.round.0 + 1);
    }

    /// A quorum has answered this round; returns the reads that may be served.
    pub fn confirm(&mut self, round: Round) -> Vec<(Asker, LogIndex)> {
        self.confirmed = self.confirmed.max(round);
        let served = self
            .waiting
            .iter()
            .take_while(|(_, _, r)| *r <= self.confirmed)
            .count();
        self.waiting
            .drain(..served)
            .map(|(asker, index, _)| (asker, index))
            .collect()
    }

    /// Every unserved read, oldest first: the leader has stepped down.
    pub fn abandon(self) -> impl Iterator<Item = Asker> {
        let waiting = self.waiting.into_iter().map(|(asker, _, _)| asker);
        waiting.chain(self.uncommitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64) -> Asker {
        Asker::Client(RequestId(id))
    }

    #[test]
    fn an_answer_to_an_earlier_round_does_not_serve_a_later_read() {
        let mut reads = Reads::default();
        reads.wait_for_round(client(1), LogIndex(4));
        reads.start_round();
        reads.wait_for_round(client(2), LogIndex(5));
        assert!(
            reads.wants_round(),
            "the second read came after the round was sent"
        );
        assert_eq!(reads.confirm(Round(1)), vec![(client(1), LogIndex(4))]);
        reads.start_round();
        assert_eq!(reads.confirm(Round(1)), vec![], "a repeated answer");
        assert_eq!(reads.confirm(Round(2)), vec![(client(2), LogIndex(5))]);
    }
}
