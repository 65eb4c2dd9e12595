//! The network: a sorted set of packed messages, inline in the state.
//!
//! The set only grows, and a message is received without being removed. That one choice covers an
//! asynchronous network: a message that is never received is *lost*; one that is received twice is
//! *duplicated*; and since any message in the set may be received next, whatever the order in which
//! they were sent, messages are *reordered* and delayed without limit. Every run of a network that
//! loses, duplicates and reorders is thus a run of this one, and the other way round.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::message::Packed;

/// Most messages in one state; [`crate::Bounds::validate`] keeps scopes below.
pub const CAPACITY: usize = 88;

// A mark for each place fits a word.
const _: () = assert!(CAPACITY <= 128);

/// A sorted set of messages. Slots beyond its length mean nothing, so that to copy a set is to copy what
/// it has.
pub struct Network {
    /// The places of messages that were added since this was a copy of another.
    fresh: u128,
    len: u8,
    slots: [Packed; CAPACITY],
}

impl Default for Network {
    fn default() -> Network {
        Network {
            fresh: 0,
            len: 0,
            slots: [Packed(0); CAPACITY],
        }
    }
}

impl Clone for Network {
    #[inline]
    fn clone(&self) -> Network {
        let mut network = Network::default();
        network.clone_from(self);
        network
    }

    #[inline]
    fn clone_from(&mut self, source: &Network) {
        self.fresh = 0;
        self.len = source.len;
        let len = usize::from(source.len);
        self.slots[..len].copy_from_slice(&source.slots[..len]);
    }
}

impl PartialEq for Network {
    fn eq(&self, other: &Network) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Network {}

impl Network {
    /// The messages, in ascending order of term.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Packed] {
        &self.slots[..usize::from(self.len)]
    }

    /// Adds a message; `false` if it was there.
    ///
    /// # Panics
    /// If the set is full: bounds that allow it are rejected before.
    #[inline]
    pub(crate) fn insert(&mut self, message: Packed) -> bool {
        let Err(at) = self.as_slice().binary_search(&message) else {
            return false;
        };
        let len = usize::from(self.len);
        assert!(len < CAPACITY, "a scope outgrew the packed network");
        self.slots.copy_within(at..len, at + 1);
        self.slots[at] = message;
        self.len += 1;
        let before = (1u128 << at) - 1;
        self.fresh = self.fresh & before | (self.fresh & !before) << 1 | 1 << at;
        true
    }

    /// The places of messages that were added since this was a copy of another, a bit each.
    #[inline]
    pub(crate) fn fresh(&self) -> u128 {
        self.fresh
    }

    /// Drops the messages in the places that are marked, a bit each.
    #[inline]
    pub(crate) fn drop_marked(&mut self, marks: u128) {
        self.fresh = 0;
        let first = marks.trailing_zeros() as usize;
        let mut kept = first;
        for at in first..usize::from(self.len) {
            if marks >> at & 1 == 0 {
                self.slots[kept] = self.slots[at];
                kept += 1;
            }
        }
        self.len = kept as u8;
    }

    /// Changes every message by `f`, and sorts them anew.
    #[inline]
    pub(crate) fn change(&mut self, f: impl Fn(Packed) -> Packed) {
        let live = &mut self.slots[..usize::from(self.len)];
        for slot in live.iter_mut() {
            *slot = f(*slot);
        }
        live.sort_unstable();
    }

    /// The set of the messages in `words`, which must be ascending.
    pub(crate) fn from_sorted(words: &[u32]) -> Network {
        let mut network = Network {
            len: words.len() as u8,
            ..Network::default()
        };
        for (slot, &word) in network.slots.iter_mut().zip(words) {
            *slot = Packed(word);
        }
        network
    }
}

impl Hash for Network {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.as_slice()).finish()
    }
}
