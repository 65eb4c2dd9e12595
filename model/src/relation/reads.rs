//! Reads without log entries: ReadIndex (dissertation §6.4).

use super::membership::{Configuration, decides};
use super::{Entries, Position, Standing, step_down};

/// A read that waits at its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// `readIndex`: what the read is to see at least.
    pub index: u64,
    /// The earliest round that confirms that the leader still led.
    pub round: u64,
}

/// §6.4: a leader begins a round of heartbeats, to learn whether it has been deposed. It may do so at any time.
#[must_use]
pub fn begin_round(before: Position) -> Option<Position> {
    before.leads().then(|| Position {
        round: before.round.saturating_add(1),
        ..before
    })
}

/// §6.4: a server that hears the leader of its term answers. A candidate thereby is a follower again (§5.2), and
/// where servers stick to their leader, it is patient from now on (§4.2.3).
#[must_use]
pub fn handle_heartbeat(before: Position, sticks: bool) -> Position {
    let heard = match before.standing {
        Standing::Candidate => step_down(before),
        Standing::Leader | Standing::Follower => before,
    };
    Position {
        patient: before.patient || sticks,
        ..heard
    }
}

/// §6.4: until a leader has committed an entry of its term, it does not know what is committed.
#[must_use]
pub fn has_committed_in_its_term(before: Position, log: &impl Entries) -> bool {
    before.commit > 0 && log.term_at(before.commit) == Some(before.term)
}

/// §6.4, steps 1 to 3: asked for a read, a leader that has committed an entry of its term notes its commit index,
/// and waits for a round that begins from now on. `None` while it has not.
#[must_use]
pub fn ask_read(before: Position, log: &impl Entries) -> Option<Read> {
    (before.leads() && has_committed_in_its_term(before, log)).then_some(Read {
        index: before.commit,
        round: before.round.saturating_add(1),
    })
}

/// §6.4: whether a leader counts an answer to a round that was given in this term.
#[must_use]
pub fn counts_confirmation(before: Position, term: u64) -> bool {
    before.leads() && term == before.term
}

/// §6.4: whether a majority has answered this round, or a later one; `answered` says up to which round a server
/// has.
#[must_use]
pub fn is_confirmed(
    round: u64,
    in_force: &impl Configuration,
    answered: impl Fn(u64) -> u64,
) -> bool {
    decides(in_force, |id| answered(id) >= round)
}

/// §6.4, steps 4 and 5: once a majority has answered its round, a read is served by the leader, or by any server
/// that is given the index, as soon as that has `applied` so far.
#[must_use]
pub fn serve_read(
    leader: Position,
    read: Read,
    in_force: &impl Configuration,
    answered: impl Fn(u64) -> u64,
    applied: u64,
) -> bool {
    leader.leads() && is_confirmed(read.round, in_force, answered) && applied >= read.index
}
