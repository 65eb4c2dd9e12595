//! What survives a crash (Figure 2, "Persistent state").

use super::{Position, Standing};

/// What a disk holds beside the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// `currentTerm`.
    pub term: u64,
    /// `votedFor`.
    pub vote: Option<u64>,
    /// The last index that the snapshot stands for.
    pub snapshot: u64,
}

/// A server starts as a follower from what is on its disk (§5.1 with Figure 2). What its snapshot stands for was
/// committed (§7). It may have heard a leader just before, and where servers stick to theirs, it is patient
/// (dissertation §4.2.3).
#[must_use]
pub fn restart(disk: Durable, sticks: bool) -> Position {
    Position {
        term: disk.term,
        vote: disk.vote,
        standing: Standing::Follower,
        commit: disk.snapshot,
        snapshot: disk.snapshot,
        patient: sticks,
        round: 0,
        told: false,
        lease: None,
    }
}
