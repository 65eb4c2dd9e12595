//! Leases on bounded drift (dissertation §6.4.1), the patience that they rest on (§4.2.3), and leadership transfer,
//! which is the exception to it (§3.10).

use super::election::stand;
use super::membership::Configuration;
use super::reads::{has_committed_in_its_term, is_confirmed};
use super::{Entries, Position};

/// §4.2.3: whether a server would not hear of an election now, because it has heard from a leader within the least
/// election timeout; one that the leader itself asked for it does hear of.
#[must_use]
pub fn is_deaf_to(before: Position, transfer: bool) -> bool {
    before.patient && !transfer
}

/// An election timeout passes: nobody is patient any more (§4.2.3).
#[must_use]
pub fn lose_patience(before: Position) -> Position {
    Position {
        patient: false,
        ..before
    }
}

/// §6.4.1: a leader whose round a majority has answered holds a lease, counted from when that round was `sent`.
#[must_use]
pub fn confirm_lease(
    before: Position,
    (round, sent): (u64, u64),
    in_force: &impl Configuration,
    answered: impl Fn(u64) -> u64,
) -> Option<Position> {
    let begun = (1..=before.round).contains(&round);
    (before.leads() && begun && !before.told && is_confirmed(round, in_force, answered)).then_some(
        Position {
            lease: before.lease.max(Some(sent)),
            ..before
        },
    )
}

/// §6.4.1: whether a leader may serve a read at once, because a lease that `lasts` so long from its sending is not
/// over `now`.
#[must_use]
pub fn lease_read(before: Position, log: &impl Entries, now: u64, lasts: u64) -> bool {
    let holds = |since: u64| now < since.saturating_add(lasts);
    before.leads() && before.lease.is_some_and(holds) && has_committed_in_its_term(before, log)
}

/// §3.10: a leader tells another server to stand for election at once, and gives up its lease for its term: that
/// server's voters will not be patient.
#[must_use]
pub fn transfer_leadership(before: Position, me: u64, to: u64) -> Option<Position> {
    (before.leads() && to != me).then_some(Position {
        told: true,
        lease: None,
        ..before
    })
}

/// §3.10: told by the leader of its term, a server that [may stand](super::may_stand) does so without waiting for
/// its patience to end.
#[must_use]
pub fn timeout_now(before: Position, me: u64, term: u64) -> Option<Position> {
    (term == before.term && !before.leads()).then(|| stand(before, me))
}

#[cfg(test)]
mod tests {
    use super::super::{Durable, Standing, restart};
    use super::*;

    struct Log;

    impl Entries for Log {
        fn last(&self) -> (u64, u64) {
            (1, 1)
        }

        fn term_at(&self, index: u64) -> Option<u64> {
            (index == 1).then_some(1)
        }

        fn is_compacted(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn a_lease_is_over_when_its_time_has_passed() {
        let disk = Durable {
            term: 1,
            vote: None,
            snapshot: 1,
        };
        let leader = Position {
            standing: Standing::Leader,
            lease: Some(10),
            ..restart(disk, false)
        };
        assert!(lease_read(leader, &Log, 14, 5));
        assert!(!lease_read(leader, &Log, 15, 5));
    }
}
