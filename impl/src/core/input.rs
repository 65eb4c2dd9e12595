//! Everything that can happen to a core.

use bytes::Bytes;

use super::effects::{PersistSeq, RequestId, Timer};
use super::membership::Change;
use super::message::Envelope;
use crate::types::{LogIndex, NodeId};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message arrived.
    Receive(Envelope),
    /// A timer fired.
    TimerFired(Timer),
    /// Clients propose these commands, in this order.
    Propose(Vec<(RequestId, Bytes)>),
    /// A client wants a linearizable read (§8).
    Read(RequestId),
    /// Somebody wants this server, a leader, to hand over to another.
    Transfer(RequestId, NodeId),
    /// The state machine's bytes as they were after this entry, which was handed out to be applied.
    SnapshotTaken {
        /// The entry.
        index: LogIndex,
        /// The state machine.
        data: Bytes,
    },
    /// Somebody wants this server, a leader, to change who takes part.
    ChangeMembership(RequestId, Change),
    /// Every batch up to this one is durable.
    Persisted(PersistSeq),
}
