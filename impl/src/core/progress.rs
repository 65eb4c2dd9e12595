//! What a leader knows of one follower (`nextIndex`, `matchIndex` of Figure 2).

use super::log::Log;
use super::message::{AppendOutcome, Round};
use super::snapshot::Sending;
use crate::types::LogIndex;

/// A follower's progress in the leader's eyes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Everything up to here is known to be durable on the follower and equal to our log.
    pub match_index: LogIndex,
    /// The next entry to send; runs ahead of `match_index` while answers are under way.
    pub next_index: LogIndex,
    /// The latest confirmation round that the follower answered in our term.
    pub acked_round: Round,
    /// Whether it was heard from since the leader last looked (CheckQuorum).
    pub heard: bool,
    /// Answers to earlier rounds are those of an earlier membership of the same server.
    pub since: Round,
    /// The membership without it: once it has that entry, it is sent no more.
    pub leaving: Option<LogIndex>,
    /// The snapshot on its way, while the follower lacks entries that are compacted away.
    pub sending: Option<Sending>,
}

impl Progress {
    /// A follower of whom a new leader knows nothing yet (§5.3).
    #[must_use]
    pub fn new(last_index: LogIndex) -> Progress {
        Progress {
            match_index: LogIndex::ZERO,
            next_index: last_index.next(),
            acked_round: Round::default(),
            heard: false,
            since: Round::default(),
            leaving: None,
            sending: None,
        }
    }

    /// Takes an answer in; returns whether the follower refused and must be sent to again.
    ///
    /// Late and repeated answers change nothing: `match_index` never moves back, and a refusal at
    /// or below it is old.
    pub fn update(&mut self, outcome: AppendOutcome, log: &Log) -> bool {
        match outcome {
            AppendOutcome::Matched(index) => {
                self.match_index = self.match_index.max(index);
                self.next_index = self.next_index.max(index.next());
                // §7: a snapshot is for those who lack what it stands for.
                if self.next_index > log.base().0 {
                    self.sending = None;
                }
                false
            }
            AppendOutcome::Conflict {
                rejected,
                conflict_term,
                first_index,
            } => {
                if rejected <= self.match_index || rejected >= self.next_index {
                    return false;
                }
                // §5.3: skip a whole term at a time. If we have that term, the logs may agree up
                // to our last entry of it; otherwise nothing of it can stay.
                let retry = conflict_term
                    .and_then(|term| log.last_index_of_term(term))
                    .map_or(first_index, LogIndex::next);
                let lowest = self.match_index.next();
                self.next_index = retry.min(rejected).max(lowest);
                true
            }
            AppendOutcome::Stale => false,
        }
    }

    /// How many entries are under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.next_index.prev().0.saturating_sub(self.match_index.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, Payload, Term};

    fn log(terms: &[u64]) -> Log {
        Log::from_entries(
            terms
                .iter()
                .zip(1..)
                .map(|(t, i)| Entry {
                    index: LogIndex(i),
                    term: Term(*t),
                    payload: Payload::Noop,
                })
                .collect(),
        )
    }

    fn conflict(rejected: u64, term: Option<u64>, first: u64) -> AppendOutcome {
        AppendOutcome::Conflict {
            rejected: LogIndex(rejected),
            conflict_term: term.map(Term),
            first_index: LogIndex(first),
        }
    }

    #[test]
    fn back_off_skips_a_term_at_a_time_and_never_below_the_match() {
        let log = log(&[1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
        let mut p = Progress::new(log.last_index());
        assert!(p.update(conflict(10, None, 6), &log), "a short log");
        assert_eq!(p.next_index, LogIndex(6));
        assert!(
            p.update(conflict(5, Some(4), 4), &log),
            "we have term 4: try behind our last"
        );
        assert_eq!(p.next_index, LogIndex(5));
        let mut p = Progress::new(log.last_index());
        assert!(
            p.update(conflict(10, Some(3), 4), &log),
            "we lack term 3: skip all of it"
        );
        assert_eq!(p.next_index, LogIndex(4));
        p.match_index = LogIndex(3);
        assert!(!p.update(conflict(2, Some(1), 1), &log), "a late refusal");
        assert_eq!(p.next_index, LogIndex(4));
    }

    #[test]
    fn a_late_answer_never_moves_the_match_back() {
        let log = log(&[1, 1, 1]);
        let mut p = Progress::new(LogIndex(3));
        p.update(AppendOutcome::Matched(LogIndex(3)), &log);
        p.update(AppendOutcome::Matched(LogIndex(1)), &log);
        assert_eq!((p.match_index, p.next_index), (LogIndex(3), LogIndex(4)));
    }
}
