//! Leader election (§5.1, §5.2, §5.4.1).

use super::membership::{Configuration, decides};
use super::{Entries, Position, Standing, is_deaf_to, is_up_to_date};

/// A request for a vote.
#[derive(Clone, Copy, Debug)]
pub struct VoteAsked {
    /// Who asks.
    pub candidate: u64,
    /// In which term.
    pub term: u64,
    /// The term and the index of the last entry in its log.
    pub last: (u64, u64),
    /// Its leader told it to stand (dissertation §3.10).
    pub transfer: bool,
}

/// §5.2: a server that hears of no leader raises its term, votes for itself and stands for election: once its
/// patience is over, if it [may stand](super::may_stand) and, where servers ask before, [may win](super::may_win).
#[must_use]
pub fn timeout(before: Position, me: u64) -> Option<Position> {
    (!before.leads() && !before.patient).then(|| stand(before, me))
}

pub(super) fn stand(before: Position, me: u64) -> Position {
    Position {
        term: before.term.saturating_add(1),
        vote: Some(me),
        standing: Standing::Candidate,
        ..before.without_office()
    }
}

/// A candidate or a leader may give up within its term (dissertation §6.2, §9.6): it does less than a crash does,
/// which forgets the commit index too.
#[must_use]
pub fn step_down(before: Position) -> Position {
    Position {
        standing: Standing::Follower,
        ..before.without_office()
    }
}

/// §5.1: a server that sees a higher term adopts it, and becomes a follower without a vote in it. A term that is
/// not higher changes nothing.
#[must_use]
pub fn adopt_term(before: Position, term: u64) -> Position {
    if term <= before.term {
        return before;
    }
    Position {
        term,
        vote: None,
        standing: Standing::Follower,
        ..before.without_office()
    }
}

/// §5.2, §5.4.1: a server gives its vote to the first candidate of its term whose log is at least as up to date as
/// its own: the later last term, or the same and no shorter. `None` if it does not.
#[must_use]
pub fn request_vote(before: Position, log: &impl Entries, asked: VoteAsked) -> Option<Position> {
    let free = before.vote.is_none() || before.vote == Some(asked.candidate);
    let hears = !is_deaf_to(before, asked.transfer);
    (asked.term == before.term && free && hears && is_up_to_date(log, asked.last)).then_some(
        Position {
            vote: Some(asked.candidate),
            ..before
        },
    )
}

/// §5.2: whether a candidate counts a vote that was given in this term.
#[must_use]
pub fn counts_grant(before: Position, term: u64) -> bool {
    before.standing == Standing::Candidate && term == before.term
}

/// §5.2: a candidate that has the votes of a majority leads.
#[must_use]
pub fn become_leader(
    before: Position,
    in_force: &impl Configuration,
    voted: impl Fn(u64) -> bool,
) -> Option<Position> {
    (before.standing == Standing::Candidate && decides(in_force, voted)).then_some(Position {
        standing: Standing::Leader,
        ..before.without_office()
    })
}
