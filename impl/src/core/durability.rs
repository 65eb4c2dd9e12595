//! What is durable, what is on its way, and the promises that wait for it.
//!
//! All writes of a node form one sequence of batches. A message that promises durable state is
//! withheld behind every batch that was under way when it was made, so what the world sees is what
//! a slower server would have sent that syncs within each step: crashing at any moment loses no
//! promise that has left. Only a leader's `AppendEntries` skip the queue, since they promise nothing
//! about its own disk (dissertation §10.2.1).

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::effects::{Batch, PersistSeq, Write, add};
use super::message::Envelope;
use crate::types::{HardState, LogIndex};

/// A batch under way, with what will be durable after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    seq: PersistSeq,
    hard_state: HardState,
    last_index: LogIndex,
    promises: Vec<Envelope>,
}

/// The durable state as far as the core has been told, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Durability {
    last_seq: PersistSeq,
    hard_state: HardState,
    last_index: LogIndex,
    pending: VecDeque<Pending>,
}

impl Durability {
    /// After recovery: everything recovered is durable.
    #[must_use]
    pub fn recovered(hard_state: HardState, last_index: LogIndex) -> Durability {
        Durability {
            last_seq: PersistSeq(0),
            hard_state,
            last_index,
            pending: VecDeque::new(),
        }
    }

    /// The durable term and vote.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The log's present entries up to here are durable.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.last_index
    }

    /// The latest batch that was handed out.
    #[must_use]
    pub fn last_seq(&self) -> PersistSeq {
        self.last_seq
    }

    /// How many batches are under way.
    #[must_use]
    pub fn batches_under_way(&self) -> usize {
        self.pending.len()
    }

    /// Hands out a batch of writes, after which `hard_state` and the log up to `last_index` will be
    /// durable.
    pub fn begin(
        &mut self,
        writes: Vec<Write>,
        hard_state: HardState,
        last_index: LogIndex,
    ) -> Batch {
        assert!(!writes.is_empty(), "a batch writes something");
        for write in &writes {
            if let Write::Truncate(from) = write {
                // What was cut is gone, though older batches that hold it may still be under way.
                self.last_index = self.last_index.min(from.prev());
                for pending in &mut self.pending {
                    pending.last_index = pending.last_index.min(from.prev());
                }
            }
        }
        self.last_seq = PersistSeq(self.last_seq.0 + 1);
        self.pending.push_back(Pending {
            seq: self.last_seq,
            hard_state,
            last_index,
            promises: Vec::new(),
        });
        Batch {
            seq: self.last_seq,
            writes,
        }
    }

    /// Withholds promises behind all that is under way; returns them if nothing is.
    #[must_use]
    pub fn withhold(&mut self, promises: Vec<Envelope>) -> Vec<Envelope> {
        match self.pending.back_mut() {
            None => promises,
            Some(pending) => {
                add(&mut pending.promises, promises);
                Vec::new()
            }
        }
    }

    /// Takes out what tells two pasts apart and changes nothing for the future where messages may be
    /// repeated and overtake each other: the batches under way are numbered from one on, and of equal
    /// promises the first is kept, each batch's in an order that only depends on what they are.
    pub(super) fn canonicalize(&mut self) {
        let mut seen: HashSet<Envelope> = HashSet::new();
        for (number, pending) in (1..).zip(&mut self.pending) {
            pending.seq = PersistSeq(number);
            pending
                .promises
                .retain(|promise| seen.insert(promise.clone()));
            pending.promises.sort_by_cached_key(|promise| {
                let mut hasher = DefaultHasher::new();
                promise.hash(&mut hasher);
                hasher.finish()
            });
        }
        self.last_seq = PersistSeq(self.pending.len() as u64);
    }

    /// Every batch up to `seq` is durable; returns the promises that may leave.
    ///
    /// # Panics
    /// If no such batch was handed out: the runtime has mixed up two lives of a node.
    pub fn complete(&mut self, seq: PersistSeq) -> Vec<Envelope> {
        assert!(seq <= self.last_seq, "batch {} was never handed out", seq.0);
        let mut released = Vec::new();
        while self
            .pending
            .front()
            .is_some_and(|pending| pending.seq <= seq)
        {
            let pending = self.pending.pop_front().expect("the front was just seen");
            self.hard_state = pending.hard_state;
            self.last_index = pending.last_index;
            add(&mut released, pending.promises);
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::message::Message;
    use crate::types::{NodeId, Term};

    fn promise(term: u64) -> Envelope {
        Envelope {
            from: NodeId(1),
            to: NodeId(2),
            message: Message::RequestVoteReply {
                term: Term(term),
                granted: true,
            },
        }
    }

    fn hard_state(term: u64) -> HardState {
        HardState {
            current_term: Term(term),
            voted_for: None,
        }
    }

    #[test]
    fn a_promise_waits_for_every_earlier_batch() {
        let mut d = Durability::recovered(HardState::default(), LogIndex(0));
        assert_eq!(d.withhold(vec![promise(0)]).len(), 1, "nothing under way");
        let first = d.begin(
            vec![Write::HardState(hard_state(1))],
            hard_state(1),
            LogIndex(0),
        );
        assert!(d.withhold(vec![promise(1)]).is_empty());
        let second = d.begin(
            vec![Write::HardState(hard_state(2))],
            hard_state(2),
            LogIndex(0),
        );
        assert!(d.withhold(vec![promise(2)]).is_empty());
        assert_eq!(d.complete(first.seq), vec![promise(1)]);
        assert_eq!(d.hard_state(), hard_state(1));
        assert_eq!(d.complete(second.seq), vec![promise(2)]);
        assert!(
            d.complete(second.seq).is_empty(),
            "a repeated notice releases nothing"
        );
    }

    #[test]
    fn two_pasts_with_the_same_future_have_one_canonical_form() {
        let hs = hard_state(1);
        let mut old = Durability::recovered(hs, LogIndex(0));
        let done = old.begin(vec![Write::HardState(hs)], hs, LogIndex(0));
        old.complete(done.seq);
        let mut new = Durability::recovered(hs, LogIndex(0));
        for (d, promises) in [(&mut old, [2, 1, 2]), (&mut new, [1, 2, 1])] {
            d.begin(vec![Write::Append(vec![])], hs, LogIndex(1));
            assert!(d.withhold(promises.map(promise).to_vec()).is_empty());
        }
        assert_ne!(old, new);
        old.canonicalize();
        new.canonicalize();
        assert_eq!(old, new);
        assert_eq!(old.complete(PersistSeq(1)).len(), 2);
        assert_eq!(old.last_index(), LogIndex(1));
    }

    #[test]
    fn what_was_truncated_is_not_durable_when_its_old_batch_completes() {
        let hs = HardState::default();
        let mut d = Durability::recovered(hs, LogIndex(3));
        let append = d.begin(vec![Write::Append(vec![])], hs, LogIndex(6));
        let cut = d.begin(
            vec![Write::Truncate(LogIndex(5)), Write::Append(vec![])],
            hs,
            LogIndex(5),
        );
        d.complete(append.seq);
        assert_eq!(
            d.last_index(),
            LogIndex(4),
            "entry 5 is a new one, not yet durable"
        );
        d.complete(cut.seq);
        assert_eq!(d.last_index(), LogIndex(5));
    }
}
