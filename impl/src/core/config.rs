//! What a core is told once, at its start.

use std::collections::BTreeSet;

use crate::types::NodeId;

/// The core's settings. Times are the runtime's business: the core only names timers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoreConfig {
    /// This server.
    pub id: NodeId,
    /// All voting servers, this one included.
    pub voters: BTreeSet<NodeId>,
    /// The most entries in one `AppendEntries`; at least one.
    pub max_entries_per_append: usize,
    /// The most command bytes in one `AppendEntries`; a larger single entry still goes alone.
    pub max_bytes_per_append: usize,
    /// The most entries sent to a follower and not yet acknowledged.
    pub max_in_flight_entries: u64,
}

impl CoreConfig {
    /// The defaults for a server among its voters.
    #[must_use]
    pub fn new(id: NodeId, voters: BTreeSet<NodeId>) -> CoreConfig {
        CoreConfig {
            id,
            voters,
            max_entries_per_append: 256,
            max_bytes_per_append: 1 << 20,
            max_in_flight_entries: 4096,
        }
    }
}
