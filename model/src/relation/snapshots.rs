//! Snapshots and compaction (§7).

use super::{Change, Entries, Position, Standing, step_down};

/// What a snapshot does to who receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Where that takes the server.
    pub position: Position,
    /// What becomes of its log.
    pub change: Change,
}

/// §7: a server writes down its state machine, as it was at an index that it has applied, and may discard the
/// entries up to there. `None` if it may not, or has such a snapshot.
#[must_use]
pub fn compact(before: Position, upto: u64) -> Option<Position> {
    (before.snapshot < upto && upto <= before.commit).then_some(Position {
        snapshot: upto,
        ..before
    })
}

/// §7: whether a leader may send a snapshot of this index and term: its latest, or an earlier one, whose term it
/// may not know any more.
#[must_use]
pub fn send_snapshot(before: Position, log: &impl Entries, (index, term): (u64, u64)) -> bool {
    let right = log.term_at(index).is_none_or(|own| own == term);
    before.leads() && 0 < index && index <= before.snapshot && right
}

/// §7: a server that hears the leader of its term, and lacks what its snapshot stands for, installs it. If its log
/// has the snapshot's last entry, it keeps what follows; if not, none of its log can be kept. `None` if it leads.
#[must_use]
pub fn install_snapshot(
    before: Position,
    log: &impl Entries,
    (last_index, last_term): (u64, u64),
) -> Option<Installed> {
    let follows = match before.standing {
        Standing::Leader => return None,
        Standing::Candidate => step_down(before),
        Standing::Follower => before,
    };
    // Leader Completeness: what a server knows to be committed, the snapshot has too.
    if last_index <= before.commit {
        return Some(Installed {
            position: follows,
            change: Change::Kept,
        });
    }
    let position = Position {
        commit: last_index,
        snapshot: last_index,
        ..follows
    };
    let change = if log.term_at(last_index) == Some(last_term) {
        Change::Kept
    } else {
        Change::Replaced(last_index)
    };
    Some(Installed { position, change })
}
