//! The configurations from which a search found no way on. Whole keys are compared, never hashes
//! alone. A configuration that is no better than one that failed fails too: see [`Order`].

use std::hash::Hasher;

use crate::hash::FastHasher;

const NOTHING: u32 = u32::MAX;
/// No more than so many failed configurations of one kind are compared with: more would cost more
/// than they save. Looking at fewer is always sound.
const MOST: usize = 256;

/// Which configurations can do all that another can, by words of bits, one bit a slot:
///
/// - a read that was answered is better than one that was not, as it can fail no more;
/// - a write that is not used but could be passed off as overwritten ("free") is better than one that
///   is used: it may still be used, and need not be;
/// - an indeterminate operation that is not used yet is better than one that is;
/// - in everything else the two must be equal.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// Slots of open reads.
    pub(crate) reads: &'a [u64],
    /// Slots of open writes.
    pub(crate) writes: &'a [u64],
    /// The top bit of each counter.
    pub(crate) guards: &'a [u64],
}

impl Order<'_> {
    /// What must be equal: the slots that are neither reads nor writes.
    fn same_kind(&self, old: &[u64], new: &[u64]) -> bool {
        (0..self.reads.len())
            .all(|word| (old[word] ^ new[word]) & !(self.reads[word] | self.writes[word]) == 0)
    }

    fn kind_hash(&self, place: u64, config: &[u64]) -> u64 {
        let mut hasher = FastHasher::default();
        hasher.add(place);
        for (word, reads) in self.reads.iter().enumerate() {
            hasher.add(config[word] & !(reads | self.writes[word]));
        }
        hasher.finish()
    }

    /// Whether `old` can do all that `new` can. Both are `[done, free, used]`.
    fn covers(&self, old: &[u64], new: &[u64]) -> bool {
        let width = self.reads.len();
        let (old_done, old) = old.split_at(width);
        let (new_done, new) = new.split_at(width);
        let (old_free, old_used) = old.split_at(old.len() - self.guards.len());
        let (new_free, new_used) = new.split_at(new.len() - self.guards.len());
        let slots = (0..width).all(|word| {
            let reads = new_done[word] & self.reads[word] & !old_done[word];
            let (old_free, new_free) = match old_free.get(word) {
                Some(old_free) => (*old_free, new_free[word]),
                None => (0, 0),
            };
            let writes = ((old_done[word] ^ new_done[word]) | new_free) & self.writes[word];
            reads | (writes & !old_free) == 0
        });
        slots
            && self.guards.iter().enumerate().all(|(word, guards)| {
                // Counter by counter, new >= old: no borrow reaches a guard.
                ((new_used[word] | guards) - old_used[word]) & guards == *guards
            })
    }
}

/// A set of failed configurations of one length.
pub(crate) struct Visited {
    /// `[hash of the kind, place, done, free, used]` one after the other.
    words: Vec<u64>,
    length: usize,
    /// The one before of the same kind, by configuration.
    before: Vec<u32>,
    /// The last of each kind: open addressing, never more than half full.
    heads: Vec<u32>,
    kinds: usize,
}

/// What became of remembering a configuration.
pub(crate) enum Known {
    /// It was new; its number.
    New(u32),
    /// This one can do as much.
    Covered(u32),
}

impl Visited {
    /// For configurations of so many words.
    pub(crate) fn new(length: usize) -> Visited {
        Visited {
            words: Vec::new(),
            length: length + 2,
            before: Vec::new(),
            heads: vec![NOTHING; 64],
            kinds: 0,
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.words.capacity() * 8 + (self.before.capacity() + self.heads.capacity()) * 4
    }

    /// Remembers a configuration, unless one that can do as much is known. `place` is the event and
    /// the state; the second value is how many were compared.
    pub(crate) fn insert(
        &mut self,
        place: u64,
        config: &[u64],
        order: Order<'_>,
    ) -> (Known, usize) {
        if (self.kinds + 1) * 2 > self.heads.len() {
            self.grow();
        }
        let hash = order.kind_hash(place, config);
        let slot = self.slot(hash, place, config, order);
        let head = self.heads[slot];
        self.kinds += usize::from(head == NOTHING);
        let (mut entry, mut later) = (head, NOTHING);
        let mut compared = 1;
        while entry != NOTHING && compared < MOST {
            if order.covers(&self.entry(entry)[2..], config) {
                if later != NOTHING {
                    // To the front: what covered once will again.
                    self.before[later as usize] = self.before[entry as usize];
                    self.before[entry as usize] = head;
                    self.heads[slot] = entry;
                }
                return (Known::Covered(entry), compared);
            }
            compared += 1;
            later = entry;
            entry = self.before[entry as usize];
        }
        let number = u32::try_from(self.before.len()).unwrap_or(NOTHING);
        assert!(number < NOTHING, "memory ends before 2^32 configurations");
        self.before.push(head);
        self.words.extend([hash, place]);
        self.words.extend_from_slice(config);
        self.heads[slot] = number;
        (Known::New(number), compared)
    }

    /// The words of a remembered configuration.
    pub(crate) fn config_mut(&mut self, number: u32) -> &mut [u64] {
        &mut self.words[number as usize * self.length + 2..][..self.length - 2]
    }

    fn entry(&self, number: u32) -> &[u64] {
        &self.words[number as usize * self.length..][..self.length]
    }

    /// Where this kind is or would be in the table.
    fn slot(&self, hash: u64, place: u64, config: &[u64], order: Order<'_>) -> usize {
        let mask = self.heads.len() - 1;
        let mut slot = low_bits(hash) & mask;
        loop {
            let head = self.heads[slot];
            if head == NOTHING {
                return slot;
            }
            let old = self.entry(head);
            // The place comes first: at one place, and only there, the slots mean the same.
            if old[0] == hash && old[1] == place && order.same_kind(&old[2..], config) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = self.heads.len() * 2 - 1;
        let mut heads = vec![NOTHING; mask + 1];
        for head in self.heads.iter().filter(|head| **head != NOTHING) {
            let mut slot = low_bits(self.entry(*head)[0]) & mask;
            while heads[slot] != NOTHING {
                slot = (slot + 1) & mask;
            }
            heads[slot] = *head;
        }
        self.heads = heads;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "any bits of a hash will do"
)]
fn low_bits(hash: u64) -> usize {
    hash as usize
}
