//! Everything that can happen to a core.

use bytes::Bytes;

use super::effects::{PersistSeq, RequestId, Timer};
use super::message::Envelope;

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
    /// Every batch up to this one is durable.
    Persisted(PersistSeq),
}
