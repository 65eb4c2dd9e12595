//! The log in memory: contiguous entries behind a base, which is the last entry that was compacted
//! away (§7). What of it is durable is not its concern.

use crate::types::{Entry, LogIndex, Term};

/// A server's log (§5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    base: (LogIndex, Term),
    entries: Vec<Entry>,
}

impl Log {
    /// A whole log of recovered entries.
    ///
    /// # Panics
    /// If the entries are not contiguous from index one.
    #[must_use]
    pub fn from_entries(entries: Vec<Entry>) -> Log {
        Log::behind((LogIndex::ZERO, Term::ZERO), entries)
    }

    /// A log of recovered entries behind the last one that was compacted away.
    ///
    /// # Panics
    /// If the entries do not follow it without a gap.
    #[must_use]
    pub fn behind(base: (LogIndex, Term), entries: Vec<Entry>) -> Log {
        let mut log = Log {
            base,
            entries: Vec::new(),
        };
        log.extend(entries);
        log
    }

    /// The last entry that was compacted away, and its term; zeros if none was.
    #[must_use]
    pub fn base(&self) -> (LogIndex, Term) {
        self.base
    }

    /// The index of the first entry that is here, or would be.
    #[must_use]
    pub fn first_index(&self) -> LogIndex {
        self.base.0.next()
    }

    /// The index of the last entry, zero if there never was one.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.base.0.0 + self.entries.len() as u64)
    }

    /// The term of the last entry, zero if there never was one.
    #[must_use]
    pub fn last_term(&self) -> Term {
        self.entries.last().map_or(self.base.1, |entry| entry.term)
    }

    /// The entry at an index, if it is here.
    #[must_use]
    pub fn get(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.get(self.position(index)?)
    }

    fn position(&self, index: LogIndex) -> Option<usize> {
        usize::try_from(index.0.checked_sub(self.base.0.0 + 1)?).ok()
    }

    /// The term at an index: known for the base, `None` before it and behind the end.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.0 {
            Some(self.base.1)
        } else {
            self.get(index).map(|e| e.term)
        }
    }

    /// The entries from `first` to `last`, both included, as far as they are here.
    #[must_use]
    pub fn range(&self, first: LogIndex, last: LogIndex) -> &[Entry] {
        let start = self.position(first).unwrap_or(0);
        let end = self.position(last.next()).unwrap_or(0);
        self.entries
            .get(start..end.min(self.entries.len()))
            .unwrap_or(&[])
    }

    /// How many bytes these entries carry, as far as they are here.
    #[must_use]
    pub fn bytes(&self, first: LogIndex, last: LogIndex) -> u64 {
        let sizes = self.range(first, last).iter().map(|e| e.payload.len());
        sizes.sum::<usize>() as u64
    }

    /// All entries that are here.
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
    ///
    /// # Panics
    /// If that would drop what was compacted away.
    pub fn truncate(&mut self, from: LogIndex) {
        let position = self.position(from);
        self.entries
            .truncate(position.expect("what a snapshot stands for is never cut"));
    }

    /// Drops every entry up to this one, which becomes the base; one that is gone already changes
    /// nothing.
    ///
    /// # Panics
    /// If there is no such entry yet.
    pub fn compact(&mut self, to: LogIndex) {
        if to <= self.base.0 {
            return;
        }
        let term = self.term_at(to);
        let term = term.expect("only entries that exist are compacted away");
        let count = (to.0 - self.base.0.0) as usize;
        self.entries.drain(..count);
        self.base = (to, term);
    }

    /// Drops everything: a snapshot stands for the log up to this entry (§7).
    pub fn reset(&mut self, base: (LogIndex, Term)) {
        self.entries.clear();
        self.base = base;
    }

    /// The first index, among the entries here, of the run that shares the term at `index`.
    ///
    /// # Panics
    /// If there is no entry at `index`.
    #[must_use]
    pub fn first_index_of_run(&self, index: LogIndex) -> LogIndex {
        let term = self
            .term_at(index)
            .expect("the caller checked that the entry exists");
        let at_or_after = self.entries.partition_point(|entry| entry.term < term);
        LogIndex(self.base.0.0 + at_or_after as u64 + 1)
    }

    /// The last index whose entry has `term`, if any is here.
    #[must_use]
    pub fn last_index_of_term(&self, term: Term) -> Option<LogIndex> {
        let behind = self.entries.partition_point(|entry| entry.term <= term);
        match behind.checked_sub(1) {
            Some(last) => (self.entries[last].term == term).then(|| self.entries[last].index),
            None => (self.base.1 == term && term > Term::ZERO).then_some(self.base.0),
        }
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
    fn a_compacted_log_keeps_its_indexes_and_the_term_before_its_first_entry() {
        let mut log = log(&[1, 1, 2, 3]);
        log.compact(LogIndex(3));
        assert_eq!(log.base(), (LogIndex(3), Term(2)));
        assert_eq!(
            (log.first_index(), log.last_index()),
            (LogIndex(4), LogIndex(4))
        );
        assert_eq!(log.term_at(LogIndex(3)), Some(Term(2)));
        assert_eq!(log.term_at(LogIndex(2)), None);
        assert_eq!(log.get(LogIndex(3)), None);
        assert_eq!(log.range(LogIndex(1), LogIndex(9)).len(), 1);
        assert_eq!(log.range(LogIndex(1), LogIndex(2)).len(), 0);
        assert_eq!(log.last_index_of_term(Term(2)), Some(LogIndex(3)));
        log.compact(LogIndex(4));
        assert_eq!((log.last_index(), log.last_term()), (LogIndex(4), Term(3)));
        log.compact(LogIndex(2));
        assert_eq!(log.base(), (LogIndex(4), Term(3)), "gone already");
        log.reset((LogIndex(9), Term(5)));
        assert_eq!((log.last_index(), log.last_term()), (LogIndex(9), Term(5)));
    }

    #[test]
    #[should_panic(expected = "never cut")]
    fn what_was_compacted_away_is_never_cut() {
        let mut log = log(&[1, 1, 2]);
        log.compact(LogIndex(2));
        log.truncate(LogIndex(2));
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
