//! PreVote (dissertation §9.6): a server asks whether it would win before it raises its term. Neither question nor
//! answer changes anything where it arrives.

use super::membership::{Configuration, decides};
use super::{Entries, Position, is_deaf_to, is_up_to_date};

/// §9.6: whether a server that hears of no leader may ask, if it [may stand](super::may_stand).
#[must_use]
pub fn ask_pre_vote(before: Position) -> bool {
    !before.leads() && !before.patient
}

/// §9.6: whether a server would vote in the term after `term` for who asks there, whose log ends in this term and
/// index: its own term is no later, it hears of no leader, and its log is not more up to date.
#[must_use]
pub fn pre_vote(before: Position, log: &impl Entries, term: u64, last: (u64, u64)) -> bool {
    term >= before.term && !before.leads() && !is_deaf_to(before, false) && is_up_to_date(log, last)
}

/// §9.6: whether an answer counts that was given to a question of this term.
#[must_use]
pub fn counts_pre_vote(before: Position, asked_in: u64) -> bool {
    asked_in == before.term
}

/// §9.6: whether enough servers would vote for this one, itself among them.
#[must_use]
pub fn may_win(in_force: &impl Configuration, would_vote: impl Fn(u64) -> bool) -> bool {
    decides(in_force, would_vote)
}

#[cfg(test)]
mod tests {
    use super::super::{Durable, restart};
    use super::*;

    #[test]
    fn an_answer_to_a_question_of_another_term_does_not_count() {
        let disk = Durable {
            term: 2,
            vote: None,
            snapshot: 0,
        };
        let asker = restart(disk, false);
        assert!(counts_pre_vote(asker, 2));
        assert!(!counts_pre_vote(asker, 1));
        assert!(!counts_pre_vote(asker, 3));
    }
}
