//! The door for other people's Rafts: whoever implements [`Peer`] is simulated in the bare tier under the
//! same scenarios, faults, workloads and judges as the shipped replica. `docs/your-own-raft.md` tells how.
//!
//! A peer is a state machine: each thing that happens is handed to it, and it says through [`Out`] what is
//! to be done. It has no clock, network or disk of its own. One that brings a runtime drives it from
//! [`Peer::handle`] until it is idle, on the time that it is given.
//!
//! # Example
//! All that there is to it, for servers that never talk to each other. So they are found out:
//!
//! ```
//! use std::collections::VecDeque;
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use plumb_harness::nemesis::Length;
//! use plumb_harness::scenario::Tier;
//! use plumb_harness::sim::peer::{Image, Input, Member, Out, Peer, RequestBody, ResponseBody, Ticket};
//! use plumb_harness::sim::system::{System, generate_for_peers};
//! use plumb_harness::sim::RunOptions;
//! use plumb_raft::kv::{Command, KvStore};
//! use plumb_raft::types::{Entry, LogIndex, Payload, Term};
//!
//! /// What is on the disk: the log.
//! #[derive(Clone, Default)]
//! struct Log(Vec<Bytes>);
//!
//! impl Image for Log {
//!     type Write = Bytes;
//!
//!     fn apply(&mut self, command: Bytes) {
//!         self.0.push(command);
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Hermit {
//!     store: KvStore,
//!     /// Answers that wait for a sync.
//!     waiting: VecDeque<(u64, Ticket, ResponseBody)>,
//! }
//!
//! impl Hermit {
//!     fn apply(&mut self, command: Bytes, out: &mut Out<Hermit>) -> ResponseBody {
//!         let index = self.store.applied().0 + 1;
//!         out.applied(index, 1, &command);
//!         let (index, payload) = (LogIndex(index), Payload::Command(command));
//!         let entry = Entry { index, term: Term(1), payload };
//!         ResponseBody::Applied(self.store.apply(&entry).expect("a command has a reply"))
//!     }
//! }
//!
//! impl Peer for Hermit {
//!     type Message = ();
//!     type Disk = Log;
//!
//!     fn start(_: Member<'_>, log: Log, out: &mut Out<Hermit>) -> Hermit {
//!         let mut hermit = Hermit::default();
//!         for command in log.0 {
//!             hermit.apply(command, out);
//!         }
//!         hermit
//!     }
//!
//!     fn handle(&mut self, _: Duration, input: Input<()>, out: &mut Out<Hermit>) {
//!         match input {
//!             Input::Call(ticket, RequestBody::Read { key, .. }) => {
//!                 out.answer(ticket, ResponseBody::Value(self.store.get(&key).cloned()));
//!             }
//!             Input::Call(ticket, body) => match Command::try_from(body) {
//!                 Ok(command) => {
//!                     let command = command.encode();
//!                     out.write(command.clone());
//!                     let answer = self.apply(command, out);
//!                     self.waiting.push_back((out.sync(), ticket, answer));
//!                 }
//!                 Err(_) => out.answer(ticket, ResponseBody::Refused("not here".to_owned())),
//!             },
//!             Input::Synced(seq) => {
//!                 while let Some((_, ticket, answer)) = self.waiting.pop_front_if(|it| it.0 <= seq) {
//!                     out.answer(ticket, answer);
//!                 }
//!             }
//!             Input::Message { .. } | Input::Wake => {}
//!         }
//!     }
//!
//!     fn wakes_at(&self) -> Option<Duration> {
//!         None
//!     }
//! }
//!
//! // A program's `main` gives this to `plumb_harness::cli::peer_main`, which does the rest.
//! let system = System::of_peer::<Hermit>("hermits", generate_for_peers);
//! let scenario = (system.generate)(7, Length::SHORT, Tier::Bare);
//! let run = (system.run)(&scenario, RunOptions::default());
//! let violation = run.violation.expect("each has a state of its own");
//! assert_eq!(violation.property, "State Machine Safety");
//! ```

use std::fmt::Debug;
use std::time::Duration;

use crate::scenario::Settings;

pub use super::bare::Ticket;
pub use super::seams::random::Stream;
pub use plumb_raft::core::RoleKind;
pub use plumb_raft::net::protocol::{RequestBody, ResponseBody};

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
    /// All that was written before [`Out::sync`] returned this number is durable, and so are all earlier numbers'
    /// writes, of which nothing more is said.
    Synced(u64),
    /// A client asks, and is to be answered by [`Out::answer`], or never. What a peer has to know are
    /// [`RequestBody::OpenSession`], [`RequestBody::Execute`] and [`RequestBody::Read`]; the first two become a
    /// [`Command`](plumb_raft::kv::Command) by `try_from`. Another server is named by [`ResponseBody::NotLeader`],
    /// which says that this try had no effect; whoever can't know that gives no answer. Anything else may be refused.
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

    /// When it wants to be woken next, by its own clock. Asked for after every input. A time that is over wakes it at
    /// once, and again for as long as it is named.
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

    /// Asks for all that was written to be made durable, which takes a while: [`Input::Synced`] brings this number
    /// back, or a later one. Numbers count from one in each life.
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

    /// Says that the state machine has taken an entry, and which: every server must take the same. Entries count from
    /// one, without gaps: one that holds nothing for the state machine is told too, with an empty command. A server
    /// that starts again begins with the first one, or behind the snapshot that it tells by [`Out::restored`].
    pub fn applied(&mut self, index: u64, term: u64, command: &[u8]) {
        let digest = crate::invariants::digest(command);
        self.applied.push(Applied::Entry {
            index,
            term,
            digest,
        });
    }

    /// Says that the state machine was replaced by that of a snapshot whose last entry this is: one that was
    /// received, or, from [`Peer::start`], one that was on the disk.
    pub fn restored(&mut self, index: u64) {
        self.applied.push(Applied::Snapshot { index });
    }
}
