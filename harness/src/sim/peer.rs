//! The door for other people's Rafts: whoever implements [`Peer`] is simulated in the bare tier under the
//! same scenarios, faults, workloads and judges as the shipped replica. `docs/your-own-raft.md` tells how.
//!
//! A peer is a state machine: each thing that happens is handed to it, and it says through [`Out`] what is
//! to be done. It has no clock, network or disk of its own. One that brings a runtime drives it from
//! [`Peer::handle`] until it is idle, on the time that it is given.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use plumb_raft::core::RoleKind;
use plumb_raft::net::protocol::{RequestBody, ResponseBody};

use super::seams::random::Stream;
use crate::scenario::Settings;

pub use super::bare::Ticket;

/// What a disk holds, as one value, and what a write does to it.
pub trait Image: Clone + Default {
    /// The smallest thing that reaches a disk whole or not at all.
    type Write: Clone + Debug;

    /// A write reaches the disk.
    fn apply(&mut self, write: Self::Write);
}

/// Who a peer is, and among whom.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its number; servers are n1, n2, ….
    pub id: u64,
    /// All members, itself included. They stay the same for the whole run.
    pub members: Vec<u64>,
    /// How the scenario wants it set. What a peer has no use for, it leaves alone.
    pub settings: &'a Settings,
    /// All the randomness that it may use, of this life alone.
    pub random: Stream,
    /// The time by its own clock, which means nothing outside of this life.
    pub now: Duration,
}

/// Something that happens to a peer.
#[derive(Clone, Debug)]
pub enum Input<M> {
    /// A message arrives: perhaps late, perhaps twice, perhaps after later ones.
    Message {
        /// Who sent it.
        from: u64,
        /// What was sent.
        message: M,
    },
    /// The time has come that [`Peer::wakes_at`] named.
    Wake,
    /// All that was written before [`Out::sync`] returned this number is durable.
    Synced(u64),
    /// A client asks, and is to be answered by [`Out::answer`], or never.
    Call(Ticket, RequestBody),
}

/// What a peer shows of itself, for the judges of safety and for faults that wait for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// What it is.
    pub role: RoleKind,
    /// Its term.
    pub term: u64,
    /// Whom it voted for in that term.
    pub voted_for: Option<u64>,
    /// Up to where it knows entries to be committed.
    pub commit_index: u64,
    /// The last index of its log.
    pub last_index: u64,
    /// The last entry that its snapshot stands for; zero without one.
    pub snapshot_index: u64,
}

/// A server of anyone's Raft.
pub trait Peer: Sized {
    /// What goes from one server to another.
    type Message: Clone + Debug;
    /// What its disk holds.
    type Disk: Image;

    /// Starts, or starts again, with what the disk holds.
    fn start(member: Member<'_>, disk: Self::Disk, out: &mut Out<Self>) -> Self;

    /// Takes an input at a time by its own clock.
    fn handle(&mut self, now: Duration, input: Input<Self::Message>, out: &mut Out<Self>);

    /// When it wants to be woken next, by its own clock. Asked for after every input.
    fn wakes_at(&self) -> Option<Duration>;

    /// How many bytes a message takes, which counts on narrow links; by default, as many as its debugging text has.
    fn size_of(message: &Self::Message) -> usize {
        format!("{message:?}").len()
    }

    /// What it shows of itself. Without, it is judged by what its clients see, and by what it says that it
    /// applies.
    fn metrics(&self) -> Option<Metrics> {
        None
    }

    /// The term of the entry at an index of its log; `None` if there is none, or only a snapshot stands for it.
    fn term_at(&self, _index: u64) -> Option<u64> {
        None
    }
}

/// An entry that a peer has applied, for the judge of state machines.
#[derive(Clone, Debug)]
pub(super) enum Applied {
    Entry { index: u64, term: u64, digest: u64 },
    Snapshot { index: u64 },
}

/// What a peer wants done. All of it happens when the input is over, in this order: writes, messages, answers.
pub struct Out<P: Peer> {
    pub(super) writes: Vec<<P::Disk as Image>::Write>,
    pub(super) batches: Vec<(u64, Vec<<P::Disk as Image>::Write>)>,
    pub(super) send: Vec<(u64, P::Message)>,
    pub(super) answers: Vec<(Ticket, ResponseBody)>,
    pub(super) applied: Vec<Applied>,
    syncs: u64,
}

impl<P: Peer> Default for Out<P> {
    fn default() -> Out<P> {
        Out {
            writes: Vec::new(),
            batches: Vec::new(),
            send: Vec::new(),
            answers: Vec::new(),
            applied: Vec::new(),
            syncs: 0,
        }
    }
}

impl<P: Peer> Out<P> {
    /// Writes to the disk. Until it is synced a crash may keep it or lose it, but not without what was written
    /// before it.
    pub fn write(&mut self, write: <P::Disk as Image>::Write) {
        self.writes.push(write);
    }

    /// Asks for all that was written to be made durable, which takes a while: [`Input::Synced`] brings the
    /// number back.
    pub fn sync(&mut self) -> u64 {
        self.syncs += 1;
        let writes = std::mem::take(&mut self.writes);
        self.batches.push((self.syncs, writes));
        self.syncs
    }

    /// Sends a message, at once.
    pub fn send(&mut self, to: u64, message: P::Message) {
        self.send.push((to, message));
    }

    /// Answers a client.
    pub fn answer(&mut self, ticket: Ticket, body: ResponseBody) {
        self.answers.push((ticket, body));
    }

    /// Says that the state machine has taken an entry, and which: every server must take the same.
    pub fn applied(&mut self, index: u64, term: u64, command: &Bytes) {
        let digest = crate::invariants::digest(command);
        self.applied.push(Applied::Entry {
            index,
            term,
            digest,
        });
    }

    /// Says that the state machine was replaced by that of a snapshot whose last entry this is.
    pub fn restored(&mut self, index: u64) {
        self.applied.push(Applied::Snapshot { index });
    }
}
