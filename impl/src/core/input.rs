//! Everything that can happen to a core.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::effects::{PersistSeq, RequestId, Timer};
use super::membership::Change;
use super::message::Envelope;
use crate::types::{LogIndex, NodeId};

/// How a linearizable read comes by its certainty. All of them see every write that completed before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadMode {
    /// The leader confirms its leadership by a round of heartbeats.
    #[default]
    Leader,
    /// The leader rests on its lease if it has one, else on a round. Right as long as clocks keep to their
    /// stated bound.
    Lease,
    /// Whichever server is asked serves it, at an index that it asks the leader for.
    Anywhere,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Input {
    /// A message arrived.
    Receive(Envelope),
    /// A timer fired.
    TimerFired(Timer),
    /// Clients propose these commands, in this order.
    Propose(Vec<(RequestId, Bytes)>),
    /// A client wants a linearizable read (§8).
    Read(RequestId, ReadMode),
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
