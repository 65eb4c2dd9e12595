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
    before.leads()
        && !before.told
        && before.lease.is_some_and(holds)
        && has_committed_in_its_term(before, log)
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
