//! What a core is told once, at its start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::types::NodeId;

/// The core's settings. Times are the runtime's business: the core only names timers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoreConfig {
    /// This server.
    pub id: NodeId,
    /// The voters that a cluster begins with: in force while no entry and no snapshot of this server
    /// says otherwise, which the first leader's first entry does. Nobody for a server that will be
    /// added to a cluster that runs.
    pub voters: BTreeSet<NodeId>,
    /// Where these voters listen, `host:port`; for the runtime, and opaque to the core.
    pub addresses: BTreeMap<NodeId, String>,
    /// The most entries in one `AppendEntries`; at least one.
    pub max_entries_per_append: usize,
    /// The most command bytes in one `AppendEntries`; a larger single entry still goes alone.
    pub max_bytes_per_append: usize,
    /// The most entries sent to a follower and not yet acknowledged.
    pub max_in_flight_entries: u64,
    /// The most command bytes sent to a follower and not yet acknowledged; the last entry may go beyond.
    pub max_in_flight_bytes: u64,
    /// A leader takes no more commands while so many bytes of its log are not committed: a cluster that
    /// can't commit must not fill its memory. A larger single command is taken still.
    pub max_uncommitted_bytes: u64,
    /// How many entries stay in the log behind a snapshot, for followers that lag a little.
    pub retained_entries: u64,
    /// The most bytes in one piece of a snapshot; at least one.
    pub snapshot_chunk_bytes: usize,
    /// Ask whether an election could be won before standing for it (dissertation §9.6): a server
    /// that was cut off comes back without a term that deposes a working leader.
    pub pre_vote: bool,
    /// A leader steps down if an election timeout passes without contact to a quorum (§6.2 there):
    /// its clients turn to one that can commit.
    pub check_quorum: bool,
    /// How long a leader may serve reads on the word of a round that it sent: see
    /// [`lease_duration`](super::lease_duration). Zero: never. Needs `stickiness`, without which it is
    /// not used.
    pub lease: Duration,
    /// Votes are refused, and their terms not adopted, while a leader is alive (§6 of the paper,
    /// §4.2.3 of the dissertation): a server that does not hear the leader can't depose it.
    pub stickiness: bool,
}

impl CoreConfig {
    /// The defaults for a server among its voters.
    #[must_use]
    pub fn new(id: NodeId, voters: BTreeSet<NodeId>) -> CoreConfig {
        CoreConfig {
            id,
            voters,
            addresses: BTreeMap::new(),
            max_entries_per_append: 256,
            max_bytes_per_append: 1 << 20,
            max_in_flight_entries: 4096,
            max_in_flight_bytes: 8 << 20,
            max_uncommitted_bytes: 64 << 20,
            retained_entries: 1024,
            snapshot_chunk_bytes: 256 << 10,
            pre_vote: true,
            check_quorum: true,
            lease: Duration::ZERO,
            stickiness: true,
        }
    }
}
