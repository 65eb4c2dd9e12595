//! What a step of the core asks the world to do. Data only: the runtime carries it out, the
//! simulator and the judges read it.

use serde::{Deserialize, Serialize};

use super::message::Envelope;
use super::snapshot::Snapshot;
use crate::types::{Entry, HardState, LogIndex, NodeId, Term};

/// The number of a batch of writes within one life of a node: 1, 2, 3, …
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PersistSeq(pub u64);

/// One thing to be made durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Write {
    /// Replaces the term and vote.
    HardState(HardState),
    /// Drops every entry from this index on.
    Truncate(LogIndex),
    /// Adds entries behind the last one; indexes are contiguous.
    Append(Vec<Entry>),
    /// Saves a snapshot, and drops every entry up to the base, which it covers. A log that ends
    /// before the base ends there now: other writes of the batch have cut what may differ.
    Snapshot {
        /// The snapshot; it replaces the one before.
        snapshot: Snapshot,
        /// The last entry that is dropped, and its term.
        base: (LogIndex, Term),
    },
}

/// Writes that become durable in order. A batch is durable only once every earlier one is. The shipped log makes
/// all of a batch durable or nothing; nothing here rests on that: a crash may leave any first part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Batch {
    /// Its number; consecutive.
    pub seq: PersistSeq,
    /// The writes, in order; never empty.
    pub writes: Vec<Write>,
}

/// The timers of §5.2 and the one of leader stickiness. Setting one replaces the one of the same
/// kind that was running. Time reaches the core only as timers that fire: safety never rests on
/// when they do, so that a model checker may let them fire at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// Fires after a time drawn anew from the election timeout's range. A leader uses it to see
    /// whether it still reaches a quorum.
    Election,
    /// Fires after the least election timeout: the leader last heard may be gone.
    Stickiness,
    /// Fires after the heartbeat interval.
    Heartbeat,
}

/// Names a request from its submission to the core's answer; chosen by the runtime, and never used twice
/// by a server, in another life neither: an answer to a read may come that late.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// This server does not lead; here is who may, if known. Nothing was appended.
    NotLeader(Option<NodeId>),
    /// This server stopped leading before a read was confirmed: ask again.
    LostLeadership,
    /// This leader is handing over and takes nothing new.
    HandingOver,
    /// Too much waits to be committed here.
    Overloaded,
    /// A membership change is under way, or this leader does not know yet whether one is.
    ChangeUnderWay,
    /// A server that is to vote is no member yet, or lacks too much of the log.
    NotCaughtUp,
    /// Nobody would vote.
    NoVoters,
    /// The server that was to take over is no voter.
    NoSuchVoter,
    /// The server that was to take over did not in time: this one leads on.
    TransferTimedOut,
}

/// The core's answer to a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// The proposal stands in this server's log at this place; whether it commits is not known.
    Appended {
        /// Where.
        index: LogIndex,
        /// In which term: another term at that index later means that it was overwritten.
        term: Term,
    },
    /// The leadership was given up after the transfer was asked for, or was with its target already.
    HandedOver,
    /// The read may be served once the state machine has applied up to here (§8).
    ReadAt(LogIndex),
    /// Nothing happened.
    Refused(Refusal),
}

/// Everything one step asks for, each list in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Effects {
    /// Make this durable, then say so with `Input::Persisted`.
    pub persist: Option<Batch>,
    /// Send these now. A message that promises durable state is only ever put here once that
    /// state is durable: the core itself withholds it until then.
    pub send: Vec<Envelope>,
    /// Replace the state machine by this snapshot, before anything is applied.
    pub restore: Option<Snapshot>,
    /// Start or restart these timers.
    pub timers: Vec<Timer>,
    /// Apply these committed entries in order; each index is handed out at most once in a
    /// node's life, and skipped only where a snapshot stands for it.
    pub apply: Vec<Entry>,
    /// Answers to proposals and reads.
    pub answers: Vec<(RequestId, Answer)>,
}

/// Moves what is new behind what is there; most often nothing is.
pub(crate) fn add<T>(all: &mut Vec<T>, new: Vec<T>) {
    if new.is_empty() {
        return;
    }
    if all.is_empty() {
        *all = new;
    } else {
        all.extend(new);
    }
}
