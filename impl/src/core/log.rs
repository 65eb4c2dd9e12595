//! The log in memory: contiguous entries from index one. What of it is durable is not its concern.

use crate::types::{Entry, LogIndex, Term};

/// A server's log (§5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    entries: Vec<Entry>,
}

impl Log {
    /// A log of recovered entries.
    ///
    /// # Panics
    /// If the entries are not contiguous from index one.
    #[must_use]
    pub fn from_entries(entries: Vec<Entry>) -> Log {
        let mut log = Log::default();
        log.extend(entries);
        log
    }

    /// The index of the last entry, zero if there is none.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    /// The term of the last entry, zero if there is none.
    #[must_use]
    pub fn last_term(&self) -> Term {
        self.entries.last().map_or(Term::ZERO, |entry| entry.term)
    }

    /// The entry at an index.
    #[must_use]
    pub fn get(&self, index: LogIndex) -> Option<&Entry> {
        let position = usize::try_from(index.0.checked_sub(1)?).ok()?;
        self.entries.get(position)
    }

    /// The term at an index: zero at index zero, `None` behind the end.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == LogIndex::ZERO {
            Some(Term::ZERO)
        } else {
            self.get(index).map(|e| e.term)
        }
    }

    /// The entries from `first` to `last`, both included, as far as they exist.
    #[must_use]
    pub fn range(&self, first: LogIndex, last: LogIndex) -> &[Entry] {
        let start = (first.0.max(1) - 1) as usize;
        let end = (last.0 as usize).min(self.entries.len());
        self.entries.get(start..end).unwrap_or(&[])
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds one entry.
    ///
    /// # Panics
    /// If it does not follow the last one, or its term is lower.
    pub fn push(&mut self, entry: Entry) {
        assert_eq!(entry.index, self.last_index().next(), "the log has no gaps");
        assert!(
            entry.term >= self.last_term(),
            "terms in a log never decrease"
        );
        self.entries.push(entry);
    }

    /// Adds entries, each as [`Log::push`] does.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.push(entry);
        }
    }

    /// Drops the entry at `from` and all behind it.
    pub fn truncate(&mut self, from: LogIndex) {
        self.entries.truncate(from.prev().0 as usize);
    }

    /// The first index of the run of entries that share the term at `index`.
    ///
    /// # Panics
    /// If there is no entry at `index`.
    #[must_use]
    pub fn first_index_of_run(&self, index: LogIndex) -> LogIndex {
        let term = self
            .get(index)
            .expect("the caller checked that the entry exists")
            .term;
        let at_or_after = self.entries.partition_point(|entry| entry.term < term);
        LogIndex(at_or_after as u64 + 1)
    }

    /// The last index whose entry has `term`, if any.
    #[must_use]
    pub fn last_index_of_term(&self, term: Term) -> Option<LogIndex> {
        let behind = self.entries.partition_point(|entry| entry.term <= term);
        let last = self.entries.get(behind.checked_sub(1)?)?;
        (last.term == term).then_some(last.index)
    }

    /// Whether a log that ends in this term and index is at least as up to date as ours (§5.4.1).
    #[must_use]
    pub fn is_up_to_date(&self, last_term: Term, last_index: LogIndex) -> bool {
        (last_term, last_index) >= (self.last_term(), self.last_index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Payload;

    fn log(terms: &[u64]) -> Log {
        Log::from_entries(
            terms
                .iter()
                .zip(1..)
                .map(|(term, index)| Entry {
                    index: LogIndex(index),
                    term: Term(*term),
                    payload: Payload::Noop,
                })
                .collect(),
        )
    }

    #[test]
    fn up_to_date_compares_the_term_before_the_length() {
        let ours = log(&[1, 1, 2]);
        assert!(
            ours.is_up_to_date(Term(3), LogIndex(1)),
            "a later term wins however short"
        );
        assert!(
            !ours.is_up_to_date(Term(1), LogIndex(9)),
            "an earlier term loses however long"
        );
        assert!(ours.is_up_to_date(Term(2), LogIndex(3)));
        assert!(!ours.is_up_to_date(Term(2), LogIndex(2)));
    }

    #[test]
    fn runs_of_a_term_are_found_from_both_ends() {
        let log = log(&[1, 1, 4, 4, 5]);
        assert_eq!(log.first_index_of_run(LogIndex(4)), LogIndex(3));
        assert_eq!(log.first_index_of_run(LogIndex(2)), LogIndex(1));
        assert_eq!(log.last_index_of_term(Term(4)), Some(LogIndex(4)));
        assert_eq!(log.last_index_of_term(Term(3)), None);
        assert_eq!(log.last_index_of_term(Term(6)), None);
    }

    #[test]
    fn ranges_and_terms_stop_at_the_ends() {
        let mut log = log(&[1, 2, 3]);
        assert_eq!(log.range(LogIndex(2), LogIndex(9)).len(), 2);
        assert_eq!(log.range(LogIndex(5), LogIndex(9)).len(), 0);
        assert_eq!(log.term_at(LogIndex(0)), Some(Term(0)));
        assert_eq!(log.term_at(LogIndex(4)), None);
        log.truncate(LogIndex(2));
        assert_eq!(log.last_index(), LogIndex(1));
    }

    #[test]
    #[should_panic(expected = "no gaps")]
    fn a_gap_is_refused() {
        let mut log = log(&[1]);
        log.push(Entry {
            index: LogIndex(3),
            term: Term(1),
            payload: Payload::Noop,
        });
    }
}
