//! Rules on snapshots (§7), and when one is due.

use std::collections::BTreeMap;

use plumb_raft::core::{Node, Snapshot};
use plumb_raft::types::{LogIndex, NodeId};

use super::judge::Judge;

/// A server whose snapshot is due has it before it has applied entries in so many milliseconds more. To write it down
/// takes five by its own clock, and a slow disk or a failing one makes it no longer: the one delays what is
/// acknowledged, the other stops the server. A server that is down or paused applies nothing meanwhile.
const PATIENCE_MS: u32 = 50;

/// When servers are to take snapshots.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Whenever they have applied so many entries since the last; never if zero.
    every: u64,
    /// Who has been told otherwise for a while.
    stormy: BTreeMap<NodeId, u64>,
}

/// A snapshot that a server owes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owed {
    /// The last that it took or was sent.
    last: LogIndex,
    /// The present millisecond.
    ms: u64,
    /// It has applied entries in so many since.
    applied_in: u32,
}

impl Due {
    fn every(&self, id: NodeId) -> u64 {
        self.stormy.get(&id).copied().unwrap_or(self.every)
    }

    pub(super) fn storms_at(&self, id: NodeId) -> bool {
        self.stormy.contains_key(&id)
    }
}

impl Judge {
    /// Servers take a snapshot whenever they have applied so many entries since the last, never if zero.
    pub fn expect_snapshots(&mut self, every: u64) {
        self.due.every = every;
    }

    /// For a while a server has been told to take one ever so often instead, or goes by its setting again.
    pub fn storms(&mut self, id: NodeId, every: Option<u64>) {
        match every {
            Some(every) => drop(self.due.stormy.insert(id, every)),
            None => drop(self.due.stormy.remove(&id)),
        }
    }

    /// A server has applied entries: if a snapshot was due before, it is not long in coming.
    pub(super) fn snapshots_are_taken(&mut self, at_ns: u64, id: NodeId) {
        let every = self.due.every(id);
        let server = self.server(id);
        let last = server
            .image
            .snapshot
            .map_or(LogIndex::ZERO, |(last, ..)| last);
        let since = server.applied.0.saturating_sub(last.0);
        let owed = &mut server.owed;
        if every == 0 || since < every || owed.last != last {
            *owed = Owed {
                last,
                ..Owed::default()
            };
        }
        if every == 0 || since < every {
            return;
        }
        let ms = at_ns / 1_000_000;
        owed.applied_in += u32::from(owed.ms != ms);
        owed.ms = ms;
        if owed.applied_in > PATIENCE_MS {
            let what = format!(
                "{id} has applied {since} entries since its last snapshot, and is to take one every {every}"
            );
            self.rule(at_ns, "Snapshots Are Taken", what);
        }
    }

    /// A snapshot stands for committed entries only, holds the membership as of its last one, and is the
    /// same on every server that takes it at that place.
    pub(super) fn snapshot_safety(&mut self, at_ns: u64, node: &Node, snapshot: &Snapshot) {
        let (id, index) = (node.id(), snapshot.last_index);
        let committed = self.committed.get(index.prev().0 as usize);
        if committed.is_none_or(|(term, _)| *term != snapshot.last_term) {
            let what = format!("{id} has a snapshot at {index} of what is not committed");
            self.rule(at_ns, "Snapshot Safety", what);
        }
        let membership = self.memberships.range(..=index).next_back();
        if membership.is_some_and(|(_, membership)| *membership != snapshot.membership) {
            let what =
                format!("{id} has a snapshot at {index} with another membership than was in force");
            self.rule(at_ns, "Snapshot Safety", what);
        }
        let first = *self.snapshots.entry(index).or_insert(snapshot.checksum);
        if first != snapshot.checksum {
            let what = format!("{id} has another snapshot at {index} than a server had before");
            self.rule(at_ns, "Snapshot Safety", what);
        }
    }

    /// A server's state machine was replaced by a snapshot.
    pub(super) fn restored(&mut self, at_ns: u64, node: &Node, snapshot: &Snapshot) {
        let server = self.server(node.id());
        let back = snapshot.last_index < server.applied;
        server.applied = snapshot.last_index;
        if back {
            let what = format!("{} goes back to {}", node.id(), snapshot.last_index);
            self.rule(at_ns, "State Machine Safety", what);
        }
    }
}
