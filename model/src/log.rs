//! A server's log in 39 bits: a length and up to six entries of a term and a value.

use std::fmt;

use crate::bounds::MAX_LOG;

/// A term; 0 is before the first election.
pub type Term = u8;
/// A log index; the first entry has index 1, and 0 is before it.
pub type Index = u8;

const LEN_BITS: u32 = 3;
const ENTRY_BITS: u32 = 6;

/// One log entry: the term that a leader received it in, and the client's value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The term of the leader that appended it, at least 1.
    pub term: Term,
    /// Which client request it is, counted from 1.
    pub value: u8,
}

impl Entry {
    /// The entry in six bits; 0 stands for none, since a term is at least 1.
    #[inline]
    pub(crate) const fn pack(self) -> u64 {
        self.term as u64 | (self.value as u64) << 3
    }

    #[inline]
    pub(crate) const fn unpack(bits: u64) -> Entry {
        Entry {
            term: (bits & 7) as u8,
            value: (bits >> 3 & 7) as u8,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.term, value_name(self.value))
    }
}

/// The letter of a client value: `a` for the first request.
#[must_use]
pub fn value_name(value: u8) -> char {
    char::from(b'a' + value.saturating_sub(1).min(25))
}

/// A packed log. Bits of entries beyond its length are zero, so equal logs are equal words.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Log(u64);

impl Log {
    /// Bits that a log takes in a word.
    pub(crate) const BITS: u32 = LEN_BITS + ENTRY_BITS * MAX_LOG as u32;
    /// The bits of a log at the bottom of a word.
    pub(crate) const MASK: u64 = (1 << Self::BITS) - 1;

    /// The log at the bottom of `word`.
    #[inline]
    pub(crate) const fn of_word(word: u64) -> Log {
        Log(word & Self::MASK)
    }

    #[inline]
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    /// How many entries it has, which is also the index of its last one.
    #[inline]
    #[must_use]
    pub const fn len(self) -> Index {
        (self.0 & 7) as u8
    }

    /// Whether it has no entry.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The entry at `index`, if the log reaches so far.
    #[inline]
    #[must_use]
    pub const fn get(self, index: Index) -> Option<Entry> {
        if index == 0 || index > self.len() {
            return None;
        }
        Some(Entry::unpack(
            self.0 >> (LEN_BITS + ENTRY_BITS * (index as u32 - 1)) & 0x3f,
        ))
    }

    /// The term of the entry at `index`; 0 at index 0 and beyond the end.
    #[inline]
    #[must_use]
    pub const fn term_at(self, index: Index) -> Term {
        match self.get(index) {
            Some(entry) => entry.term,
            None => 0,
        }
    }

    /// The term of the last entry, 0 for an empty log.
    #[inline]
    #[must_use]
    pub const fn last_term(self) -> Term {
        self.term_at(self.len())
    }

    /// The first `len` entries, or all of them if there are fewer.
    #[inline]
    #[must_use]
    pub const fn prefix(self, len: Index) -> Log {
        if len >= self.len() {
            return self;
        }
        let entries = (1u64 << (ENTRY_BITS * len as u32)) - 1;
        Log(self.0 & (entries << LEN_BITS) | len as u64)
    }

    /// The log with one more entry.
    ///
    /// # Panics
    /// If the log is full: [`crate::Bounds::validate`] and the guards keep it below.
    #[inline]
    #[must_use]
    pub const fn with(self, entry: Entry) -> Log {
        assert!(
            self.len() < MAX_LOG,
            "a bound lets a log outgrow its packing"
        );
        Log((self.0 + 1) | entry.pack() << (LEN_BITS + ENTRY_BITS * self.len() as u32))
    }

    /// Whether the first entries are those of `other`.
    #[inline]
    #[must_use]
    pub const fn starts_with(self, other: Log) -> bool {
        self.len() >= other.len() && self.prefix(other.len()).0 == other.0
    }

    /// How many entries both logs share from the start.
    #[inline]
    #[must_use]
    pub const fn common_len(self, other: Log) -> Index {
        let shorter = if self.len() < other.len() {
            self.len()
        } else {
            other.len()
        };
        let differ = (self.0 ^ other.0) >> LEN_BITS;
        let same = (differ.trailing_zeros() / ENTRY_BITS) as u8;
        if same < shorter { same } else { shorter }
    }

    /// Its entries, first to last.
    pub fn entries(self) -> impl Iterator<Item = Entry> {
        (1..=self.len()).filter_map(move |index| self.get(index))
    }

    /// §5.4.1: of two logs, the one with the later last term is more up to date, then the longer.
    #[inline]
    #[must_use]
    pub const fn at_most_as_up_to_date_as(self, last_term: Term, last_index: Index) -> bool {
        self.last_term() < last_term || (self.last_term() == last_term && self.len() <= last_index)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, entry) in self.entries().enumerate() {
            let space = if i > 0 { " " } else { "" };
            write!(f, "{space}{entry:?}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (1u8..=7, 1u8..=7).prop_map(|(term, value)| Entry { term, value });
        proptest::collection::vec(entry, 0..=usize::from(MAX_LOG))
    }

    fn packed(entries: &[Entry]) -> Log {
        entries
            .iter()
            .fold(Log::default(), |log, &entry| log.with(entry))
    }

    proptest! {
        #[test]
        fn a_packed_log_behaves_like_a_vector(a in entries(), b in entries(), cut in 0u8..=7) {
            let (log, other) = (packed(&a), packed(&b));
            prop_assert_eq!(log.entries().collect::<Vec<_>>(), a.clone());
            let kept = &a[..usize::from(cut).min(a.len())];
            prop_assert_eq!(log.prefix(cut), packed(kept));
            prop_assert_eq!(log.starts_with(other), a.starts_with(&b));
            let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(usize::from(log.common_len(other)), common);
            prop_assert_eq!(log.last_term(), a.last().map_or(0, |e| e.term));
        }
    }
}
