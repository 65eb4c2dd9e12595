//! Rules on snapshots (§7).

use plumb_raft::core::{Node, Snapshot};

use super::judge::Judge;

impl Judge {
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
